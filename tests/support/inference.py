"""Message calls on a state of our fork, for tests below the transition function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth.abc import ComputationAPI
from eth.vm.message import Message
from eth_typing import Address

from ai_ops import merkle
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.graph import Model
from ai_ops.model import encode_model
from vm.blocks import Header
from vm.config import VmConfig
from vm.fork import EngramState, transaction_context
from vm.inference import InferenceLedger
from vm.models import ModelStore
from vm.registry import calls
from vm.registry.layout import (
    INFERENCE_ADDRESS,
    REGISTRY_ADDRESS,
    STUB_CODE,
    model_address,
)
from vm.trie import EMPTY_ROOT

AUTHOR = b"\xa1" * 20
CALLER = b"\xca" * 20
CONTRACT = b"\xc0" * 20
GAS = 10_000_000
BLOCK = 100


class InferenceState(EngramState):
    """The fork's own state; chunks are in a dictionary that a test can damage."""

    def __init__(self, config: VmConfig) -> None:
        header = Header(
            parent_hash=bytes(32),
            coinbase=b"\xcb" * 20,
            state_root=EMPTY_ROOT,
            number=BLOCK,
            gas_limit=60_000_000,
            timestamp=1,
            base_fee=1,
        )
        ledger = InferenceLedger(ModelStore(ReferenceBackend(), config.limits))
        nothing: dict[bytes, bytes] = {}
        super().__init__(config, nothing, EMPTY_ROOT, header, ledger=ledger)
        self.chunk_store: dict[bytes, bytes] = {}
        for address in (REGISTRY_ADDRESS, INFERENCE_ADDRESS):
            self.set_code(Address(address), STUB_CODE)
        self.begin()

    def write_chunk(self, key: bytes, value: bytes) -> None:
        self.chunk_store[key] = value

    def read_chunk(self, key: bytes) -> bytes | None:
        return self.chunk_store.get(key)

    def begin(self, index: int = 0, gas_limit: int = GAS, floor: int = 21_000) -> None:
        self.journal.end_transaction()
        self.inference.begin_transaction(index, gas_limit, floor)

    def move_to_block(self, number: int) -> None:
        context: Any = self.execution_context
        context._block_number = number

    def root(self) -> bytes:
        """End the transaction and return the state root."""
        self.journal.end_transaction()
        return self.journal.commit_root()


def new_state(**changes: Any) -> InferenceState:
    return InferenceState(VmConfig(chain_id=1, **changes))


def send(
    state: InferenceState,
    to: bytes,
    data: bytes = b"",
    *,
    sender: bytes = CALLER,
    gas: int = GAS,
    value: int = 0,
    static: bool = False,
    code: bytes | None = None,
) -> ComputationAPI:
    """One message call; with `code` the account at `to` runs that code."""
    if code is not None:
        state.set_code(Address(to), code)
    message = Message(
        gas=gas,
        to=Address(to),
        sender=Address(sender),
        value=value,
        data=data,
        code=state.get_code(Address(to)),
        is_static=static,
    )
    context = transaction_context(sender, 1)
    return state.computation_class.apply_message(state, message, context)


def registry(state: InferenceState, signature: str, *values: Any, **options: Any) -> ComputationAPI:
    return send(state, REGISTRY_ADDRESS, calls.call_data(signature, *values), **options)


def create(state: InferenceState, data: bytes, sender: bytes = AUTHOR) -> bytes:
    header = calls.model_header(merkle.model_id(data), len(data), merkle.leaf_digests(data))
    registry(state, calls.CREATE_MODEL, header, sender=sender).raise_if_error()
    return model_address(sender, merkle.model_id(data))


def deploy(state: InferenceState, model: Model | bytes, sender: bytes = AUTHOR) -> bytes:
    """Create, upload and activate a model; return its address."""
    data = model if isinstance(model, bytes) else encode_model(model)
    address = create(state, data, sender)
    for index, chunk in enumerate(merkle.chunks(data)):
        registry(state, calls.PUT_CHUNK, address, index, chunk).raise_if_error()
    registry(state, calls.ACTIVATE, address).raise_if_error()
    state.begin()
    return address


@dataclass(frozen=True)
class Asm:
    """Bytecode from a list: integers are pushed, names are opcodes, bytes are copied."""

    parts: tuple[Any, ...]

    def __bytes__(self) -> bytes:
        return b"".join(_assemble(part) for part in self.parts)


NAMES = {
    "STOP": 0x00, "ADD": 0x01, "MUL": 0x02, "ISZERO": 0x15, "CALLER": 0x33, "CALLDATALOAD": 0x35,
    "CALLDATASIZE": 0x36, "CALLDATACOPY": 0x37, "RETURNDATASIZE": 0x3D, "RETURNDATACOPY": 0x3E,
    "POP": 0x50, "MLOAD": 0x51, "MSTORE": 0x52, "MSTORE8": 0x53, "SLOAD": 0x54, "SSTORE": 0x55,
    "JUMPI": 0x57, "GAS": 0x5A, "JUMPDEST": 0x5B, "TSTORE": 0x5D, "MCOPY": 0x5E, "CALL": 0xF1,
    "CALLCODE": 0xF2, "RETURN": 0xF3, "DELEGATECALL": 0xF4, "STATICCALL": 0xFA, "REVERT": 0xFD,
    "INFER": 0xC0, "INFERARRAY": 0xC1, "INFERDATA": 0xC2, "MODELGAS": 0xC4,
    "EXTCODESIZE": 0x3B, "EXTCODEHASH": 0x3F, "BALANCE": 0x31, "CODESIZE": 0x38,
}  # fmt: skip


def asm(*parts: Any) -> bytes:
    return bytes(Asm(parts))


def _assemble(part: Any) -> bytes:
    if isinstance(part, str):
        return bytes([NAMES[part]])
    if isinstance(part, int):
        digits = part.to_bytes(max(1, (part.bit_length() + 7) // 8), "big")
        return bytes([0x5F + len(digits)]) + digits
    return bytes(part)
