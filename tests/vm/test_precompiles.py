"""The precompiles that replace py-evm's, against py-ecc, known values and hostile points."""

from __future__ import annotations

import random
from hashlib import sha256
from typing import Any

import pytest
from eth.precompiles.point_evaluation import point_evaluation_precompile
from py_ecc import optimized_bn128 as reference

from tests.support.chain import Chain
from vm import bn254
from vm.precompiles import modexp, point_evaluation
from vm.results import CallResult

SEED = 99
MODEXP, ADD, MUL, PAIRING, EVALUATION = (bytes(19) + bytes((n,)) for n in (5, 6, 7, 8, 10))
CHAIN = Chain(ai=False)


def run(address: bytes, data: bytes, gas: int = 5_000_000) -> CallResult:
    return CHAIN.call(to=address, data=data, gas=gas)


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


def g1(scalar: int) -> tuple[int, int]:
    scalar %= bn254.GROUP_ORDER  # py-ecc never returns from a negative scalar
    if scalar == 0:
        return 0, 0
    point = reference.normalize(reference.multiply(reference.G1, scalar))
    return int(point[0]), int(point[1])


def g2(scalar: int) -> tuple[int, int, int, int]:
    """Coordinates as EIP-197 writes them: imaginary part first."""
    point = reference.normalize(reference.multiply(reference.G2, scalar))
    (x_real, x_imaginary), (y_real, y_imaginary) = point[0].coeffs, point[1].coeffs
    return int(x_imaginary), int(x_real), int(y_imaginary), int(y_real)


def test_bn254_agrees_with_py_ecc() -> None:
    print("seed", SEED)
    rng = random.Random(SEED)
    for _ in range(4):
        a, b = rng.randrange(bn254.GROUP_ORDER), rng.randrange(bn254.GROUP_ORDER)
        assert run(ADD, words(*g1(a), *g1(b))).output == words(*g1(a + b))
        assert run(MUL, words(*g1(a), b)).output == words(*g1(a * b))
    assert run(ADD, words(*g1(5), *g1(-5))).output == words(0, 0)
    assert run(ADD, words(*g1(5), *g1(5))).output == words(*g1(10))
    assert run(MUL, words(*g1(5), bn254.GROUP_ORDER)).output == words(0, 0)
    assert run(MUL, words(*g1(5), 2**256 - 1)).output == words(*g1(5 * (2**256 - 1)))
    assert run(ADD, b"").output == words(0, 0)
    assert run(ADD, words(*g1(3))).output == words(*g1(3))


def test_pairing_products() -> None:
    pair = words(*g1(6), *g2(5)), words(*g1(-10), *g2(3)), words(*g1(-9), *g2(3))
    assert run(PAIRING, b"").output == words(1)
    assert run(PAIRING, pair[0] + pair[1]).output == words(1)
    assert run(PAIRING, pair[0] + pair[2]).output == words(0)
    infinity = words(0, 0, *g2(7)) + words(*g1(7), 0, 0, 0, 0)
    assert run(PAIRING, infinity).output == words(1)
    assert run(PAIRING, infinity + pair[0]).output == words(0)


