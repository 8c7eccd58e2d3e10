"""BLAKE3 in C against the `blake3` package, on every variant that this machine runs."""

from __future__ import annotations

import numpy as np
import pytest
from blake3 import blake3

from ai_ops.dtype import Array
from ai_ops.native.build import VARIANTS
from ai_ops.native.library import Variant, call, open_variant
from ai_ops.native.steps import make_step
from tests.support.backends import started

# The specification's own test inputs count up to 250 and begin again.
MESSAGE = (np.arange(3_000_000, dtype=np.uint32) % 251).astype(np.uint8)
CHUNK, SUBTREE = 1024, 256
# Around whole subtrees, and trees of 2, 3, 4, 5 and 7 of them.
LARGE = sorted(
    {
        max(0, count * CHUNK + extra)
        for count in (15, 16, 17, 31, 33, 100, 255, 256, 257, 511, 512, 513, 768, 1024, 1280, 1792)
        for extra in (-1, 0, 1, 500)
    }
)


@pytest.fixture(params=list(VARIANTS))
def variant(request: pytest.FixtureRequest) -> Variant:
    started(f"native-{request.param}")
    return open_variant(request.param)


def digest(variant: Variant, prefix: Array, message: Array) -> bytes:
    step = make_step(
        "digest_step",
        {
            "prefix": prefix,
            "prefix_bytes": len(prefix),
            "bytes_fixed": len(message),
            "bytes_unit": 0,
        },
    )
    result = np.zeros(32, np.uint8)
    call(variant.address("digest"), step.values, [message], (result,))
    return result.tobytes()


def split(length: int, at: int) -> tuple[Array, Array]:
    """Cut a message where a header would end; the second part begins at odd addresses too."""
    return MESSAGE[: min(at, length)], MESSAGE[min(at, length) : length]


def test_every_length_up_to_eight_chunks(variant: Variant) -> None:
    whole = MESSAGE.tobytes()
    for length in range(8 * CHUNK + 2):
        parts = split(length, length * 7 % 83)
        assert digest(variant, *parts) == blake3(whole[:length]).digest(), length


@pytest.mark.parametrize("length", LARGE)
def test_large_trees(variant: Variant, length: int) -> None:
    expected = blake3(MESSAGE[:length].tobytes()).digest()
    for at in (0, 42, CHUNK, length):
        assert digest(variant, *split(length, at)) == expected, at


def test_a_known_answer(variant: Variant) -> None:
    """The specification's vector for the empty input, so that not all trust lies in a package."""
    nothing = np.zeros(0, np.uint8)
    assert digest(variant, nothing, nothing).hex() == (
        "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    )
