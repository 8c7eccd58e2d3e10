"""Who a model belongs to, what it costs and who is paid; changes take effect after a delay."""

from __future__ import annotations

from vm import abi
from vm.registry import calls, facts, layout
from vm.registry.facts import Status
from vm.registry.frame import Frame, Refusal
from vm.registry.lifecycle import require_author

FEE_BITS = 64


def set_fee(frame: Frame, model: bytes, fee: int) -> bytes:
    """`setFee`: announce an author fee, in gas."""
    prices = frame.config.prices
    frame.charge(3 * prices.read_gas, "find model")
    _require_owned(frame, model)
    if fee >> FEE_BITS:
        raise Refusal("the fee does not fit 64 bits")
    frame.charge(prices.slot_gas + prices.log_gas, "set fee")
    effective = frame.registry.block + frame.config.fee_change_delay_blocks
    fields = {
        # A change that has ripened becomes the base of the next one; an unripe one is replaced.
        "fee": facts.fee(frame.registry, model),
        "pending_fee": fee,
        "effective_block": effective,
    }
    frame.registry.set_word(model, layout.FEE, layout.pack(layout.FEE_FIELDS, fields))
    frame.emit(calls.FEE_CHANGED, (model,), abi.encode(("uint256", "uint256"), (fee, effective)))
    return b""


def set_payee(frame: Frame, model: bytes, payee: bytes) -> bytes:
    """`setPayee`: announce who receives the author fee."""
    prices = frame.config.prices
    frame.charge(4 * prices.read_gas, "find model")
    _require_owned(frame, model)
    frame.charge(2 * prices.slot_gas + prices.log_gas, "set payee")
    effective = frame.registry.block + frame.config.fee_change_delay_blocks
    current = int.from_bytes(facts.payee(frame.registry, model), "big")
    fields = {"payee": current, "effective_block": effective}
    frame.registry.set_word(model, layout.PAYEE, layout.pack(layout.PAYEE_FIELDS, fields))
    frame.registry.set_word(model, layout.PENDING_PAYEE, int.from_bytes(payee, "big"))
    frame.emit(
        calls.PAYEE_CHANGED, (model,), abi.encode(("address", "uint256"), (payee, effective))
    )
    return b""


def transfer_author(frame: Frame, model: bytes, to: bytes) -> bytes:
    """`transferAuthor`: hand the model's rights over at once; address and payee stay."""
    prices = frame.config.prices
    frame.charge(2 * prices.read_gas, "find model")
    identity = _require_owned(frame, model)
    frame.charge(prices.slot_gas + prices.log_gas, "transfer author")
    fields = {
        "author": int.from_bytes(to, "big"),
        "size": identity.size,
        "chunks": identity.chunks,
    }
    frame.registry.set_word(model, layout.IDENTITY, layout.pack(layout.IDENTITY_FIELDS, fields))
    frame.emit(calls.AUTHOR_TRANSFERRED, (model, identity.author, to))
    return b""


def _require_owned(frame: Frame, model: bytes) -> facts.Identity:
    identity = require_author(frame, model)
    if facts.status(frame.registry, model) == Status.REJECTED:
        raise Refusal("the model was rejected")
    return identity
