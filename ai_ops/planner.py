"""Where each tensor of a run lies: one arena, planned when a model is loaded.

Tensors are placed largest first, each at the lowest place that is free for its whole life. The
plan of a larger n serves every smaller one: tensors only shrink inside their places.

How the plan relates to the peak that validation proved (docs/spec/03-models.md M-16): the arena
is at least the peak of its blocks and, by `Plan.tight`, at most
``live_bytes + live_bytes // 4 + 64 * blocks``. No placement has a bound that good for every graph,
so a runner must not use a plan that is not tight: the step loop, whose tensors are separate
allocations, holds exactly the live ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.backends.base import Program

ALIGNMENT = 64
"""Bytes: a cache line and the widest vector. Offsets are multiples of it."""

SLACK_DIVISOR = 4

# Operators whose result is their first operand's bytes under another shape.
ALIASES = ("RESHAPE",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Memory of one tensor and of its reshaped views.

    Parameters
    ----------
    size : int
        Bytes, not rounded.
    first, last : int
        Steps over which it must keep its contents, both included; inputs begin at -1, outputs
        end at the number of steps.
    """

    size: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Places of all values for every n up to the one planned for.

    Parameters
    ----------
    n : int
    roots : tuple of int
        For each value the value whose memory it is: itself, or what it is a view of.
    offsets : tuple of int
        Byte offset of each value in the arena; -1 for weights and views of weights.
    arena_bytes : int
    block_bytes : int
        Peak of all blocks alive at once, not rounded: no plan can be smaller.
    live_bytes : int
        The peak of M-16 at this n; it counts a view beside its tensor.
    blocks : int
        Number of blocks placed.
    """

    n: int
    roots: tuple[int, ...]
    offsets: tuple[int, ...]
    arena_bytes: int
    block_bytes: int
    live_bytes: int
    blocks: int

    @property
    def bound(self) -> int:
        """The most bytes that an arena may have to be used."""
        return self.live_bytes + self.live_bytes // SLACK_DIVISOR + ALIGNMENT * self.blocks

    @property
    def tight(self) -> bool:
        """Whether the arena keeps to its bound."""
        return self.arena_bytes <= self.bound


def plan_memory(program: Program, n: int) -> Plan:
    """Place every tensor of a program.

    Parameters
    ----------
    program : Program
    n : int
        Units; the plan holds for every smaller number too.
    """
    roots = _roots(program)
    blocks = _blocks(program, roots, n)
    least = _peak(blocks, len(program.steps), ALIGNMENT)
    places: list[tuple[int, dict[int, int]]] = []
    for order in _orders(blocks):
        places.append(_place(blocks, order))
        if places[-1][0] == least:  # nothing is smaller
            break
    arena, offsets = min(places, key=lambda place: place[0])
    sizes = [value.type.size(n) for value in program.facts.values]
    alone = tuple(range(len(sizes)))
    return Plan(
        n=n,
        roots=roots,
        offsets=tuple(offsets.get(root, -1) for root in roots),
        arena_bytes=arena,
        block_bytes=_peak(blocks, len(program.steps)),
        live_bytes=_peak(_blocks(program, alone, n), len(program.steps)),
        blocks=len(blocks),
    )


def _roots(program: Program) -> tuple[int, ...]:
    roots = list(range(len(program.facts.values)))
    for step in program.steps:
        if step.node.operator in ALIASES:
            roots[step.outputs[0]] = roots[step.node.inputs[0]]
    return tuple(roots)


def _blocks(program: Program, roots: tuple[int, ...], n: int) -> dict[int, Block]:
    """Return the blocks by the value that owns them."""
    steps = len(program.steps)
    first = dict.fromkeys(range(len(program.model.manifest.inputs)), -1)
    last = dict.fromkeys(range(len(roots)), steps)
    for index, step in enumerate(program.steps):
        first.update(dict.fromkeys(step.outputs, index))
        last.update(dict.fromkeys(step.dead, index))
    ends: dict[int, int] = {}
    for value, root in enumerate(roots):
        ends[root] = max(ends.get(root, -1), last[value])
    return {
        root: Block(
            size=program.facts.values[root].type.size(n), first=first[root], last=ends[root]
        )
        for root in ends
        if root not in program.weights
    }


def _orders(blocks: dict[int, Block]) -> tuple[list[int], ...]:
    """Orders to try: largest first, and in order of birth."""

    def size(owner: int) -> tuple[int, int, int]:
        block = blocks[owner]
        return -block.size, block.first - block.last, owner

    def birth(owner: int) -> tuple[int, int, int]:
        return blocks[owner].first, -blocks[owner].size, owner

    return sorted(blocks, key=size), sorted(blocks, key=birth)


def _place(blocks: dict[int, Block], order: list[int]) -> tuple[int, dict[int, int]]:
    """Give each block, in `order`, the lowest place that is free for its whole life.

    Returns
    -------
    arena_bytes : int
    offsets : dict
        By owner.
    """
    # Columns: first step, last step, begin, end of the blocks placed so far.
    placed: Wide = np.empty((4, len(order)), np.int64)
    offsets: dict[int, int] = {}
    arena = 0
    for count, owner in enumerate(order):
        block = blocks[owner]
        size = -(-block.size // ALIGNMENT) * ALIGNMENT
        first, last, begins, ends = placed[:, :count]
        meets = np.flatnonzero((first <= block.last) & (last >= block.first))
        meets = meets[np.argsort(begins[meets], kind="stable")]
        # Where the blocks before each one end: the first gap in front of one that is wide enough.
        tops = np.concatenate(([0], np.maximum.accumulate(ends[meets])))
        gaps = np.flatnonzero(begins[meets] - tops[:-1] >= size)
        at = int(tops[gaps[0] if len(gaps) else -1])
        placed[:, count] = block.first, block.last, at, at + size
        offsets[owner] = at
        arena = max(arena, at + size)
    return arena, offsets


def _peak(blocks: dict[int, Block], steps: int, multiple: int = 1) -> int:
    """Return the largest sum of the sizes of blocks alive at one step, inputs before it.

    Sizes are rounded up to a multiple.
    """
    change = [0] * (steps + 3)
    for block in blocks.values():
        size = -(-block.size // multiple) * multiple
        change[block.first + 1] += size
        change[block.last + 2] -= size
    peak = live = 0
    for delta in change:
        live += delta
        peak = max(peak, live)
    return peak
