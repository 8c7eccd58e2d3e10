"""The frame: Prague's as py-evm has it, mended; with the inference instructions when they are on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from eth._utils.numeric import ceil32
from eth.abc import ComputationAPI, MessageAPI, StateAPI, TransactionContextAPI
from eth.constants import GAS_COPY, GAS_VERYLOW
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.opcode import as_opcode
from eth_typing import Address

from vm.inference import ledger_of
from vm.opcodes import OPCODES, PRECOMPILES
from vm.precompiles import MENDED_PRECOMPILES

Instruction = Callable[[ComputationAPI], None]

# JUMP and JUMPI: without one, a frame ends with its code, and every frame looks at its beginning.
JUMPS = (0x56, 0x57)


def bound(opcodes: dict[int, Any]) -> dict[int, Instruction]:
    """Return each opcode's own method in place of the object.

    A call of an object goes through C, and CPython 3.12 allows 1,500 such calls inside each other
    in all: too few for the EVM's 1,024 frames. A method is called without.
    """
    return {code: opcode.__call__ for code, opcode in opcodes.items()}


def interruptible(opcodes: dict[int, Instruction]) -> dict[int, Instruction]:
    """Return the opcodes with jumps at which an execution that was cancelled ends.

    `Cancelled` is none of the EVM's errors: no frame and no receipt ever holds it.
    """

    def checked(jump: Instruction) -> Instruction:
        def run(computation: ComputationAPI) -> None:
            ledger_of(computation.state).check_cancelled()
            jump(computation)

        return run

    return opcodes | {code: checked(opcodes[code]) for code in JUMPS}


def code_copy(computation: ComputationAPI) -> None:
    """CODECOPY without py-evm's context manager, which took twice the time of all the rest."""
    destination, start, size = computation.stack_pop_ints(3)
    computation.extend_memory(destination, size)
    computation.consume_gas(GAS_COPY * (ceil32(size) // 32), reason="CODECOPY: word gas cost")
    code = computation.msg.code[start : start + size]
    computation.memory_write(destination, size, code.ljust(size, b"\x00"))


CODECOPY = {0x39: as_opcode(logic_fn=code_copy, mnemonic="CODECOPY", gas_cost=GAS_VERYLOW)}


class PlainComputation(PragueComputation):
    """A frame of Prague with py-evm's known faults mended."""

    opcodes = interruptible(bound({**PragueComputation.opcodes, **CODECOPY}))  # type: ignore[assignment]  # called, nothing else
    _precompiles = {**PragueComputation.get_precompiles(), **MENDED_PRECOMPILES}  # noqa: RUF012  # as py-evm declares it

    def __init__(
        self,
        state: StateAPI,
        message: MessageAPI,
        transaction_context: TransactionContextAPI,
    ) -> None:
        ledger_of(state).check_cancelled()
        super().__init__(state, message, transaction_context)

    @property
    def is_origin_computation(self) -> bool:
        """Whether this is the transaction's outermost frame.

        py-evm compares sender and origin, which is true of inner frames too once an account with
        delegated code (EIP-7702) is the origin.
        """
        return self.msg.depth == 0

    @classmethod
    def consume_initcode_gas_cost(cls, computation: ComputationAPI) -> None:
        """Charge nothing: the executor has the words of a creation in the intrinsic gas."""

    # -- memory: py-evm checks again, word by word, what the stack and `extend_memory` ensure -------

    def extend_memory(self, start_position: int, size: int) -> None:
        """Pay for memory and make room, if there is not enough."""
        if size and start_position + size > len(self._memory):
            super().extend_memory(start_position, size)

    def memory_write(self, start_position: int, size: int, value: bytes) -> None:
        """Write bytes where `extend_memory` made room."""
        content = self._memory._bytes  # type: ignore[attr-defined]  # noqa: SLF001
        end = start_position + size
        if len(value) != size or end > len(content):
            super().memory_write(start_position, size, value)
        else:
            content[start_position:end] = value

    # -- sums over the tree of frames, which py-evm walks by recursion inside C functions ----------

    def get_gas_refund(self) -> int:
        """Return the refunds of every frame that no failure undid, and the transaction's own."""
        # Only the outermost message has a refund of its own, and keeps it when it fails.
        meters = (frame._gas_meter for frame in self._succeeded())  # noqa: SLF001
        return self.msg.refund + sum(meter.gas_refunded for meter in meters)

    def get_accounts_for_deletion(self) -> list[Address]:
        """Return the accounts to delete, in ascending order."""
        found = {
            account: None for frame in self._succeeded() for account in frame.accounts_to_delete
        }
        return sorted(found)

    def get_raw_log_entries(self) -> tuple[tuple[int, bytes, tuple[int, ...], bytes], ...]:
        """Return number, address, topics and data of the logs, in the order of their making."""
        entries = (entry for frame in self._succeeded() for entry in frame._log_entries)  # noqa: SLF001
        return tuple(sorted(entries, key=lambda entry: entry[0]))

    def _succeeded(self) -> Iterator[PlainComputation]:
        """Yield this frame and the frames below it of which neither they nor a caller failed."""
        waiting = [self]
        while waiting:
            frame = waiting.pop()
            if not frame.is_error:
                yield frame
                waiting.extend(cast("list[PlainComputation]", frame.children))


class InferenceComputation(PlainComputation):
    """The same frame with the inference instructions and precompiles."""

    opcodes = {**PlainComputation.opcodes, **bound(OPCODES)}  # noqa: RUF012
    _precompiles = {**PlainComputation.get_precompiles(), **PRECOMPILES}  # noqa: RUF012
