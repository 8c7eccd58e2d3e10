"""0xc1 INFERARRAY: run a model on a byte array in the executing context's storage."""

from __future__ import annotations

from eth.abc import ComputationAPI
from eth.exceptions import OutOfGas
from eth.vm.forks.berlin.constants import COLD_SLOAD_COST, WARM_STORAGE_READ_COST
from eth_hash.auto import keccak

from vm import abi
from vm.abi import WORD
from vm.instructions.call import INFERENCE_FAILED, CallFailure, execute, open_call, units_of
from vm.instructions.outcome import finish, model_operand
from vm.registry.codes import CallFault

LAYOUT_BYTES = 0
LAYOUT_PACKED = 1
# The longest `bytes` that Solidity keeps inside its own slot.
SHORT_FORM_MAXIMUM = 31
SLOT_MASK = 2**256 - 1


def inferarray(computation: ComputationAPI) -> None:
    """INFERARRAY.

    Stack
        model, slot, layout, outOffset, outSize → success

    Gas
        Memory expansion, base and access, the length slot, every data slot (each cold or warm as
        SLOAD would find it, before any is read), then the price of `vm.instructions.call`.

    Operation
        Layout 0 is Solidity's `bytes`, layout 1 a packed array of 8-bit elements.

    Result
        As for INFER.
    """
    # Stack
    model, slot, layout, out_offset, out_size = computation.stack_pop_ints(5)
    # Gas
    computation.extend_memory(out_offset, out_size)

    # Operation
    def operation() -> bytes:
        terms = open_call(computation, model_operand(model))
        if layout > LAYOUT_PACKED:
            raise _failure(CallFault.LAYOUT)
        header = _load(computation, slot)
        length = header if layout == LAYOUT_PACKED else _bytes_length(header)
        units_of(terms, length)
        if layout == LAYOUT_BYTES and length <= SHORT_FORM_MAXIMUM:
            content = header.to_bytes(WORD, "big")[:length]
        else:
            content = _data(computation, slot, length, layout)
        return execute(computation, terms, content)

    # Result
    finish(computation, operation, out_offset, out_size)


def _bytes_length(header: int) -> int:
    """Return the length of Solidity `bytes` from their first slot."""
    if header & 1:
        length = header >> 1
        if length <= SHORT_FORM_MAXIMUM:
            raise _failure(CallFault.STORAGE_FORM)
        return length
    length = (header & 0xFF) >> 1
    if length > SHORT_FORM_MAXIMUM:
        raise _failure(CallFault.STORAGE_FORM)
    return length


def _data(computation: ComputationAPI, slot: int, length: int, layout: int) -> bytes:
    """Charge every data slot, then read them."""
    first = int.from_bytes(keccak(slot.to_bytes(WORD, "big")), "big")
    count = abi.words(length)
    # Even all warm it cannot be paid: no need to find that out slot by slot.
    if count * WARM_STORAGE_READ_COST > computation.get_gas_remaining():
        raise OutOfGas(f"{count} storage slots of inference input")
    slots = [first + index & SLOT_MASK for index in range(count)]
    for data_slot in slots:
        _charge(computation, data_slot)
    address = computation.msg.storage_address
    order = "little" if layout == LAYOUT_PACKED else "big"
    stored = (computation.state.get_storage(address, data_slot) for data_slot in slots)
    return b"".join(word.to_bytes(WORD, order) for word in stored)[:length]  # type: ignore[arg-type]


def _load(computation: ComputationAPI, slot: int) -> int:
    _charge(computation, slot)
    return computation.state.get_storage(computation.msg.storage_address, slot)


def _charge(computation: ComputationAPI, slot: int) -> None:
    """Charge a slot of the executing context as SLOAD does (EIP-2929)."""
    address = computation.msg.storage_address
    warm = computation.state.is_storage_warm(address, slot)
    if not warm:
        computation.state.mark_storage_warm(address, slot)
    computation.consume_gas(
        WARM_STORAGE_READ_COST if warm else COLD_SLOAD_COST, reason="inference input slot"
    )


def _failure(code: CallFault) -> CallFailure:
    return CallFailure(abi.encode_error(INFERENCE_FAILED, (int(code),)))
