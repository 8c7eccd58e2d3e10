"""What uploading a model takes: its parts, the calls that bring them on chain, their likely gas.

Pure: nothing here talks to a node. `engram model deploy` and `engram devnet --demo` send the calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ai_ops import merkle
from ai_ops.graph import Manifest
from ai_ops.model import decode_model
from vm import abi
from vm.prices import InferencePrices
from vm.registry import calls
from vm.registry.facts import Status
from vm.registry.layout import model_address

INTRINSIC_GAS: Final = 21_000
NONZERO_BYTE_GAS: Final = 16
ZERO_BYTE_GAS: Final = 4
CREATE_WORDS: Final = 7
ACTIVATE_WORDS: Final = 3
INFO_TYPES: Final = (
    "bytes32", "address", "address", "uint8", "uint256", "uint256", "uint256", "uint256",
)  # fmt: skip
SCAN: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A model file and where it will stand.

    Attributes
    ----------
    model_id : bytes
        Merkle root of the file, 32 bytes.
    address : bytes
        Of the model when `author` creates it, 20 bytes.
    chunks : tuple of bytes
        The file in pieces of 65,536 bytes.
    items : int
        Operators and weights of the graph.
    head_bytes : int
        Manifest and graph.
    """

    manifest: Manifest
    model_id: bytes
    author: bytes
    address: bytes
    size: int
    chunks: tuple[bytes, ...]
    digests: tuple[bytes, ...]
    items: int
    head_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChain:
    """What the registry says about a model."""

    status: Status
    fee_gas: int
    macs: int


def plan(data: bytes, author: bytes) -> Upload:
    """Cut a model file into an upload by `author`.

    Raises
    ------
    InvalidModel
        When the bytes are no model.
    """
    model = decode_model(data)
    digests = merkle.leaf_digests(data)
    identifier = merkle.merkle_root(digests)
    return Upload(
        manifest=model.manifest,
        model_id=identifier,
        author=author,
        address=model_address(author, identifier),
        size=len(data),
        chunks=merkle.chunks(data),
        digests=digests,
        items=len(model.graph.nodes) + len(model.graph.weights),
        head_bytes=len(data) - len(model.weights),
    )


def create_call(upload: Upload) -> bytes:
    """Return the call data of `createModel`."""
    header = calls.model_header(upload.model_id, upload.size, upload.digests)
    return calls.call_data(calls.CREATE_MODEL, header)


def chunk_call(upload: Upload, index: int) -> bytes:
    """Return the call data of `putChunk` for one chunk."""
    return calls.call_data(calls.PUT_CHUNK, upload.address, index, upload.chunks[index])


def activate_call(upload: Upload) -> bytes:
    """Return the call data of `activate`."""
    return calls.call_data(calls.ACTIVATE, upload.address)


def fee_call(upload: Upload, fee_gas: int) -> bytes:
    """Return the call data of `setFee`."""
    return calls.call_data(calls.SET_FEE, upload.address, fee_gas)


def info_call(model: bytes) -> bytes:
    """Return the call data of `info`."""
    return calls.call_data(calls.INFO, model)


def missing_call(model: bytes, start: int) -> bytes:
    """Return the call data of `missing` for one scan from `start`."""
    return calls.call_data(calls.MISSING, model, start, SCAN)


def decode_info(output: bytes) -> OnChain:
    """Read the answer of `info`.

    Raises
    ------
    ValueError
        When it is not that answer.
    """
    try:
        values = abi.decode(INFO_TYPES, output)
        status, fee_gas, macs = values[3], values[6], values[7]
        assert isinstance(status, int)
        assert isinstance(fee_gas, int)
        assert isinstance(macs, int)
        return OnChain(status=Status(status), fee_gas=fee_gas, macs=macs)
    except abi.AbiError as error:
        raise ValueError(str(error)) from error


def decode_indexes(output: bytes) -> tuple[int, ...]:
    """Read the answer of `missing`: an ABI-encoded array of numbers.

    Raises
    ------
    ValueError
        When it is not that answer.
    """
    words = [int.from_bytes(output[at : at + 32], "big") for at in range(0, len(output), 32)]
    if len(output) % 32 or words[:1] != [32] or len(words) != 2 + words[1]:
        raise ValueError("the answer is not an array of numbers")
    return tuple(words[2:])


def calldata_gas(data: bytes) -> int:
    """Return what a transaction pays for its call data."""
    zeros = data.count(0)
    return ZERO_BYTE_GAS * zeros + NONZERO_BYTE_GAS * (len(data) - zeros)


def fee_estimate(upload: Upload, fee_gas: int, prices: InferencePrices) -> int:
    """Return about how much gas setting the author fee takes."""
    data = fee_call(upload, fee_gas)
    return (
        INTRINSIC_GAS + calldata_gas(data) + 3 * prices.read_gas + prices.slot_gas + prices.log_gas
    )


def estimate(upload: Upload, prices: InferencePrices, missing: tuple[int, ...] | None) -> int:
    """Return about how much gas the upload takes.

    Parameters
    ----------
    prices : InferencePrices
        Of the chain; the default ones are right unless its spec changes them.
    missing : tuple of int or None
        Chunks still to send; None when the model is not created yet.
    """
    total = 0
    count = len(upload.chunks)
    if missing is None:
        data = create_call(upload)
        total += INTRINSIC_GAS + calldata_gas(data) + prices.read_gas + prices.log_gas
        total += prices.digest_gas * count + prices.stored_byte_gas * 32 * count
        total += prices.slot_gas * CREATE_WORDS
        missing = tuple(range(count))
    for index in missing:
        data = chunk_call(upload, index)
        total += INTRINSIC_GAS + calldata_gas(data) + 4 * prices.read_gas + prices.slot_gas
        total += 2 * prices.hash_word_gas * abi.words(len(data))
        total += prices.stored_byte_gas * len(upload.chunks[index])
    total += INTRINSIC_GAS + 3 * prices.read_gas + prices.scan_gas * count
    total += prices.slot_gas * ACTIVATE_WORDS + prices.log_gas
    total += prices.hash_word_gas * abi.words(len(upload.chunks[0]))
    return total + prices.head_byte_gas * upload.head_bytes + prices.operator_gas * upload.items
