"""Precompiles that replace py-evm's: one wrong there, the others fit to stop a node."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import ckzg
import eth
from eth.abc import ComputationAPI
from eth.exceptions import VMError
from eth_typing import Address

from vm import bls12_381, bn254

_POINT_EVALUATION_GAS = 50_000
_BLS_MODULUS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
_FIELD_ELEMENTS_PER_BLOB = 4_096
_MODEXP_MINIMUM_GAS = 200
_ECADD_GAS = 150
_ECMUL_GAS = 6_000
_PAIRING_BASE_GAS = 45_000
_PAIRING_PAIR_GAS = 34_000

Precompile = Callable[[ComputationAPI], Any]


def modexp(computation: ComputationAPI) -> None:
    """Compute base ** exponent % modulus (EIP-198, EIP-2565); py-evm has 0 ** 0 wrong."""
    data = computation.msg.data_as_bytes
    base_size, exponent_size, modulus_size = (_word(data, 32 * index) for index in range(3))
    head = _read(data, 96 + base_size, min(exponent_size, 32))
    gas = _modexp_gas(max(base_size, modulus_size), exponent_size, head)
    computation.consume_gas(gas, reason="MODEXP")
    if base_size == 0 and modulus_size == 0:
        computation.output = b""
        return
    base = _read(data, 96, base_size)
    exponent = _read(data, 96 + base_size, exponent_size)
    modulus = _read(data, 96 + base_size + exponent_size, modulus_size)
    result = pow(base, exponent, modulus) if modulus else 0
    computation.output = result.to_bytes(modulus_size, "big")


def _modexp_gas(operand_size: int, exponent_size: int, exponent_head: int) -> int:
    """Return the price of EIP-2565 from sizes in bytes and the first 32 bytes of the exponent."""
    words = (operand_size + 7) // 8
    iterations = max(exponent_head.bit_length() - 1, 0) + 8 * max(exponent_size - 32, 0)
    return max(_MODEXP_MINIMUM_GAS, words * words * max(iterations, 1) // 3)


def ecadd(computation: ComputationAPI) -> None:
    """Add two points of bn254 (EIP-196)."""
    computation.consume_gas(_ECADD_GAS, reason="ECADD")
    data = computation.msg.data_as_bytes
    left, right = _g1(data, 0), _g1(data, 64)
    computation.output = _encode_g1(left + right)


def ecmul(computation: ComputationAPI) -> None:
    """Multiply a point of bn254 by a scalar (EIP-196)."""
    computation.consume_gas(_ECMUL_GAS, reason="ECMUL")
    data = computation.msg.data_as_bytes
    computation.output = _encode_g1(_g1(data, 0) * (_word(data, 64) % bn254.GROUP_ORDER))


def ecpairing(computation: ComputationAPI) -> None:
    """Check that a product of pairings is one (EIP-197)."""
    data = computation.msg.data_as_bytes
    count, rest = divmod(len(data), 192)
    computation.consume_gas(_PAIRING_BASE_GAS + count * _PAIRING_PAIR_GAS, reason="ECPAIRING")
    if rest:
        raise VMError("pairing input is not a multiple of 192 bytes")
    pairs = [(_g1(data, at), _g2(data, at + 64)) for at in range(0, len(data), 192)]
    computation.output = int(bn254.pairing_product_is_one(pairs)).to_bytes(32, "big")


def point_evaluation(computation: ComputationAPI) -> None:
    """Verify a KZG opening (EIP-4844); py-evm reads the trusted setup again for every call."""
    computation.consume_gas(_POINT_EVALUATION_GAS, reason="point evaluation")
    data = computation.msg.data_as_bytes
    if len(data) != 192:
        raise VMError("point evaluation input is not 192 bytes")
    digest, z, y, commitment, proof = data[:32], data[32:64], data[64:96], data[96:144], data[144:]
    if digest != b"\x01" + sha256(commitment).digest()[1:]:
        raise VMError("commitment does not match the versioned hash")
    try:
        verified = ckzg.verify_kzg_proof(commitment, z, y, proof, _trusted_setup())
    except RuntimeError:
        # The library refuses points and field elements that are not canonical this way.
        verified = False
    if not verified:
        raise VMError("KZG proof does not verify")
    computation.output = _FIELD_ELEMENTS_PER_BLOB.to_bytes(32, "big") + _BLS_MODULUS.to_bytes(
        32, "big"
    )


MENDED_PRECOMPILES: dict[Address, Precompile] = {
    Address((5).to_bytes(20, "big")): modexp,
    Address((6).to_bytes(20, "big")): ecadd,
    Address((7).to_bytes(20, "big")): ecmul,
    Address((8).to_bytes(20, "big")): ecpairing,
    Address((10).to_bytes(20, "big")): point_evaluation,
    Address((11).to_bytes(20, "big")): bls12_381.g1_add,
    Address((12).to_bytes(20, "big")): bls12_381.g1_product,
    Address((13).to_bytes(20, "big")): bls12_381.g2_add,
    Address((14).to_bytes(20, "big")): bls12_381.g2_product,
    Address((15).to_bytes(20, "big")): bls12_381.pairing_check,
    Address((16).to_bytes(20, "big")): bls12_381.map_to_g1,
    Address((17).to_bytes(20, "big")): bls12_381.map_to_g2,
}


@cache
def _trusted_setup() -> Any:
    path = Path(eth.__file__).parent.joinpath("_utils", "kzg_trusted_setup.txt")
    return ckzg.load_trusted_setup(str(path), 0)


def _read(data: bytes, start: int, size: int) -> int:
    """Return an integer of ``size`` bytes; what lies beyond the end of the data reads as zero."""
    part = data[start : start + size]
    return int.from_bytes(part, "big") << 8 * (size - len(part))


def _word(data: bytes, start: int) -> int:
    return _read(data, start, 32)


def _g1(data: bytes, start: int) -> Any:
    try:
        return bn254.g1_point(_word(data, start), _word(data, start + 32))
    except bn254.NotOnCurve:
        raise VMError("not a point of bn254") from None


def _g2(data: bytes, start: int) -> Any | None:
    # EIP-197 puts the imaginary part first.
    x_imaginary, x_real, y_imaginary, y_real = (_word(data, start + at) for at in (0, 32, 64, 96))
    try:
        return bn254.g2_point((x_real, x_imaginary), (y_real, y_imaginary))
    except bn254.NotOnCurve:
        raise VMError("not a point of bn254's second group") from None


def _encode_g1(point: Any) -> bytes:
    x, y = bn254.g1_coordinates(point)
    return x.to_bytes(32, "big") + y.to_bytes(32, "big")
