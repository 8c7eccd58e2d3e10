"""ONNX nodes that resize images or exchange pixels and channels."""

from __future__ import annotations

from ai_ops.importers import resampling
from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.onnx_choices import maker
from ai_ops.importers.onnx_nodes import OnnxNode


def resize(node: OnnxNode) -> list[FloatNode]:
    """Read Resize and Upsample: nearest pixels, linear or cubic interpolation, by any factor."""
    shape = node.reader.shapes.get(node.value())
    if shape is None or -1 in shape[1:]:
        raise node.refuse("the shape of its input is not known; give the file its shapes")
    rule, mode = _rule(node)
    wanted = _factors(node, shape)
    at = {axis: resampling.positions(shape[axis], *wanted[axis], rule) for axis in wanted}
    make, x = maker(node), node.value()
    if mode == "nearest":
        rounding = node.get("nearest_mode", "round_prefer_floor")
        rounding = rounding if node.operator == "Resize" else "floor"
        chosen = {
            axis: (shape[axis], resampling.nearest(shape[axis], where, rounding))
            for axis, where in at.items()
        }
        return resampling.chosen(make, node.name, x, chosen)
    a = float(node.get("cubic_coeff_a", -0.75))
    matrices = {
        axis: resampling.linear(shape[axis], where)
        if mode == "linear"
        else resampling.cubic(shape[axis], where, a)
        for axis, where in at.items()
    }
    return resampling.mixed(make, node.name, x, matrices, node.reader.put)


def _rule(node: OnnxNode) -> tuple[str, str]:
    """Return the rule of the coordinates and the mode.

    Raises
    ------
    ImportRefused : a mode that is none of nearest, linear and cubic, or what changes them
    """
    mode = node.get("mode", "nearest")
    old = node.operator == "Upsample" or node.reader.opset < 11
    rule = "asymmetric" if old else node.get("coordinate_transformation_mode", "half_pixel")
    if mode not in {"nearest", "linear", "cubic"} or rule not in resampling.COORDINATES:
        raise node.refuse(
            f"the mode {mode} with {rule} coordinates is not read: use nearest, linear or cubic"
            f" with one of {', '.join(sorted(resampling.COORDINATES))}"
        )
    if node.get("antialias", 0) or node.get("exclude_outside", 0):
        raise node.refuse(f"{mode} with antialias or exclude_outside is not read: leave them off")
    return rule, mode


def _factors(node: OnnxNode, shape: list[int]) -> dict[int, tuple[int, float]]:
    """Return for each axis that changes its new size and its scale."""
    scales = node.constant(2 if node.operator == "Resize" and node.reader.opset >= 11 else 1)
    sizes = node.constant(3) if node.operator == "Resize" else None
    if scales is None and node.operator == "Upsample":
        scales = node.get("scales")
    axes = [int(axis) % len(shape) for axis in node.get("axes", range(len(shape)))]
    if sizes is not None and sizes.size:
        if node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise node.refuse("only the policy stretch is read")
        after = [int(size) for size in sizes.reshape(-1)]
        factors = [new / max(1, shape[axis]) for axis, new in zip(axes, after, strict=True)]
    elif scales is not None and len(scales):
        factors = [float(scale) for scale in scales]
        after = [int(shape[a] * f + 1e-6) for a, f in zip(axes, factors, strict=True)]
    else:
        raise node.refuse("its size is computed; give constant scales or sizes")
    found = {axis: (n, f) for axis, n, f in zip(axes, after, factors, strict=True)}
    if 0 in found and found.pop(0)[1] != 1 and shape[0] > 0:
        raise node.refuse("it resizes the sample axis")
    if len(shape) == 4:
        return {axis: pair for axis, pair in found.items() if axis > 1 or pair[1] != 1}
    return found


def depth_to_space(node: OnnxNode) -> list[FloatNode]:
    """Read DepthToSpace: blocks of channels become blocks of pixels."""
    shape, size = node.reader.shapes.get(node.value(), []), int(node.get("blocksize", 1))
    if len(shape) != 4 or -1 in shape[1:]:
        raise node.refuse("the shape of its input is not known; give the file its shapes")
    mode = node.get("mode", "DCR")
    return resampling.shuffled(
        maker(node), node.name, node.value(), (shape, size), channels_first=mode == "CRD"
    )
