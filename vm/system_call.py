"""Calls that the block itself makes before and after its transactions."""

from __future__ import annotations

from eth.abc import ComputationAPI
from eth.vm.message import Message
from eth_typing import Address

from vm.errors import InvalidBlock
from vm.fork import EngramState, transaction_context
from vm.system_contracts import SYSTEM_ADDRESS, SYSTEM_CALL_GAS


def system_call(state: EngramState, target: bytes, data: bytes) -> None:
    """Call a contract as the system; a missing contract or a failure changes nothing."""
    if state.get_code(Address(target)):
        _call(state, target, data)


def checked_system_call(state: EngramState, target: bytes) -> bytes:
    """Call a contract as the system and return its output.

    Raises
    ------
    InvalidBlock
        When there is no code or the call fails (EIP-7002, EIP-7251).
    """
    if not state.get_code(Address(target)):
        raise InvalidBlock(f"system contract 0x{target.hex()} has no code")
    computation = _call(state, target, b"")
    if computation.is_error:
        raise InvalidBlock(f"system call to 0x{target.hex()} failed: {computation.error!r}")
    return computation.output


def _call(state: EngramState, target: bytes, data: bytes) -> ComputationAPI:
    sender, address = Address(SYSTEM_ADDRESS), Address(target)
    message = Message(
        gas=SYSTEM_CALL_GAS,
        to=address,
        sender=sender,
        value=0,
        data=data,
        code=state.get_code(address),
    )
    context = transaction_context(sender, gas_price=0)
    computation = state.computation_class.apply_message(state, message, context)
    for account in sorted(computation.get_accounts_for_deletion()):
        state.delete_account(account)
    state.journal.remove_touched_empty_accounts()
    state.journal.end_transaction()
    return computation
