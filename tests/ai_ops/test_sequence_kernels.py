"""Loops on sequences where random cases would not reach: every row scale, many keys, many ties."""

from __future__ import annotations

import numpy as np
import pytest

from ai_ops.backends import BACKENDS, select_backend
from ai_ops.backends.base import Backend, Kernel
from ai_ops.backends.numba_backend import NumbaBackend
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.dtype import Array, DType
from ai_ops.errors import BackendFault
from ai_ops.graph import AttributeValue, TensorType, Value
from ai_ops.operators import OPERATORS, make_node
from tests.spec.sequence_cases import attention

COMPILED = [name for name in BACKENDS if name != "reference"]


def kernels(
    operator: str,
    attributes: dict[str, AttributeValue],
    arrays: tuple[Array, ...],
    name: str = "numba",
) -> tuple[Kernel, Kernel]:
    """Prepare a node for arrays of whole dtypes on a backend and on `reference`."""
    values = []
    for array in arrays:
        dtype = DType[f"{'U' if array.dtype.kind == 'u' else 'I'}{8 * array.itemsize}"]
        low = max(dtype.minimum, -(2**15) + 1)
        tensor = TensorType(dtype=dtype, shape=array.shape)
        values.append(Value(type=tensor, minimum=low, maximum=dtype.maximum))
    node = make_node(operator, tuple(range(len(arrays))), **attributes)
    outputs = OPERATORS[operator].infer(node, tuple(values))
    fast, slow = (
        backend.prepare(node, tuple(values), outputs, {})
        for backend in (started(name), ReferenceBackend())
    )
    return fast, slow


def started(name: str) -> Backend:
    try:
        return select_backend(name)
    except BackendFault as fault:
        pytest.skip(str(fault))


@pytest.mark.parametrize("name", COMPILED)
def test_rows_of_every_scale_are_quantized_exactly(name: str) -> None:
    """Both sides of every step of the quotient, for every A: what does not fall is then equal."""
    steps = np.arange(257, dtype=np.int64)
    for start in range(1, 32_768, 4_096):
        a = np.arange(start, min(start + 4_096, 32_768), dtype=np.int64)[:, None]
        # The least x with 254x + 257A >= 2A * step, and the x before it.
        first = -((257 * a - 2 * a * steps) // 254)
        x = np.clip(np.concatenate((first - 1, first, a, -a), axis=1), -a, a).astype(np.int16)
        fast, slow = kernels("DYNAMIC_QUANTIZE", {}, (x,), name)
        for got, want in zip(fast((x,)), slow((x,)), strict=True):
            assert np.array_equal(got, want)
        assert np.array_equal(slow((x,))[1], a)


def test_means_are_exact_beside_every_step_of_the_quotient() -> None:
    """Sums next to those at which the quotient rises, for small, odd and large totals."""
    loop = NumbaBackend().loops["attention_means"]
    generator = np.random.default_rng(8)
    drawn = generator.integers(1, 2**27, 200)
    totals = np.array(
        [*range(1, 260), 4_095, *(2**k + d for k in range(9, 29) for d in (-1, 0, 1))]
    )
    totals = np.concatenate((totals, drawn)).astype(np.int64)
    steps = generator.integers(-(2**15), 2**15 + 1, (len(totals), 60))
    steps[:, :4] = (-(2**15), -(2**15) + 1, 2**15 - 1, 2**15)
    p = totals[:, None]
    # The least s with 512s + P >= 2P * step, and the s before it.
    first = -((p - 2 * p * steps) // 512)
    sums = np.clip(np.concatenate((first - 1, first), axis=1), -128 * p, 128 * p)
    rows, depth = sums.shape
    scales = np.zeros((4, depth), np.int64)
    scales[1], scales[2], scales[3] = 2**30, 2**29, 30
    at = np.array((0, 0, 0, 0, rows, 1, 1), np.int64)
    y = np.zeros((1, rows, 1, depth), np.int32)
    loop(sums, at, totals, scales, -(2**31), 2**31 - 1, y)
    assert np.array_equal(y[0, :, 0], (512 * sums + p) // (2 * p))


def test_attention_over_more_keys_than_32_bits_can_sum() -> None:
    """9,000 keys of the largest probability and value: sums of 4.7e9."""
    fields = attention(2, 1, multiplier=0, probability_bits=12)
    attributes = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    for queries in (1, 9):
        q = np.full((queries, 4), 127, np.int8)
        k, v = np.full((9_000, 2), -128, np.int8), np.full((9_000, 2), -128, np.int8)
        v[::7] = 127
        fast, slow = kernels("ATTENTION", attributes, (q, k, v))
        assert np.array_equal(fast((q, k, v))[0], slow((q, k, v))[0])


def test_blocks_of_queries_see_what_the_whole_would() -> None:
    """2,000 keys take 300 queries in several blocks."""
    generator = np.random.default_rng(5)
    fields = attention(2, 1, causal=1, shift=36)
    attributes = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    q = generator.integers(-128, 128, (300, 4)).astype(np.int8)
    k, v = (generator.integers(-128, 128, (2_000, 2)).astype(np.int8) for _ in range(2))
    for length in (None, 0, 150, 299, 1_999):
        arrays = (q, k, v) if length is None else (q, k, v, np.array([length], np.int32))
        fast, slow = kernels("ATTENTION", attributes, arrays)
        assert np.array_equal(fast(arrays)[0], slow(arrays)[0]), length


def test_the_largest_are_found_among_ties_and_in_any_order() -> None:
    generator = np.random.default_rng(6)
    rows = [
        generator.integers(-3, 4, 700),
        np.arange(700),
        np.arange(700)[::-1],
        np.zeros(700),
        generator.integers(-(2**31), 2**31, 700),
        generator.choice((-(2**31), 2**31 - 1, -1, 0, 255, 256), 700),
    ]
    x = np.array(rows, np.int64).astype(np.int32)
    for k in (1, 2, 7, 350, 699, 700):
        fast, slow = kernels("TOP_K", {"k": k}, (x,))
        for got, want in zip(fast((x,)), slow((x,)), strict=True):
            assert np.array_equal(got, want), k