def twist_points_outside_the_subgroup() -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Points on the twist found by hand; its order is a large multiple of the group's."""
    modulus, found = bn254.FIELD_MODULUS, []
    for real in range(1, 30):
        x = (real, 1)
        right = bn254._add(bn254._mul(bn254._mul(x, x), x), bn254._TWIST_B)
        norm = (right[0] ** 2 + right[1] ** 2) % modulus
        root = pow(norm, (modulus + 1) // 4, modulus)
        half = (right[0] + root) * pow(2, -1, modulus) % modulus
        y_real = pow(half, (modulus + 1) // 4, modulus)
        y = (y_real, right[1] * pow(2 * y_real, -1, modulus) % modulus)
        if bn254._mul(y, y) == right:
            found.append((x, y))
    return found


def test_points_that_would_abort_the_library_fail_the_call() -> None:
    outside = twist_points_outside_the_subgroup()
    assert len(outside) > 5
    (x_real, x_imaginary), (y_real, y_imaginary) = outside[0]
    modulus = bn254.FIELD_MODULUS
    cases: list[tuple[bytes, bytes]] = [
        (ADD, words(1, 1)),
        (ADD, words(modulus, 2)),
        (ADD, words(1, 2 + modulus)),
        (MUL, words(1, 3, 1)),
        (PAIRING, words(1, 2, x_imaginary, x_real, y_imaginary, y_real)),
        (PAIRING, words(1, 2, 1, 2, 3, 4)),
        (PAIRING, words(1, 2, modulus, 0, 0, 0)),
        (PAIRING, words(1, 2)),
    ]
    for address, data in cases:
        result = run(address, data, gas=200_000)
        assert not result.success
        assert result.gas_used == 200_000


@pytest.mark.parametrize(
    ("base", "exponent", "modulus", "output"),
    [
        (b"", b"", b"\x05", b"\x01"),  # 0 ** 0 is 1
        (b"", b"\x00", b"\x01", b"\x00"),
        (b"", b"\x03", b"\x07", b"\x00"),
        (b"\x03", b"\x05", b"\x07", b"\x05"),
        (b"\x03", b"", b"\x00\x07", b"\x00\x01"),
        (b"\x03", b"\x05", b"\x00", b"\x00"),
        (b"\x03", b"\x05", b"", b""),
        (b"", b"", b"", b""),
        (b"\x02" * 40, b"\x03" * 40, b"\x05" * 40, None),
    ],
)
def test_modexp(base: bytes, exponent: bytes, modulus: bytes, output: bytes | None) -> None:
    data = words(len(base), len(exponent), len(modulus)) + base + exponent + modulus
    if output is None:
        numbers = (int.from_bytes(part, "big") for part in (base, exponent, modulus))
        output = pow(*numbers).to_bytes(len(modulus), "big")
    assert run(MODEXP, data).output == output
    assert run(MODEXP, data.rstrip(b"\x00")).output == output


def test_modexp_charges_before_it_reads() -> None:
    huge = words(2**200, 2**200, 2**200)
    assert run(MODEXP, huge).error == "out of gas"
    assert run(MODEXP, words(0, 2**255, 0)).output == b""


class Recorder:
    """As much of a frame as these precompiles use."""

    def __init__(self, data: bytes) -> None:
        self.msg = self
        self.data_as_bytes = data
        self.gas = 0
        self.output = b""

    def consume_gas(self, amount: int, reason: str) -> None:
        assert reason
        self.gas += amount


@pytest.mark.parametrize(
    ("sizes", "head", "gas"),
    [
        ((1, 1, 1), b"\x02\x03\x05", 200),
        ((64, 32, 64), b"\x01" * 160, 5_290),
        ((64, 64, 64), b"\x00" * 192, 5_461),
        ((1024, 3, 1024), b"\xff" * 2051, 125_610),
    ],
)
def test_modexp_prices(sizes: tuple[int, int, int], head: bytes, gas: int) -> None:
    frame: Any = Recorder(words(*sizes) + head)
    modexp(frame)
    assert frame.gas == gas


# A commitment to the zero polynomial: the point at infinity opens to 0 everywhere.
INFINITY = b"\xc0" + bytes(47)


def evaluation_input(y: int = 0) -> bytes:
    digest = b"\x01" + sha256(INFINITY).digest()[1:]
    return digest + words(5, y) + INFINITY + INFINITY


def test_point_evaluation() -> None:
    data = evaluation_input()
    frame: Any = Recorder(data)
    point_evaluation(frame)
    other: Any = Recorder(data)
    point_evaluation_precompile(other)
    assert (frame.output, frame.gas) == (other.output, other.gas)
    assert run(EVALUATION, data).output == frame.output
    altered = bytes((data[0] ^ 3,)) + data[1:]
    for wrong in (evaluation_input(1), data[:-1], data + b"\x00", b"", altered):
        assert not run(EVALUATION, wrong).success
    beyond_the_field = data[:64] + words(2**256 - 1) + data[96:]
    assert not run(EVALUATION, beyond_the_field).success
