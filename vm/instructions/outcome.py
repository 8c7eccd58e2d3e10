"""How an inference instruction ends: success or failure, in stack, return data and memory."""

from __future__ import annotations

from collections.abc import Callable

from eth.abc import ComputationAPI

from vm.instructions.call import CallFailure

ADDRESS_MASK = 2**160 - 1


def model_operand(word: int) -> bytes:
    """Return the address in a stack word: its low 160 bits."""
    return (word & ADDRESS_MASK).to_bytes(20, "big")


def finish(
    computation: ComputationAPI, operation: Callable[[], bytes], out_offset: int, out_size: int
) -> None:
    """Run the operation and leave its outcome in the frame."""
    try:
        output = operation()
    except CallFailure as failure:
        computation.return_data = failure.error
        computation.stack_push_int(0)
        return
    computation.return_data = output
    written = min(out_size, len(output))
    computation.memory_write(out_offset, written, output[:written])
    computation.stack_push_int(1)
