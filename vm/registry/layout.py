"""Where the registry keeps each fact: the storage words of the account 0x…a100.

The layout is Solidity's, so that any tool that knows Solidity's storage rules can find a word and
prove it with eth_getProof::

    address[] models;                        // word 0
    bytes32[] dataIds;                       // word 1
    mapping(bytes32 => uint256) present;     // word 2: chunk digest -> chunk length, 0 = absent
    mapping(bytes32 => uint256) listed;      // word 3: data id -> object length, 0 = not listed
    mapping(address => Model) model;         // word 4: ten words from keccak256(address . 4)

Reads and writes go through `Words`, so that the same code serves py-evm's state and a proof.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eth_hash.auto import keccak

REGISTRY_ADDRESS = (0xA100).to_bytes(20, "big")
INFERENCE_ADDRESS = (0xA110).to_bytes(20, "big")
# INVALID: a foreign EVM that runs the stub fails loudly.
STUB_CODE = b"\xfe"

MODELS_WORD = 0
DATA_IDS_WORD = 1
PRESENT_WORD = 2
LISTED_WORD = 3
MODEL_WORD = 4

# Words of one model, counted from its base.
MODEL_ID = 0
DIGESTS = 1
IDENTITY = 2
CALL = 3
COEFFICIENTS = 4
FEE = 5
PAYEE = 6
PENDING_PAYEE = 7
REPORT = 8

WORD_BITS = 256
ReadSlot = Callable[[int], int]
WriteSlot = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Bits of a storage word: `bits` of them, `shift` from the lowest."""

    shift: int
    bits: int


# The literal tables of the packed words; fields are listed from the lowest bit upward.
IDENTITY_FIELDS = {
    "author": Field(shift=0, bits=160),
    "size": Field(shift=160, bits=64),
    "chunks": Field(shift=224, bits=32),
}
CALL_FIELDS = {
    "status": Field(shift=0, bits=8),
    "maximum_units": Field(shift=8, bits=32),
    "input_fixed": Field(shift=40, bits=40),
    "input_unit": Field(shift=80, bits=40),
    "output_fixed": Field(shift=120, bits=40),
    "output_unit": Field(shift=160, bits=40),
    "load_q16": Field(shift=200, bits=56),
}
COEFFICIENT_FIELDS = {
    "a": Field(shift=0, bits=96),
    "b": Field(shift=96, bits=80),
    "c": Field(shift=176, bits=80),
}
FEE_FIELDS = {
    "fee": Field(shift=0, bits=64),
    "pending_fee": Field(shift=64, bits=64),
    "effective_block": Field(shift=128, bits=64),
}
PAYEE_FIELDS = {
    "payee": Field(shift=0, bits=160),
    "effective_block": Field(shift=160, bits=64),
}
REPORT_FIELDS = {
    "macs": Field(shift=0, bits=128),
    "code": Field(shift=128, bits=16),
    "manifest_bytes": Field(shift=144, bits=32),
    "head_bytes": Field(shift=176, bits=64),
}


def pack(fields: dict[str, Field], values: dict[str, int]) -> int:
    """Pack named values into one word.

    Raises
    ------
    OverflowError
        When a value does not fit its field.
    """
    word = 0
    for name, value in values.items():
        field = fields[name]
        if value < 0 or value >> field.bits:
            raise OverflowError(f"{name} does not fit {field.bits} bits")
        word |= value << field.shift
    return word


def unpack(fields: dict[str, Field], word: int) -> dict[str, int]:
    """Return every field of a packed word by name."""
    return {name: word >> f.shift & (1 << f.bits) - 1 for name, f in fields.items()}


def mapping_slot(word: int, key: bytes) -> int:
    """Return the slot of a mapping's value: keccak256(key padded to 32 bytes . word)."""
    return _slot(key.rjust(32, b"\0") + word.to_bytes(32, "big"))


def array_slot(word: int, index: int) -> int:
    """Return the slot of element `index` of the dynamic array whose length is at `word`."""
    return (_slot(word.to_bytes(32, "big")) + index) % (1 << WORD_BITS)


def model_slot(model: bytes, word: int) -> int:
    """Return the slot of one word (such as `CALL`) of the model at address `model`."""
    return (mapping_slot(MODEL_WORD, model) + word) % (1 << WORD_BITS)


def present_slot(digest: bytes) -> int:
    """Return the slot that holds a chunk's length while the chunk is in state."""
    return mapping_slot(PRESENT_WORD, digest)


def listed_slot(data_id: bytes) -> int:
    """Return the slot that holds a data object's length once it is listed."""
    return mapping_slot(LISTED_WORD, data_id)


def model_address(author: bytes, model_id: bytes) -> bytes:
    """Return the address of a model: keccak256(0xff . registry . author . model id)[12:]."""
    return keccak(b"\xff" + REGISTRY_ADDRESS + author + model_id)[12:]


def chunk_key(digest: bytes) -> bytes:
    """Return the key of a chunk (or of a digest list) in the chunk store."""
    return b"chunk:" + digest


def _slot(preimage: bytes) -> int:
    return int.from_bytes(keccak(preimage), "big")
