"""Who pays what for a transaction: the arithmetic of refund, floor and author fee, and no state.

All gas figures below are of one transaction. ``execution = limit - left - drawn`` is what its
instructions cost; ``used = max(execution - refund, floor)`` is the figure of receipt and header;
the sender pays ``used + credited`` and gets the rest of the limit back, units drawn for an author
and uncredited by a revert included.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_REFUND_QUOTIENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The outcome: gas figures, and wei figures at the effective gas price.

    ``returned_wei`` goes back to the sender, who bought the whole limit; ``authors_wei`` to the
    payees by their credits; ``coinbase_wei`` to the coinbase; ``burned_wei`` to nobody. They add
    up to limit times price.
    """

    gas_used: int
    refund: int
    returned_wei: int
    authors_wei: int
    coinbase_wei: int
    burned_wei: int


def settle(
    *,
    limit: int,
    left: int,
    drawn: int,
    credited: int,
    refund_counter: int,
    floor: int,
    price: int,
    base_fee: int,
) -> Settlement:
    """Settle a finished transaction.

    Parameters
    ----------
    limit, left : int
        Gas limit, and gas left in the outermost frame (0 when it halted).
    drawn, credited : int
        Gas drawn for authors, and what of it no revert undid.
    refund_counter : int
        Sum of the refunds that SSTORE and authorizations earned.
    floor : int
        The calldata floor; draws were refused beyond ``limit - floor``.
    price, base_fee : int
        Wei per gas.
    """
    execution = limit - left - drawn
    refund = min(refund_counter, execution // MAX_REFUND_QUOTIENT)
    used = max(execution - refund, floor)
    assert 0 <= credited <= drawn
    assert used + credited <= limit, "a draw was allowed into the calldata floor"
    return Settlement(
        gas_used=used,
        refund=refund,
        returned_wei=(limit - used - credited) * price,
        authors_wei=credited * price,
        coinbase_wei=used * (price - base_fee),
        burned_wei=used * base_fee,
    )
