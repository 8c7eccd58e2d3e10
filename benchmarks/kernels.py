"""Products, kernel by kernel: `python -m benchmarks.kernels`, one thread.

Each row is one product; columns are billions of operations a second (a multiply-accumulate is
two), by the processor time of the fastest of many runs in turns, and the last ones are ratios to
the best of ours. torch (`_int_mm`) and ONNX Runtime (`QLinearConv`, u8 by i8) are shown where they
are installed: both saturate, and so give other results, on processors without VNNI. They do no
more than a dot product and a float rescale; ours include bias, rescale, clamp and narrowing.
"""

from __future__ import annotations

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ai_ops.backends import BACKENDS, select_backend
from ai_ops.dtype import Array, DType
from ai_ops.errors import BackendFault
from ai_ops.graph import Node, TensorType, Value
from ai_ops.native.library import Entry, NativeKernel, address_of, aligned
from ai_ops.operators import OPERATORS, make_node

SECONDS = 0.3
COLUMNS = (*(name for name in BACKENDS if name != "reference"), "torch", "onnxruntime")
DTYPES = {dtype.numpy: dtype for dtype in DType}
Run = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One node with its operands; the last one is a weight."""

    name: str
    node: Node
    arrays: tuple[Array, ...]

    @property
    def values(self) -> tuple[Value, ...]:
        return tuple(
            Value(
                type=TensorType(dtype=DTYPES[array.dtype], shape=array.shape),
                minimum=int(array.min()),
                maximum=int(array.max()),
            )
            for array in self.arrays
        )


def fields(channels: int) -> dict[str, int | tuple[int, ...]]:
    return {
        "multipliers": (2**30 + 5,) * channels,
        "shifts": (42,) * channels,
        "dtype": 1,
        "minimum": -128,
        "maximum": 127,
    }


def drawn(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).integers(-128, 128, shape).astype(np.int8)


def gemm(rows: int, units: int, depth: int) -> Case:
    node = make_node("GEMM", (0, 1), bias=(3,) * units, **fields(units))
    return Case(
        name=f"GEMM {rows} x {units} x {depth}",
        node=node,
        arrays=(drawn(rows, depth), drawn(units, depth)),
    )


def dynamic(rows: int, units: int, depth: int) -> Case:
    node = make_node("GEMM_DYNAMIC", (0, 1, 2), bias=(3,) * units, **fields(units))
    factors = np.full((rows, 1), 1234, np.int32)
    return Case(
        name=f"GEMM_DYNAMIC {rows} x {units} x {depth}",
        node=node,
        arrays=(drawn(rows, depth), factors, drawn(units, depth)),
    )


def conv(size: int, channels: int, filters: int, kernel: int, stride: int, groups: int = 1) -> Case:
    around = kernel // 2
    node = make_node(
        "CONV2D",
        (0, 1),
        strides=(stride, stride),
        padding=(around,) * 4,
        dilations=(1, 1),
        groups=groups,
        bias=(3,) * filters,
        **fields(filters),
    )
    kind = "CONV2D" if groups == 1 else "depthwise" if groups == channels else f"{groups} groups"
    return Case(
        name=f"{kind} {kernel}x{kernel}/{stride} {channels} to {filters} at {size}",
        node=node,
        arrays=(
            drawn(1, size, size, channels),
            drawn(filters, kernel, kernel, channels // groups),
        ),
    )


CASES = (
    gemm(1, 4096, 4096),
    gemm(1, 32768, 4096),
    gemm(128, 1024, 1024),
    gemm(128, 1536, 384),
    dynamic(128, 384, 1536),
    dynamic(1, 1536, 576),
    conv(56, 64, 64, 3, 1),
    conv(56, 96, 24, 1, 1),
    conv(56, 24, 144, 1, 1),
    conv(224, 3, 32, 3, 2),
    conv(56, 96, 96, 3, 1, 96),
    conv(28, 240, 240, 5, 1, 240),
    conv(28, 64, 64, 3, 1, 8),
    conv(28, 1, 6, 5, 1),
    conv(14, 6, 16, 5, 1),
)


def operations(case: Case) -> int:
    (result,) = OPERATORS[case.node.operator].infer(case.node, case.values)
    return 2 * result.type.unit_elements * case.arrays[-1][0].size


def ours(case: Case, name: str) -> Run | None:
    try:
        backend = select_backend(name)
    except BackendFault:
        return None
    values, last = case.values, len(case.arrays) - 1
    outputs = OPERATORS[case.node.operator].infer(case.node, values)
    kernel = backend.prepare(case.node, values, outputs, {last: case.arrays[last]})
    if isinstance(kernel, NativeKernel):
        return direct(kernel, case.arrays)
    return lambda: kernel(case.arrays)


def direct(kernel: NativeKernel, arrays: tuple[Array, ...]) -> Run:
    """Call the C function as a whole-graph runner does, without making arrays."""
    results = tuple(np.empty(out.concrete(1), out.dtype.numpy) for out in kernel.outputs)
    memory = aligned(kernel.scratch(1))
    inputs = (ctypes.c_void_p * len(arrays))(*map(address_of, arrays))
    outputs = (ctypes.c_void_p * len(results))(*map(address_of, results))
    step, scratch, function = address_of(kernel.step), address_of(memory), Entry(kernel.address)
    kept = (arrays, results, memory, kernel)
    return lambda: (function(step, inputs, outputs, 1, scratch), kept)


def by_torch(case: Case) -> Run | None:
    try:
        import torch
    except ImportError:
        return None
    if case.node.operator != "GEMM" or case.arrays[0].shape[0] <= 16:  # its least number of rows
        return None
    torch.set_num_threads(1)
    x, w = torch.from_numpy(case.arrays[0]), torch.from_numpy(case.arrays[1]).t()
    return lambda: torch._int_mm(x, w)  # noqa: SLF001  the int8 product that torch has


def by_onnxruntime(case: Case) -> Run | None:
    try:
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        return None
    if case.node.operator != "CONV2D":
        return None
    x, w = case.arrays
    attributes = {
        "kernel_shape": w.shape[1:3],
        "strides": case.node.integers("strides"),
        "pads": case.node.integers("padding"),
        "group": case.node.integer("groups"),
    }
    constants = {
        "xs": np.float32(0.05), "xz": np.uint8(128), "w": w.transpose(0, 3, 1, 2).copy(),
        "ws": np.full(len(w), 0.01, np.float32), "wz": np.zeros(len(w), np.int8),
        "ys": np.float32(0.5), "yz": np.uint8(128), "b": np.full(len(w), 3, np.int32),
    }  # fmt: skip
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    given = (x.astype(np.int16) + 128).astype(np.uint8).transpose(0, 3, 1, 2).copy()
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", names, ["y"], **attributes)],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, given.shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"x": given})


def fastest(runs: dict[str, Run]) -> dict[str, float]:
    """Take turns, and return the seconds of each one's fastest run."""
    best = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run()
    end = time.thread_time() + SECONDS * len(runs)
    rounds = 0
    while rounds < 5 or time.thread_time() < end:
        rounds += 1
        for name, run in runs.items():
            start = time.thread_time()
            run()
            best[name] = min(best[name], time.thread_time() - start)
    return best


def main() -> None:
    print(
        f"{'GOPS':<34}" + "".join(f"{name:>16}" for name in COLUMNS) + "   best of ours to others"
    )
    for case in CASES:
        runs = {name: ours(case, name) for name in COLUMNS[:-2]}
        runs |= {"torch": by_torch(case), "onnxruntime": by_onnxruntime(case)}
        seconds = fastest({name: run for name, run in runs.items() if run is not None})
        row = f"{case.name:<34}"
        for name in COLUMNS:
            speed = f"{operations(case) / seconds[name] / 1e9:.1f}" if name in seconds else ""
            row += f"{speed:>16}"
        native = min(seconds[name] for name in seconds if name.startswith("native"))
        ratios = [
            f"{name} {seconds[name] / native:.2f}"
            for name in ("numba", "torch", "onnxruntime")
            if name in seconds
        ]
        if case.arrays[0].shape[0] == 1 and "GEMM" in case.node.operator:
            ratios.append(f"{case.arrays[-1].size / native / 1e9:.1f} GB/s of weights")
        print(row + "   " + ", ".join(ratios))


if __name__ == "__main__":
    main()
