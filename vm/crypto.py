"""keccak-256 and secp256k1 recovery, on native code only."""

from __future__ import annotations

import sha3
from coincurve import PublicKey

from vm.errors import LocalFault

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_ORDER = SECP256K1_ORDER // 2
EMPTY_KECCAK = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")


def keccak(data: bytes) -> bytes:
    """Return the 32-byte keccak-256 digest of ``data``."""
    digest: bytes = sha3.keccak_256(data).digest()
    return digest


def recover_address(message_hash: bytes, y_parity: int, r: int, s: int) -> bytes | None:
    """Return the 20-byte address whose key signed ``message_hash``, or None.

    None for any signature that Ethereum refuses since Homestead: r or s zero or at least the
    group order, s in the upper half, a parity other than 0 or 1, or an r that is no point.
    """
    if y_parity not in (0, 1) or not 0 < r < SECP256K1_ORDER or not 0 < s <= HALF_ORDER:
        return None
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((y_parity,))
    try:
        key = PublicKey.from_signature_and_message(signature, message_hash, hasher=None)
    except ValueError:
        return None  # r is the x coordinate of no point
    point: bytes = key.format(compressed=False)
    return keccak(point[1:])[12:]


def use_native_backends() -> None:
    """Make py-evm's hashing and recovery run on native code, and check that they do.

    eth-hash prefers pycryptodome when both are installed, which is 8 times slower; eth-keys falls
    back to pure Python, 100 times slower, when coincurve cannot be imported.

    Raises
    ------
    LocalFault
        When one of the native libraries is missing or is not what its name says.
    """
    from eth_hash.auto import keccak as automatic
    from eth_hash.backends.pysha3 import backend
    from eth_keys.backends.coincurve import CoinCurveECCBackend
    from eth_keys.main import KeyAPI

    if keccak(b"") != EMPTY_KECCAK or backend.keccak256(b"") != EMPTY_KECCAK:
        raise LocalFault("keccak-256 of nothing is wrong: is the module `sha3` safe-pysha3?")
    automatic.hasher = backend.keccak256  # type: ignore[assignment]
    automatic.preimage = backend.preimage  # type: ignore[assignment]
    if not isinstance(KeyAPI().backend, CoinCurveECCBackend):
        raise LocalFault("eth-keys does not use coincurve: unset ECC_BACKEND_CLASS or reinstall")
