"""The integers that exporters compute about shapes: ``x.view(x.size(0), -1)`` and its kin."""

from ai_ops.importers.onnx_nodes import OnnxNode

PASSED = frozenset({"Cast", "Identity", "Unsqueeze", "Squeeze"})
COMPUTED = PASSED | {"Gather", "Concat", "Slice"}


def shape_integers(node: OnnxNode) -> list[int] | None:
    """Return the integers a node computes from a shape, or None when it computes a tensor.

    The size of the sample axis is written 0, which a reshape reads as "the same as before".
    """
    reader = node.reader
    if node.operator == "Shape":
        shape = reader.shapes.get(node.arguments[0])
        if shape is None or -1 in shape[1:] or node.get("start") or node.get("end"):
            raise node.refuse("it asks for sizes that the file does not fix")
        return [0, *shape[1:]]
    if node.operator not in COMPUTED:
        return None
    known = [reader.integers.get(name) for name in node.arguments]
    if not any(value is not None for value in known):
        return None
    lists = [
        value if value is not None else _stored(node, index) for index, value in enumerate(known)
    ]
    if node.operator in PASSED:
        return lists[0]
    if node.operator == "Gather":
        return [lists[0][index] for index in lists[1]]
    if node.operator == "Slice":
        return lists[0][lists[1][0] : lists[2][0] : lists[4][0] if len(lists) > 4 else 1]
    return [value for values in lists for value in values]


def _stored(node: OnnxNode, index: int) -> list[int]:
    return [int(value) for value in node.required(index, "operand").reshape(-1)]
