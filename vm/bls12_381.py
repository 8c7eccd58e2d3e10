"""The precompiles of EIP-2537 on native code; py-evm's spend minutes on what a block can pay for.

The native library refuses coordinates outside the field and points off the curve with ValueError.
Its ``unchecked`` readers leave out the subgroup check only, which EIP-2537 wants for products and
pairings but not for additions.
"""

from __future__ import annotations

from typing import Any

from eth.abc import ComputationAPI
from eth.exceptions import VMError
from eth.precompiles.bls12_381.constants import (
    G1_MSM_DISCOUNTS,
    G1_MSM_MAX_DISCOUNT,
    G2_MSM_DISCOUNTS,
    G2_MSM_MAX_DISCOUNT,
)
from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

_ELEMENT = 64  # bytes of a field element in call data: 16 zero bytes, then 48
_PADDING = 16
_SCALAR = 32

_G1_ADD_GAS = 375
_G1_PRODUCT_GAS = 12_000
_G2_ADD_GAS = 600
_G2_PRODUCT_GAS = 22_500
_DISCOUNT_DENOMINATOR = 1_000
_PAIRING_BASE_GAS = 37_700
_PAIRING_PAIR_GAS = 32_600
_MAP_TO_G1_GAS = 5_500
_MAP_TO_G2_GAS = 23_800


def g1_add(computation: ComputationAPI) -> None:
    """Add two points of G1."""
    data = _input(computation, 4 * _ELEMENT)
    computation.consume_gas(_G1_ADD_GAS, reason="BLS12_G1ADD")
    size = 2 * _ELEMENT
    computation.output = _encode(_point(G1Point, data[:size]) + _point(G1Point, data[size:]))


def g2_add(computation: ComputationAPI) -> None:
    """Add two points of G2."""
    data = _input(computation, 8 * _ELEMENT)
    computation.consume_gas(_G2_ADD_GAS, reason="BLS12_G2ADD")
    size = 4 * _ELEMENT
    computation.output = _encode(_point(G2Point, data[:size]) + _point(G2Point, data[size:]))


def g1_product(computation: ComputationAPI) -> None:
    """Sum products of points of G1 and scalars."""
    data, count = _many(computation, 2 * _ELEMENT + _SCALAR)
    discount = G1_MSM_DISCOUNTS[count - 1] if count <= 128 else G1_MSM_MAX_DISCOUNT
    gas = count * _G1_PRODUCT_GAS * discount // _DISCOUNT_DENOMINATOR
    computation.consume_gas(gas, reason="BLS12_G1MSM")
    computation.output = _encode(_product(G1Point, data, 2 * _ELEMENT))


def g2_product(computation: ComputationAPI) -> None:
    """Sum products of points of G2 and scalars."""
    data, count = _many(computation, 4 * _ELEMENT + _SCALAR)
    discount = G2_MSM_DISCOUNTS[count - 1] if count <= 128 else G2_MSM_MAX_DISCOUNT
    gas = count * _G2_PRODUCT_GAS * discount // _DISCOUNT_DENOMINATOR
    computation.consume_gas(gas, reason="BLS12_G2MSM")
    computation.output = _encode(_product(G2Point, data, 4 * _ELEMENT))


def pairing_check(computation: ComputationAPI) -> None:
    """Check that a product of pairings is one."""
    size = 6 * _ELEMENT
    data, count = _many(computation, size)
    computation.consume_gas(_PAIRING_BASE_GAS + count * _PAIRING_PAIR_GAS, reason="BLS12_PAIRING")
    pairs = [data[at : at + size] for at in range(0, len(data), size)]
    first = [_member(G1Point, pair[: 2 * _ELEMENT]) for pair in pairs]
    second = [_member(G2Point, pair[2 * _ELEMENT :]) for pair in pairs]
    is_one = bool(GT.pairing_check(first, second))
    computation.output = int(is_one).to_bytes(32, "big")


def map_to_g1(computation: ComputationAPI) -> None:
    """Map a field element to G1."""
    data = _input(computation, _ELEMENT)
    computation.consume_gas(_MAP_TO_G1_GAS, reason="BLS12_MAP_FP_TO_G1")
    computation.output = _encode(_read(G1Point.map_from_fp_be, data))


def map_to_g2(computation: ComputationAPI) -> None:
    """Map an element of the quadratic extension to G2."""
    data = _input(computation, 2 * _ELEMENT)
    computation.consume_gas(_MAP_TO_G2_GAS, reason="BLS12_MAP_FP2_TO_G2")
    computation.output = _encode(_read(G2Point.map_from_fp2_be, data))


def _input(computation: ComputationAPI, size: int) -> bytes:
    data = computation.msg.data_as_bytes
    if len(data) != size:
        raise VMError(f"input is not {size} bytes")
    return data


def _many(computation: ComputationAPI, size: int) -> tuple[bytes, int]:
    """Return the input and how many items of ``size`` bytes it has, at least one."""
    data = computation.msg.data_as_bytes
    count, rest = divmod(len(data), size)
    if rest or not count:
        raise VMError(f"input is not a multiple of {size} bytes")
    return data, count


def _read(reader: Any, data: bytes) -> Any:
    """Strip the padding of every field element and hand the rest to the library."""
    elements = []
    for at in range(0, len(data), _ELEMENT):
        if any(data[at : at + _PADDING]):
            raise VMError("field element is not below the modulus")
        elements.append(data[at + _PADDING : at + _ELEMENT])
    try:
        return reader(b"".join(elements))
    except ValueError:
        raise VMError("not a point or field element of BLS12-381") from None


def _point(group: Any, data: bytes) -> Any:
    return _read(group.from_xy_bytes_unchecked_be, data)


def _member(group: Any, data: bytes) -> Any:
    point = _point(group, data)
    if not point.is_in_subgroup():
        raise VMError("point is not in the subgroup")
    return point


def _product(group: Any, data: bytes, point_size: int) -> Any:
    size = point_size + _SCALAR
    points, scalars = [], []
    for at in range(0, len(data), size):
        points.append(_member(group, data[at : at + point_size]))
        scalars.append(Scalar.from_be_bytes_mod_order(data[at + point_size : at + size]))
    return group.multiexp_unchecked(points, scalars)


def _encode(point: Any) -> bytes:
    data = bytes(point.to_xy_bytes_be())
    return b"".join(bytes(_PADDING) + data[at : at + 48] for at in range(0, len(data), 48))
