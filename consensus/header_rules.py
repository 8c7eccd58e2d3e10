"""What a sealed header must say, given its parent; all of it known before execution.

The rules of plain Ethereum headers (gas limit, base fee, roots) are ``vm``'s.
"""

from __future__ import annotations

from typing import Final

from consensus.certificate import Certificate, verify_certificate
from consensus.errors import CertificateMissing, InvalidHeader
from consensus.params import ConsensusParams, validators_hash
from vm.blocks import ZERO_HASH, Header
from vm.crypto import keccak
from vm.trie import EMPTY_ROOT

RANDAO_DOMAIN: Final = b"engram randao"


def next_prev_randao(parent_prev_randao: bytes, parent_hash: bytes) -> bytes:
    """Return keccak256("engram randao" ‖ parent's ``prev_randao`` ‖ parent hash).

    Anyone can compute it ahead: it is no source of chance for a lottery.
    """
    return keccak(RANDAO_DOMAIN + parent_prev_randao + parent_hash)


def certificate_root(parent: Header, parent_certificate: Certificate | None) -> bytes:
    """Return the ``parent_beacon_block_root`` that a child of ``parent`` carries.

    Raises
    ------
    CertificateMissing
        When the parent is not the genesis block and there is no certificate.
    """
    if parent.number == 0:
        return ZERO_HASH
    if parent_certificate is None:
        raise CertificateMissing(f"block {parent.number + 1} came without its parent's certificate")
    return parent_certificate.hash


def verify_header(
    parent: Header,
    header: Header,
    parent_certificate: Certificate | None,
    params: ConsensusParams,
) -> None:
    """Check a header against its parent by the rules of this chain's engine.

    Parameters
    ----------
    parent, header : Header
    parent_certificate : Certificate or None
        What the carrier brought as the parent's certificate; ignored for block 1.
    params : ConsensusParams

    Raises
    ------
    CertificateMissing
        When the certificate is absent or not the one that the header commits to.
    InvalidHeader, InvalidCertificate
        On the first rule that is broken.
    """
    if header.parent_hash != parent.hash:
        raise InvalidHeader(
            f"parent hash is 0x{header.parent_hash.hex()}, the parent is 0x{parent.hash.hex()}"
        )
    if header.number != parent.number + 1:
        raise InvalidHeader(f"number is {header.number}, the parent's is {parent.number}")
    if header.timestamp <= parent.timestamp:
        raise InvalidHeader(
            f"timestamp {header.timestamp} is not after the parent's {parent.timestamp}"
        )
    if not params.sealed:
        return
    _verify_sealed(parent, header, params)
    _verify_parent_certificate(parent, header, parent_certificate, params)


def _verify_sealed(parent: Header, header: Header, params: ConsensusParams) -> None:
    expected_randao = next_prev_randao(parent.prev_randao, parent.hash)
    if header.prev_randao != expected_randao:
        raise InvalidHeader(
            f"prev_randao is 0x{header.prev_randao.hex()}, the rule gives 0x{expected_randao.hex()}"
        )
    expected_set = validators_hash(params.validators)
    if header.extra_data != expected_set:
        raise InvalidHeader(
            f"extra_data is 0x{header.extra_data.hex()}, "
            f"the next validator set hashes to 0x{expected_set.hex()}"
        )
    # Ethereum's beacon chain decides them; nothing here could tell a right one from a mint.
    if header.withdrawals_root != EMPTY_ROOT:
        raise InvalidHeader("the block has withdrawals, which a chain with consensus has not")


def _verify_parent_certificate(
    parent: Header,
    header: Header,
    parent_certificate: Certificate | None,
    params: ConsensusParams,
) -> None:
    committed = header.parent_beacon_block_root
    if parent.number == 0:
        if committed != ZERO_HASH:
            raise InvalidHeader("block 1 commits to a certificate of the genesis block")
        return
    if certificate_root(parent, parent_certificate) != committed:
        raise CertificateMissing(
            f"the certificate beside block {header.number} is not the one its header commits to"
        )
    assert parent_certificate is not None
    verify_certificate(parent_certificate, parent.number, parent.hash, params.validators)
