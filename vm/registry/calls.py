"""The registry's signatures: call data for whoever uploads a model, and the events' topics."""

from __future__ import annotations

from collections.abc import Sequence

from vm import abi

# modelId (32 bytes) . size (8 bytes, big-endian) . leaf digests (32 bytes each)
HEADER_FIXED_BYTES = 40

CREATE_MODEL = "createModel(bytes)"
PUT_CHUNK = "putChunk(address,uint256,bytes)"
ACTIVATE = "activate(address)"
PUT_DATA = "putData(bytes)"
MISSING = "missing(address,uint256,uint256)"
INFO = "info(address)"
IO = "io(address)"
MANIFEST = "manifest(address)"
CHUNK_DIGEST = "chunkDigest(address,uint256)"
MODEL_COUNT = "modelCount()"
MODEL_AT = "modelAt(uint256)"
SET_FEE = "setFee(address,uint256)"
SET_PAYEE = "setPayee(address,address)"
TRANSFER_AUTHOR = "transferAuthor(address,address)"
DEPRECATE = "deprecate(address)"

MODEL_CREATED = "ModelCreated(address,bytes32,address,uint256)"
MODEL_ACTIVATED = "ModelActivated(address,uint256)"
MODEL_REJECTED = "ModelRejected(address,uint16)"
FEE_CHANGED = "FeeChanged(address,uint256,uint256)"
PAYEE_CHANGED = "PayeeChanged(address,address,uint256)"
AUTHOR_TRANSFERRED = "AuthorTransferred(address,address,address)"
MODEL_DEPRECATED = "ModelDeprecated(address)"


def argument_types(signature: str) -> tuple[str, ...]:
    """Return the ABI types between a signature's parentheses."""
    inside = signature[signature.index("(") + 1 : -1]
    return tuple(inside.split(",")) if inside else ()


def call_data(signature: str, *values: abi.Value) -> bytes:
    """Return the call data of a function of either precompile."""
    return abi.selector(signature) + abi.encode(argument_types(signature), values)


def model_header(model_id: bytes, size: int, digests: Sequence[bytes]) -> bytes:
    """Return the argument of `createModel`.

    Parameters
    ----------
    model_id : bytes
        Merkle root of the model's bytes, 32 bytes.
    size : int
        Length of the model's bytes.
    digests : sequence of bytes
        Leaf digests of its chunks, in order.
    """
    return model_id + size.to_bytes(8, "big") + b"".join(digests)
