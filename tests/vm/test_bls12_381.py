"""The native BLS12-381 precompiles against py-evm's slow ones, on good and on hostile input."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from eth.exceptions import VMError
from eth.precompiles.bls12_381 import bls12_381_g1, bls12_381_g2, bls12_381_pairing
from py_ecc.optimized_bls12_381 import G1, G2, curve_order, field_modulus, multiply, normalize

from vm import bls12_381

SEED = 31
Precompile = Callable[[Any], Any]


class Frame:
    """As much of a frame as a precompile uses."""

    def __init__(self, data: bytes) -> None:
        self.msg = self
        self.data = self.data_as_bytes = data
        self.gas = 0
        self.output = b""

    def consume_gas(self, amount: int, reason: str) -> None:
        assert reason
        self.gas += amount


def element(value: int) -> bytes:
    return value.to_bytes(64, "big")


def g1(scalar: int) -> bytes:
    x, y = normalize(multiply(G1, scalar))
    return element(int(x)) + element(int(y))


def g2(scalar: int) -> bytes:
    x, y = normalize(multiply(G2, scalar))
    return b"".join(element(int(part)) for part in (*x.coeffs, *y.coeffs))


def result(precompile: Precompile, data: bytes) -> tuple[bytes, int] | None:
    frame = Frame(data)
    try:
        precompile(frame)
    except VMError:
        return None
    return frame.output, frame.gas


def inputs() -> list[Any]:
    print("seed", SEED)
    rng = random.Random(SEED)
    a, b, c = (rng.randrange(1, curve_order) for _ in range(3))
    scalar, infinity1, infinity2 = rng.randbytes(32), bytes(128), bytes(256)
    add1, add2 = bls12_381_g1.bls12_g1_add, bls12_381_g2.bls12_g2_add
    msm1, msm2 = bls12_381_g1.bls12_g1_msm, bls12_381_g2.bls12_g2_msm
    pair = bls12_381_pairing.bls12_pairing_check
    minus = element(field_modulus - int.from_bytes(g1(a)[64:], "big"))
    return [
        (bls12_381.g1_add, add1, g1(a) + g1(b)),
        (bls12_381.g1_add, add1, g1(a) + g1(a)),
        (bls12_381.g1_add, add1, g1(a) + g1(a)[:64] + minus),
        (bls12_381.g1_add, add1, g1(a) + infinity1),
        (bls12_381.g2_add, add2, g2(a) + g2(b)),
        (bls12_381.g2_add, add2, infinity2 + infinity2),
        (bls12_381.g1_product, msm1, g1(a) + scalar + g1(b) + bytes(32)),
        (bls12_381.g2_product, msm2, g2(a) + scalar + infinity2 + scalar),
        (bls12_381.pairing_check, pair, g1(a) + g2(b) + g1(curve_order - a * b % curve_order) + g2(1)),
        (bls12_381.pairing_check, pair, g1(a) + g2(c)),
        (bls12_381.map_to_g1, bls12_381_g1.bls12_map_fp_to_g1, element(c)),
        (bls12_381.map_to_g2, bls12_381_g2.bls12_map_fp2_to_g2, element(a) + element(b)),
    ]  # fmt: skip


def test_results_and_prices_are_py_evms() -> None:
    for ours, theirs, data in inputs():
        expected = result(theirs, data)
        assert expected is not None
        assert result(ours, data) == expected


def outside_the_subgroup() -> bytes:
    """A point of the curve, of another order."""
    for x in range(1, 50):
        square = (x**3 + 4) % field_modulus
        y = pow(square, (field_modulus + 1) // 4, field_modulus)
        if y * y % field_modulus == square:
            return element(x) + element(y)
    raise AssertionError


def test_hostile_input_fails_and_never_aborts() -> None:
    stray = outside_the_subgroup()
    scalar = bytes(31) + b"\x02"
    cases: list[tuple[Precompile, bytes]] = [
        (bls12_381.g1_add, element(1) + element(1) + g1(1)),
        (bls12_381.g1_add, element(field_modulus) + element(0) + g1(1)),
        (bls12_381.g1_add, b"\x01" + g1(1)[1:] + g1(1)),
        (bls12_381.g1_add, g1(1) + g1(1)[:-1]),
        (bls12_381.g1_add, b""),
        (bls12_381.g1_product, stray + scalar),
        (bls12_381.g1_product, b""),
        (bls12_381.g2_product, g2(1)),
        (bls12_381.pairing_check, stray + g2(1)),
        (bls12_381.pairing_check, b""),
        (bls12_381.map_to_g1, element(field_modulus)),
        (bls12_381.map_to_g2, element(1)),
    ]
    for precompile, data in cases:
        assert result(precompile, data) is None
    # An addition does not ask for the subgroup.
    assert result(bls12_381.g1_add, stray + bytes(128)) == (stray, 375)


@pytest.mark.parametrize(("count", "gas"), [(1, 12_000), (2, 22_776), (129, 803_412)])
def test_products_are_discounted(count: int, gas: int) -> None:
    data = (bytes(128) + bytes(32)) * count
    assert result(bls12_381.g1_product, data) == (bytes(128), gas)
