"""0xc0 INFER: run a model on input bytes from memory."""

from __future__ import annotations

from eth.abc import ComputationAPI

from vm.instructions.call import execute, open_call, units_of
from vm.instructions.outcome import finish, model_operand


def infer(computation: ComputationAPI) -> None:
    """INFER.

    Stack
        model, inOffset, inSize, outOffset, outSize → success

    Gas
        Memory expansion first, then base and access, then the price of `vm.instructions.call`.

    Operation
        The input is copied before the output is written, so the two ranges may overlap.

    Result
        1, the whole output as return data, and min(outSize, length) bytes in memory; or 0, an
        error of `IInference` as return data, and memory untouched.
    """
    # Stack
    model, in_offset, in_size, out_offset, out_size = computation.stack_pop_ints(5)
    # Gas
    computation.extend_memory(in_offset, in_size)
    computation.extend_memory(out_offset, out_size)

    # Operation
    def operation() -> bytes:
        terms = open_call(computation, model_operand(model))
        units_of(terms, in_size)
        content = computation.memory_read_bytes(in_offset, in_size)
        return execute(computation, terms, content)

    # Result
    finish(computation, operation, out_offset, out_size)
