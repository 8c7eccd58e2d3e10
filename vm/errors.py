"""Errors of the state transition, by who is to blame.

::

    VmError
    ├── InvalidTransaction   verdict: the same on every node
    │   └── InferenceLimitExceeded   does not fit into this block's inference gas
    ├── InvalidBlock         verdict: the same on every node
    ├── CallFailed           outcome: a simulated call reverted or halted
    ├── SidecarMismatch      remote fault: whoever carried the block altered its sidecar
    └── LocalFault           local fault: disk, memory, back end; never a verdict

Outcomes inside a transaction (revert, halt) are py-evm's own ``eth.exceptions.VMError`` and never
leave ``vm``: a mined failure is a receipt with status 0.
"""

from __future__ import annotations


class VmError(Exception):
    """Root of this package's errors."""


class InvalidTransaction(VmError):
    """A transaction that no block may include now.

    Parameters
    ----------
    reason : str
        One line, worded as geth words it where geth has the case.
    permanent : bool
        True when no later block can include it; False when a later state, base fee or block can.
    """

    def __init__(self, reason: str, *, permanent: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class InferenceLimitExceeded(InvalidTransaction):
    """A transaction whose inferences do not fit into what is left of the block's limit.

    Parameters
    ----------
    gas, limit : int
        Inference gas of the block with this transaction, and the chain's limit.
    """

    def __init__(self, gas: int, limit: int) -> None:
        super().__init__(
            f"inference gas limit exceeded: the block would use {gas}, the limit is {limit}",
            permanent=False,
        )
        self.gas = gas
        self.limit = limit


class InvalidBlock(VmError):
    """A block that breaks a rule; where an inference diverges it says which step.

    Parameters
    ----------
    reason : str
        One line naming the rule or the field, with both values.
    transaction, call, step : int | None
        Index of the transaction, of its inference call and of the first diverging step.
    """

    def __init__(
        self,
        reason: str,
        *,
        transaction: int | None = None,
        call: int | None = None,
        step: int | None = None,
    ) -> None:
        super().__init__(_located(reason, transaction, call, step))
        self.reason = reason
        self.transaction = transaction
        self.call = call
        self.step = step


class SidecarMismatch(VmError):
    """The block is valid, but the sidecar that came with it is not the one it commits to.

    Parameters
    ----------
    reason : str
        One line saying what differs.
    transaction, call, step : int | None
        The first place where the sidecar and this node's execution differ.
    """

    def __init__(
        self,
        reason: str,
        *,
        transaction: int | None = None,
        call: int | None = None,
        step: int | None = None,
    ) -> None:
        super().__init__(_located(reason, transaction, call, step))
        self.reason = reason
        self.transaction = transaction
        self.call = call
        self.step = step


class CallFailed(VmError):
    """A simulated call cannot succeed.

    Parameters
    ----------
    reason : str
        One line, worded as geth words it.
    output : bytes
        The revert data; empty when the call halted or never started.
    reverted : bool
        True when the contract reverted (JSON-RPC code 3), False for every other failure.
    """

    def __init__(self, reason: str, output: bytes = b"", *, reverted: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.output = output
        self.reverted = reverted


class LocalFault(VmError):
    """Work that this machine could not run: nothing about the block follows from it."""


def _located(reason: str, transaction: int | None, call: int | None, step: int | None) -> str:
    places = (("transaction", transaction), ("call", call), ("step", step))
    where = ", ".join(f"{name} {index}" for name, index in places if index is not None)
    return f"{reason} ({where})" if where else reason
