"""The commit certificate: a quorum of seals over one block, which travels beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import coincurve

from consensus.errors import InvalidCertificate
from consensus.params import quorum
from vm import rlp
from vm.crypto import HALF_ORDER, keccak

SEAL_BYTES: Final = 65
SEAL_DOMAIN: Final = b"engram commit"
COUNTER_BITS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A quorum's word that a block is final.

    Parameters
    ----------
    height : int
        The block's number.
    round : int
        The round in which the seals were given.
    block_hash : bytes (32,)
    seals : tuple of bytes (65,)
        r ‖ s ‖ parity, one for each of exactly quorum validators, in ascending order of
        their addresses.
    """

    height: int
    round: int
    block_hash: bytes
    seals: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return rlp([height, round, blockHash, seals])."""
        return rlp.encode(
            (rlp.integer(self.height), rlp.integer(self.round), self.block_hash, self.seals)
        )

    @property
    def hash(self) -> bytes:
        """keccak256 of the encoding: the child's ``parent_beacon_block_root``."""
        return keccak(self.encode())


def decode_certificate(data: bytes) -> Certificate:
    """Return the certificate that ``data`` encodes.

    Raises
    ------
    InvalidCertificate
        When ``data`` is not the one canonical encoding of a certificate.
    """
    try:
        height, round_, block_hash, seals = rlp.as_list(rlp.decode(data), 4)
        return Certificate(
            height=rlp.as_int(height, COUNTER_BITS),
            round=rlp.as_int(round_, COUNTER_BITS),
            block_hash=rlp.as_bytes(block_hash, 32),
            seals=tuple(rlp.as_bytes(seal, SEAL_BYTES) for seal in rlp.as_list(seals)),
        )
    except rlp.RlpError as error:
        raise InvalidCertificate(f"malformed certificate: {error}") from None


def commit_digest(height: int, round_: int, block_hash: bytes) -> bytes:
    """Return what a validator signs: keccak256("engram commit" ‖ rlp([height, round, hash])).

    The block hash commits to the genesis block through its ancestors, so a seal of one chain
    says nothing on another; the domain keeps it apart from every other signed message.
    """
    message = rlp.encode((rlp.integer(height), rlp.integer(round_), block_hash))
    return keccak(SEAL_DOMAIN + message)


def seal(key: bytes, height: int, round_: int, block_hash: bytes) -> bytes:
    """Return a validator's 65-byte seal; the same for the same arguments (RFC 6979).

    Parameters
    ----------
    key : bytes (32,)
        The validator's secp256k1 private key.
    """
    digest = commit_digest(height, round_, block_hash)
    return bytes(coincurve.PrivateKey(key).sign_recoverable(digest, hasher=None))


def sealer(height: int, round_: int, block_hash: bytes, signature: bytes) -> bytes:
    """Return the address whose key gave the seal.

    Raises
    ------
    InvalidCertificate
        When s is high (a second form of the same seal), or the seal recovers to no key.
    """
    if signature[64] > 1:
        raise InvalidCertificate("a seal's parity byte is 0 or 1")
    if int.from_bytes(signature[32:64], "big") > HALF_ORDER:
        raise InvalidCertificate("a seal's s is high")
    digest = commit_digest(height, round_, block_hash)
    try:
        key = coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except ValueError as error:
        raise InvalidCertificate("a seal recovers to no key") from error
    return keccak(key.format(compressed=False)[1:])[12:]


def address_of(key: bytes) -> bytes:
    """Return the 20-byte address of a private key."""
    public = coincurve.PrivateKey(key).public_key.format(compressed=False)
    return keccak(public[1:])[12:]


def make_certificate(
    height: int, round_: int, block_hash: bytes, keys: Sequence[bytes]
) -> Certificate:
    """Return the certificate that the holders of ``keys`` give, in canonical order."""
    ordered = sorted(keys, key=address_of)
    return Certificate(
        height=height,
        round=round_,
        block_hash=block_hash,
        seals=tuple(seal(key, height, round_, block_hash) for key in ordered),
    )


def verify_certificate(
    certificate: Certificate, height: int, block_hash: bytes, validators: Sequence[bytes]
) -> None:
    """Check that the certificate makes the block final.

    Parameters
    ----------
    height, block_hash :
        Of the block that it should name.
    validators : sequence of bytes (20,)
        The set that signs this block, ascending: the one its parent's ``extra_data`` names.

    Raises
    ------
    InvalidCertificate
        On the first rule that it breaks.
    """
    if certificate.height != height:
        raise InvalidCertificate(
            f"the certificate is for height {certificate.height}, not {height}"
        )
    if certificate.block_hash != block_hash:
        raise InvalidCertificate(
            f"the certificate is for block 0x{certificate.block_hash.hex()}, "
            f"not 0x{block_hash.hex()}"
        )
    needed = quorum(len(validators))
    if len(certificate.seals) != needed:
        raise InvalidCertificate(
            f"the certificate has {len(certificate.seals)} seals; "
            f"the quorum of {len(validators)} validators is {needed}"
        )
    position = {address: index for index, address in enumerate(validators)}
    previous = -1
    for signature in certificate.seals:
        address = sealer(certificate.height, certificate.round, certificate.block_hash, signature)
        index = position.get(address)
        if index is None:
            raise InvalidCertificate(f"0x{address.hex()} sealed but is no validator")
        if index <= previous:
            raise InvalidCertificate("the seals are not in ascending order of validators")
        previous = index
