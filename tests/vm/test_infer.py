"""INFER: memory in, memory out, and what every outcome leaves behind."""

from __future__ import annotations

from ai_ops.backends.reference import ReferenceBackend
from ai_ops.executor import load
from ai_ops.graph import Model
from ai_ops.model import encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from tests.ai_ops.models import mlp
from tests.support.inference import CONTRACT, asm, deploy, new_state, send

WORD = 32


def expected(model: Model, data: bytes, n: int) -> bytes:
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    return load(model, facts, ReferenceBackend()).run(data, n).output


def infer_code(model: bytes, in_size: int, out_offset: int, out_size: int) -> bytes:
    """Copy the call data to memory 0, run INFER, return success ‖ return data."""
    return asm(
        "CALLDATASIZE", 0, 0, "CALLDATACOPY",
        out_size, out_offset, in_size, 0, int.from_bytes(model, "big"), "INFER",
        0, "MSTORE", "RETURNDATASIZE", 0, WORD, "RETURNDATACOPY",
        "RETURNDATASIZE", WORD, "ADD", 0, "RETURN",
    )  # fmt: skip


def test_infer_returns_what_the_engine_computes() -> None:
    state = new_state()
    model = mlp()
    address = deploy(state, model)
    data = bytes(range(16))
    computation = send(state, CONTRACT, data, code=infer_code(address, 16, 0, 64))
    assert computation.output == (1).to_bytes(WORD, "big") + expected(model, data, 2)
    (record,) = state.inference.records
    assert record.model == address
    assert state.inference.total_gas == record.gas
