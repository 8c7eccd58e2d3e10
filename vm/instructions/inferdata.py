"""0xc2 INFERDATA: run a model on a data object stored on chain."""

from __future__ import annotations

from eth.abc import ComputationAPI

from vm import abi
from vm.instructions.call import (
    INFERENCE_FAILED,
    CallFailure,
    DataObject,
    execute,
    open_call,
    units_of,
)
from vm.instructions.outcome import finish, model_operand
from vm.registry import chunks, layout
from vm.registry.codes import CallFault
from vm.registry.state import registry_of


def inferdata(computation: ComputationAPI) -> None:
    """INFERDATA.

    Stack
        model, dataId, outOffset, outSize → success

    Gas
        Memory expansion, base and access (with one more access for the object), then the price of
        `vm.instructions.call`; the object's bytes load cold like weights.

    Result
        As for INFER.
    """
    # Stack
    model, data_id, out_offset, out_size = computation.stack_pop_ints(4)
    # Gas
    computation.extend_memory(out_offset, out_size)

    # Operation
    def operation() -> bytes:
        return infer_data(computation, model_operand(model), data_id.to_bytes(32, "big"))

    # Result
    finish(computation, operation, out_offset, out_size)


def infer_data(computation: ComputationAPI, model: bytes, data_id: bytes) -> bytes:
    """Run a model on a listed data object and return the output.

    Raises
    ------
    CallFailure
        When the model is not callable, the object not listed, or the input not acceptable.
    """
    terms = open_call(computation, model, data=True)
    registry = registry_of(computation.state)
    size = registry.read(layout.listed_slot(data_id))
    if size == 0:
        error = abi.encode_error(INFERENCE_FAILED, (int(CallFault.DATA_NOT_LISTED),))
        raise CallFailure(error)
    units_of(terms, size)
    content = chunks.load_chunk(registry, data_id)
    return execute(computation, terms, content, DataObject(data_id=data_id, size=size))
