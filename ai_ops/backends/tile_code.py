"""Machine code for tiles of products, without a compiler: what numba makes no use of by itself.

Modern x86 processors multiply groups of narrow integers and add the products to 32-bit sums in one
instruction; LLVM finds none of them in plain loops over bytes. Here they are named: numba places
the code below where `tile_kernels` calls it. Sums wrap modulo 2^32, so where validation proved that
the final sum is an i32 it is exact in whatever order it was added; no instruction used saturates.

This module is imported only where numba compiles (`tile_width`).
"""

# numba reads the names of an intrinsic's parameters, and gives them types of its own.
# ruff: noqa: ANN001, ANN202, ARG001

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

PANEL = 16
GROUP_BYTES = 4  # of a row of the left operand: four bytes or two i16 make one group
ENDS = 4  # constants of a column: offset of the sum, multiplier, shift, bias of GEMM_DYNAMIC
CHAINS = 4  # sums of a single row, so that an addition need not wait for the one before

Value = Any
BIT, BYTE, SHORT = ir.IntType(1), ir.IntType(8), ir.IntType(16)
LANE, WORD = ir.IntType(32), ir.IntType(64)
LANES, WIDE = ir.VectorType(LANE, PANEL), ir.VectorType(WORD, PANEL // 2)


def tile_width() -> int:
    """Return the vector bits that tiles use on the processor numba compiles for; 0: no tiles.

    512 is AVX-512 with VNNI, 256 is AVX2. The target is asked, not this machine: they differ where
    `NUMBA_CPU_NAME` and `NUMBA_CPU_FEATURES` say so.
    """
    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    present = set(features.split(","))
    if not triple.startswith("x86_64"):
        return 0
    if {"+avx512f", "+avx512bw", "+avx512dq", "+avx512vl", "+avx512vnni"} <= present:
        return 512
    return 256 if "+avx2" in present else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """How one group of a row meets one group of 16 columns.

    Parameters
    ----------
    bits : int
        Width of a vector.
    pairs : bool
        Two i16 of the left operand make a group, else four u8.
    """

    bits: int
    pairs: bool

    @property
    def parts(self) -> int:
        """Vectors that hold 16 sums."""
        return PANEL * 32 // self.bits

    @property
    def sums(self) -> ir.Type:
        """Type of one vector of sums."""
        return ir.VectorType(LANE, self.bits // 32)

    def weights(self, builder: Value, at: Value) -> list[Value]:
        """Load the 16 columns of one group, i8 in memory, as the instruction wants them."""
        size = self.bits // 16 if self.pairs else self.bits // 8
        loaded = []
        for part in range(self.parts):
            kind = ir.VectorType(BYTE, size)
            vector = load(builder, moved(builder, at, part * size), kind)
            if self.pairs:
                vector = builder.sext(vector, ir.VectorType(SHORT, size))
            loaded.append(vector)
        return loaded

    def added(self, builder: Value, sums: Value, group: Value, weights: Value) -> Value:
        """Add to each sum the products of one group."""
        spread = splat(builder, group, self.bits // 32)
        if self.bits == 512:
            name = "vpdpwssd" if self.pairs else "vpdpbusd"
            weights = builder.bitcast(weights, self.sums)
            arguments = [sums, spread, weights]
            return call(builder, f"llvm.x86.avx512.{name}.512", self.sums, arguments)
        factors = ir.VectorType(SHORT, self.bits // 16)
        arguments = [builder.bitcast(spread, factors), weights]
        return builder.add(sums, call(builder, "llvm.x86.avx2.pmadd.wd", self.sums, arguments))


def call(builder: Value, name: str, result: ir.Type, arguments: Sequence[Value]) -> Value:
    """Call one of LLVM's own functions."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def load(builder: Value, at: Value, kind: ir.Type) -> Value:
    """Load from bytes that lie anywhere."""
    return builder.load(builder.bitcast(at, kind.as_pointer()), align=1)


def moved(builder: Value, at: Value, count: Value) -> Value:
    """Move a pointer by elements."""
    return builder.gep(at, [WORD(count) if isinstance(count, int) else count])


def splat(builder: Value, value: Value, count: int) -> Value:
    """Repeat a number in every lane."""
    kind = ir.VectorType(value.type, count)
    first = builder.insert_element(kind(ir.Undefined), value, LANE(0))
    return builder.shuffle_vector(
        first, first, ir.Constant(ir.VectorType(LANE, count), [0] * count)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Operands:
    """What a tile is made of: pointers to bytes, and 64-bit numbers."""

    rows: Sequence[Value]
    segments: Value
    count: Value
    groups: Value
    panel: Value


def tile_of_sums(builder: Value, dot: Dot, on: Operands) -> list[list[Value]]:
    """Sum the products of every row with 16 columns; return the sums of each row, in parts."""
    chains = CHAINS if len(on.rows) == 1 else 1
    zero = dot.sums(None)
    kept = [
        [cgutils.alloca_once_value(builder, zero) for _ in range(dot.parts)]
        for _ in range(max(len(on.rows), chains))
    ]
    weights_at = cgutils.alloca_once_value(builder, on.panel)
    size = PANEL * (2 if dot.pairs else 4)

    def step(segment: Value, first: Value, count: int) -> None:
        panel = builder.load(weights_at)
        for k in range(count):
            weights = dot.weights(builder, moved(builder, panel, k * size))
            for r, row in enumerate(on.rows):
                at = builder.add(segment, builder.mul(first, WORD(GROUP_BYTES)))
                group = load(
                    builder, moved(builder, moved(builder, row, at), k * GROUP_BYTES), LANE
                )
                for part, vector in enumerate(weights):
                    to = kept[r if chains == 1 else k][part]
                    builder.store(dot.added(builder, builder.load(to), group, vector), to)
        builder.store(moved(builder, panel, count * size), weights_at)

    with cgutils.for_range(builder, on.count, intp=WORD) as segments:
        segment = builder.load(moved(builder, on.segments, segments.index))
        whole = builder.sdiv(on.groups, WORD(chains)) if chains > 1 else on.groups
        with cgutils.for_range(builder, whole, intp=WORD) as steps:
            step(segment, builder.mul(steps.index, WORD(chains)), chains)
        if chains > 1:
            done = builder.mul(whole, WORD(chains))
            with cgutils.for_range(builder, builder.sub(on.groups, done), intp=WORD) as rest:
                step(segment, builder.add(done, rest.index), 1)
    sums = [[builder.load(part) for part in row] for row in kept]
    if chains == 1:
        return sums
    total = sums[0]
    for row in sums[1:]:
        total = [builder.add(a, b) for a, b in zip(total, row, strict=True)]
    return [total]


def joined(builder: Value, parts: Sequence[Value]) -> Value:
    """Put the parts of 16 lanes together."""
    if len(parts) == 1:
        return parts[0]
    order = ir.Constant(ir.VectorType(LANE, PANEL), list(range(PANEL)))
    return builder.shuffle_vector(parts[0], parts[1], order)


def halves(builder: Value, lanes: Value) -> list[Value]:
    """Return the even and the odd lanes of 16, as 64-bit lanes: what one multiplication takes."""
    both, half = builder.bitcast(lanes, WIDE), splat(builder, WORD(32), PANEL // 2)
    return [builder.ashr(builder.shl(both, half), half), builder.ashr(both, half)]


def interleaved(builder: Value, even: Value, odd: Value) -> Value:
    """Undo `halves`."""
    low = splat(builder, WORD(2**32 - 1), PANEL // 2)
    odd = builder.shl(odd, splat(builder, WORD(32), PANEL // 2))
    return builder.bitcast(builder.or_(builder.and_(even, low), odd), LANES)


def clamped(builder: Value, v: Value, low: Value, high: Value) -> Value:
    """Clamp 64-bit lanes."""
    least, most = (splat(builder, limit, PANEL // 2) for limit in (low, high))
    v = builder.select(builder.icmp_signed("<", v, least), least, v)
    return builder.select(builder.icmp_signed(">", v, most), most, v)


def rescaled(builder: Value, v: Value, multiplier: Value, shift: Value) -> Value:
    """Return (v * multiplier + 2^(shift - 1)) >> shift; both factors are i32 in 64-bit lanes."""
    one = splat(builder, WORD(1), PANEL // 2)
    half = builder.shl(one, builder.sub(shift, one))
    return builder.ashr(builder.add(builder.mul(v, multiplier), half), shift)


def fixed_end(builder: Value, ends: Sequence[Value], sums: Value) -> list[Value]:
    """Add what is fixed, rescale."""
    offset, multiplier, shift, _ = ends
    columns = zip(
        *(halves(builder, v) for v in (builder.add(sums, offset), multiplier, shift)), strict=True
    )
    return [rescaled(builder, *column) for column in columns]


def dynamic_end(builder: Value, ends: Sequence[Value], sums: Value, a: Value) -> list[Value]:
    """End GEMM_DYNAMIC: a (i32, 1 to 32,767) is the row's largest magnitude."""

    def spread(value: Value) -> Value:
        return splat(builder, value, PANEL // 2)

    zeros = call(builder, "llvm.ctlz.i32", LANE, [a, BIT(1)])
    e = builder.zext(builder.sub(zeros, LANE(17)), WORD)  # 15 less the bits of a
    factor = spread(builder.shl(builder.sext(a, WORD), e))
    word = spread(WORD(32))
    offset, multipliers, shifts, biases = ends
    lanes = (builder.add(sums, offset), multipliers, shifts, biases)
    results = []
    for v, multiplier, shift, bias in zip(*(halves(builder, v) for v in lanes), strict=True):
        t = builder.add(builder.mul(v, factor), spread(WORD(2**14)))
        t = builder.ashr(t, spread(WORD(15)))
        # The factor is below 2^15, so t is an i32 again; this tells LLVM.
        t = builder.ashr(builder.shl(t, word), word)
        total = builder.add(shift, spread(builder.sub(e, WORD(8))))
        fine = builder.add(rescaled(builder, t, multiplier, total), bias)
        results.append(builder.ashr(builder.add(fine, spread(WORD(128))), spread(WORD(8))))
    return results


def store_results(builder: Value, v: Value, to: Value, count: Value) -> None:
    """Store the first `count` of 16 results (i32), each inside its dtype."""
    element = to.type.pointee
    narrow = v if element == LANE else builder.trunc(v, ir.VectorType(element, PANEL))
    at = builder.bitcast(to, narrow.type.as_pointer())
    if tile_width() == 512:
        order = ir.Constant(LANES, list(range(PANEL)))
        some = splat(builder, builder.trunc(count, LANE), PANEL)
        kept = builder.icmp_unsigned("<", order, some)
        name = f"llvm.masked.store.v{PANEL}i{element.width}.p0"
        call(builder, name, ir.VoidType(), [narrow, at, LANE(1), kept])
        return
    whole = builder.icmp_signed(">=", count, WORD(PANEL))
    with builder.if_else(whole) as (all_of_them, some_of_them):
        with all_of_them:
            builder.store(narrow, at, align=1)
        with some_of_them:
            apart = cgutils.alloca_once_value(builder, narrow)
            lanes = builder.bitcast(apart, to.type)
            with cgutils.for_range(builder, count, intp=WORD) as lane:
                result = builder.load(moved(builder, lanes, lane.index))
                builder.store(result, moved(builder, to, lane.index))


def _pointers(context: Value, builder: Value, kinds: Value, arguments: Value) -> list[Value]:
    """Replace arrays by pointers to their first elements."""
    return [
        context.make_array(kind)(context, builder, argument).data
        if isinstance(kind, types.Array)
        else argument
        for kind, argument in zip(kinds, arguments, strict=True)
    ]


def _generate(
    rows: int, context: Value, builder: Value, signature: Value, arguments: Value
) -> Value:
    """Emit one tile; the arguments are those of `tile_rows`."""
    kinds = signature.args
    dot = Dot(bits=tile_width(), pairs=kinds[0].dtype == types.int16)
    (
        left,
        starts,
        first,
        segments,
        segment_count,
        groups,
        panels,
        panel,
        ends,
        factors,
        low,
        high,
        y,
        y_at,
        row_step,
        tall,
        count,
    ) = _pointers(context, builder, kinds, arguments)
    size = PANEL * (2 if dot.pairs else 4)
    panel_bytes = builder.mul(builder.mul(segment_count, groups), WORD(size))
    base = builder.bitcast(left, BYTE.as_pointer())
    begins = [
        builder.load(moved(builder, starts, builder.add(first, WORD(r)))) for r in range(rows)
    ]
    on = Operands(
        rows=[moved(builder, base, begin) for begin in begins],
        segments=segments,
        count=segment_count,
        groups=groups,
        panel=moved(builder, panels, builder.mul(panel, panel_bytes)),
    )
    sums = [joined(builder, parts) for parts in tile_of_sums(builder, dot, on)]
    kept = cgutils.alloca_once(builder, LANES, size=rows)
    for r, row in enumerate(sums):
        builder.store(row, moved(builder, kept, r))
    channels = builder.mul(panel, WORD(ENDS * PANEL))
    at = [moved(builder, ends, builder.add(channels, WORD(i * PANEL))) for i in range(ENDS)]
    constants = [load(builder, pointer, LANES) for pointer in at]
    with cgutils.for_range(builder, tall, intp=WORD) as each:
        row = builder.load(moved(builder, kept, each.index))
        if isinstance(kinds[9], types.Array):
            a = builder.load(moved(builder, factors, builder.add(first, each.index)))
            v = dynamic_end(builder, constants, row, a)
        else:
            v = fixed_end(builder, constants, row)
        to = moved(builder, y, builder.add(y_at, builder.mul(each.index, row_step)))
        v = [clamped(builder, half, low, high) for half in v]
        store_results(builder, interleaved(builder, *v), to, count)
    return context.get_dummy_value()


def _tile(rows: int) -> Value:
    """Make a function for `tile_kernels` that computes a tile of so many rows and 16 columns.

    Its arguments: the left operand's array; bytes from there to each row, from position `first` on;
    bytes from a row's start to each segment, their number, groups in each; the panels and which of
    them; the constants of all panels; for GEMM_DYNAMIC the magnitude of each row, else a number;
    the clamp; the result's array, where the tile begins in it, elements from row to row, rows and
    columns that count.
    """

    def tile(  # type: ignore[no-untyped-def]
        typing,
        left, starts, first, segments, segment_count, groups, panels, panel, ends, factors,
        low, high, y, y_at, row_step, tall, count,
    ):  # fmt: skip
        # The numbers may come as any integers; the code takes them as 64 bits wide.
        number = types.int64
        if not isinstance(factors, types.Array):
            factors = number
        signature = types.void(
            left, starts, number, segments, number, number, panels, number, ends, factors,
            number, number, y, number, number, number, number,
        )  # fmt: skip

        def generate(context: Value, builder: Value, signature: Value, arguments: Value) -> Value:
            return _generate(rows, context, builder, signature, arguments)

        return signature, generate

    return intrinsic(tile)


# So many rows that their sums stay in registers: 32 of 512 bits, or 16 of 256 bits.
ROWS = 8 if tile_width() == 512 else 4
tile_one, tile_rows = _tile(1), _tile(ROWS)
