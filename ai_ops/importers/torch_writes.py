"""What a program writes in place: into constants it is computed, elsewhere it must not be seen.

A call like ``x[:, 0] = 1`` changes a tensor that has other names. Whoever reads one of those names
afterwards would get the old numbers here, so that is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from ai_ops.importers.torch_calls import Call, Reader

VIEWS = frozenset(
    {
        *("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "slice", "select"),
        *("transpose", "permute", "t", "expand", "expand_as", "unbind", "split", "chunk"),
        *("split_with_sizes", "detach", "alias", "contiguous", "to", "lift_fresh_copy"),
    }
)
"""Calls whose results may share their argument's numbers."""


def in_place(call: Call) -> bool:
    """Tell whether a call writes into its first argument."""
    name = call.target.partition(".")[0]
    return name.endswith("_") and not name.startswith("_") and bool(call.tensors)


def needed(reader: Reader, outputs: Sequence[str]) -> list[Call]:
    """Return the calls that the wanted values depend on, those that write into them included."""
    roots = _roots(reader)
    wanted = {str(name) for name in outputs or reader.outputs}
    written = {roots.get(name, name) for name in wanted}
    kept = []
    for call in reversed(reader.calls):
        writes = in_place(call) and roots.get(call.tensors[0], call.tensors[0]) in written
        if writes or wanted.intersection([call.name, *call.names]):
            kept.append(call)
            wanted.update(call.named)
            written.update(roots.get(name, name) for name in call.named)
    return kept[::-1]


def refuse_shared_writes(call: Call) -> None:
    """Refuse a call in place, if a name that its tensor had before is read after it."""
    if not in_place(call):
        return
    reader = call.reader
    roots = _roots(reader)
    root = roots.get(call.tensors[0], call.tensors[0])
    place = next(i for i, other in enumerate(reader.calls) if other.name == call.name)
    before = {name for other in reader.calls[:place] for name in other.names} | {root}
    read = {name for other in reader.calls[place + 1 :] for name in other.tensors}
    stale = {
        name for name in before & (read | set(reader.outputs)) if roots.get(name, name) == root
    }
    if stale:
        raise call.refuse(
            "it writes in place into a tensor that is read under another name afterwards:"
            " build the tensor with torch.cat or torch.where"
        )


def _roots(reader: Reader) -> dict[str, str]:
    """Return for each value the tensor whose numbers it may share."""
    roots: dict[str, str] = {}
    for call in reader.calls:
        name = call.target.partition(".")[0]
        if call.tensors and (name in VIEWS or in_place(call)):
            root = roots.get(call.tensors[0], call.tensors[0])
            roots.update(dict.fromkeys(call.names, root))
    return roots
