"""The cases behind docs/spec/vectors/instructions: `python -m tests.spec.write_vectors`."""

from __future__ import annotations

from typing import Any

from eth_hash.auto import keccak

from ai_ops import merkle
from ai_ops.model import encode_model
from tests.ai_ops.models import mlp
from tests.spec.scenario import FEE_DELAY
from tests.support.inference import AUTHOR, BLOCK, CALLER, asm
from tests.support.inference_models import ROW, ranged
from vm import abi
from vm.instructions.contract import GAS_OF, INFER, INFER_BATCH, INFER_DATA
from vm.registry import calls
from vm.registry.layout import INFERENCE_ADDRESS, REGISTRY_ADDRESS, model_address

WORD = 32
MODELS = {"mlp": encode_model(mlp()), "ranged": encode_model(ranged()), "broken": b"\xc0" * 99}
MLP = model_address(AUTHOR, merkle.model_id(MODELS["mlp"]))
RANGED = model_address(AUTHOR, merkle.model_id(MODELS["ranged"]))
BROKEN = model_address(AUTHOR, merkle.model_id(MODELS["broken"]))
NOBODY = b"\x99" * 20
SLOT = 7
DATA_SLOT = int.from_bytes(keccak(SLOT.to_bytes(WORD, "big")), "big")
ROWS = bytes(range(1, 2 * ROW + 1))
OBJECT = bytes(range(100, 100 + ROW))
OBJECT_ID = merkle.model_id(OBJECT)
# Gas that pays base and access of a call but not its computation.
ACCESS_ONLY = 10_500
INNER = b"\x1e" * 20

ANSWER = (
    0, "MSTORE", "RETURNDATASIZE", 0, WORD, "RETURNDATACOPY",
    "RETURNDATASIZE", WORD, "ADD", 0, "RETURN",
)  # fmt: skip
COPY = ("CALLDATASIZE", 0, 0, "CALLDATACOPY")


def number(value: bytes) -> int:
    return int.from_bytes(value, "big")


def infer(
    model: int, in_size: int, out_size: int = 0, in_offset: int = 0, out_offset: int = 0
) -> tuple[Any, ...]:
    return (out_size, out_offset, in_size, in_offset, model, "INFER")


def code(*parts: Any) -> str:
    return asm(*parts).hex()


def forward(opcode: str, to: bytes, gas: int | str = "GAS") -> str:
    """Pass the call data on; answer success ‖ return data."""
    value = (0,) if opcode in {"CALL", "CALLCODE"} else ()
    return code(*COPY, 0, 0, "CALLDATASIZE", 0, *value, number(to), gas, opcode, *ANSWER)


def simple(
    rule: str, name: str, models: tuple[str, ...], *made: dict[str, Any], **more: Any
) -> Any:
    return {"rule": rule, "name": name, "models": list(models), "calls": list(made), **more}


def precompile(signature: str, *values: abi.Value, **more: Any) -> dict[str, Any]:
    data = calls.call_data(signature, *values)
    return {"to": INFERENCE_ADDRESS.hex(), "data": data.hex(), **more}


def opcode_call(model: bytes, data: bytes, **more: Any) -> dict[str, Any]:
    body = code(*COPY, *infer(number(model), len(data)), *ANSWER)
    return {"code": body, "data": data.hex(), **more}


def array_call(model: bytes, layout: int, **more: Any) -> dict[str, Any]:
    return {"code": code(0, 0, layout, SLOT, number(model), "INFERARRAY", *ANSWER), **more}


def infer_cases() -> list[Any]:
    fill = [part for at in range(64) for part in (0xEE, at, "MSTORE8")]
    dirty = number(MLP) | 0xDEAD << 160
    shown = (*fill, *COPY, *infer(number(MLP), 16, 4, 0, 32), "POP", 64, 0, "RETURN")
    overlap = (*fill, *COPY, *infer(number(MLP), 16, 8, 0, 0), "POP", 64, 0, "RETURN")
    failed = (*fill, *COPY, *infer(number(NOBODY), 8, 32, 0, 32), "POP", 64, 0, "RETURN")
    return [
        simple("I-1", "operand order, and an address with dirty upper bits", ("mlp",),
               {"code": code(*COPY, *infer(dirty, 16), *ANSWER), "data": ROWS.hex()}),
        simple("I-1", "stack underflow", (), {"code": code(1, 2, 3, 4, "INFER")}),
        simple("I-2", "memory that cannot be paid halts before the model is looked up", (),
               {"code": code(*infer(number(NOBODY), 2**64), "STOP")}),
        simple("I-2", "ranges of size zero expand nothing", (),
               {"code": code(*infer(number(NOBODY), 0, 0, 2**255, 2**255), *ANSWER)}),
        simple("I-3", "unknown", (), opcode_call(NOBODY, ROWS)),
        simple("I-3", "rejected", ("broken",), opcode_call(BROKEN, ROWS)),
        simple("I-4", "two units", ("mlp",), opcode_call(MLP, ROWS)),
        simple("I-4", "no whole unit", ("mlp",), opcode_call(MLP, ROWS[:-1])),
        simple("I-4", "nothing", ("mlp",), opcode_call(MLP, b"")),
        simple("I-4", "too many units", ("mlp",), opcode_call(MLP, bytes(5 * ROW))),
        simple("I-5", "below the range", ("ranged",), opcode_call(RANGED, b"\xf5" + bytes(7))),
        simple("I-5", "at the edges of the range", ("ranged",),
               opcode_call(RANGED, b"\xf6\x0a" + bytes(6))),
        simple("I-6", "short of the price", ("mlp",), opcode_call(MLP, ROWS, gas=ACCESS_ONLY)),
        simple("I-7", "memory gets the smaller of size and length", ("mlp",),
               {"code": code(*shown), "data": ROWS.hex()}),
        simple("I-8", "input and output overlap", ("mlp",),
               {"code": code(*overlap), "data": ROWS.hex()}),
        simple("I-9", "memory is untouched by a failure", (), {"code": code(*failed)}),
        simple("I-9", "a failure loads nothing", ("ranged",),
               opcode_call(RANGED, bytes([99] * ROW)), opcode_call(RANGED, bytes(ROW))),
        simple("I-10", "static call", ("mlp",), opcode_call(MLP, ROWS, static=True)),
        simple("I-11", "cold, loaded, and cold again in the next transaction", ("mlp",),
               opcode_call(MLP, ROWS), opcode_call(MLP, ROWS),
               opcode_call(MLP, ROWS, transaction={"index": 1, "gas_limit": 10**7, "floor": 0})),
        simple("I-11", "a reverted frame loads nothing", ("mlp",),
               {"code": code(*infer(number(MLP), ROW), 0, 0, "REVERT")}, opcode_call(MLP, ROWS)),
        simple("I-24", "0xc3 is not an instruction yet", (), {"code": "c3"}),
    ]  # fmt: skip


def array_cases() -> list[Any]:
    short = number(ROWS.ljust(WORD, b"\0")) | len(ROWS) * 2
    rows = ROWS * 2
    long = {hex(SLOT): hex(len(rows) * 2 + 1), hex(DATA_SLOT): hex(number(rows))}
    packed = {hex(SLOT): hex(len(ROWS)), hex(DATA_SLOT): hex(int.from_bytes(ROWS, "little"))}

    def header(value: int) -> dict[str, str]:
        return {hex(SLOT): hex(value)}

    return [
        simple("I-12", "short bytes", ("mlp",), array_call(MLP, 0), storage=header(short)),
        simple("I-12", "long bytes", ("mlp",), array_call(MLP, 0), storage=long),
        simple("I-13", "packed elements from the lowest byte", ("mlp",), array_call(MLP, 1),
               storage=packed),
        simple("I-14", "cold, then warm", ("mlp",), array_call(MLP, 1), array_call(MLP, 1),
               storage=packed),
        simple("I-14", "data slots that cannot be paid", ("mlp",),
               array_call(MLP, 1, gas=10_400 + 2_100 + 2_000), storage=packed),
        simple("I-15", "layout above 1", ("mlp",), array_call(MLP, 2), storage=packed),
        simple("I-15", "short form above 31", ("mlp",), array_call(MLP, 0), storage=header(64)),
        simple("I-15", "long form below 32", ("mlp",), array_call(MLP, 0), storage=header(63)),
        simple("I-15", "illegal size, no data slot", ("mlp",), array_call(MLP, 1),
               storage=header(2**256 - 1)),
    ]  # fmt: skip


def data_cases() -> list[Any]:
    opcode = code(0, 0, number(OBJECT_ID), number(MLP), "INFERDATA", *ANSWER)
    objects = [OBJECT.hex()]
    ask = code(2 * ROW, number(MLP), "MODELGAS", 0, "MSTORE", WORD, 0, "RETURN")
    return [
        simple("I-16", "a listed object, cold and loaded", ("mlp",), {"code": opcode},
               {"code": opcode}, data=objects),
        simple("I-16", "by the precompile", ("mlp",),
               precompile(INFER_DATA, MLP, OBJECT_ID), data=objects),
        simple("I-16", "not listed", ("mlp",), {"code": opcode}),
        simple("I-16", "a model's chunk is no data object", ("mlp",),
               precompile(INFER_DATA, MLP, merkle.leaf_digests(MODELS["mlp"])[0])),
        simple("I-17", "before and after loading", ("mlp",), {"code": ask},
               opcode_call(MLP, ROWS), {"code": ask}),
        simple("I-17", "unknown model", (), {"code": ask}),
        simple("I-21", "gasOf equals MODELGAS; illegal size is 0", ("mlp",),
               precompile(GAS_OF, MLP, 2 * ROW), precompile(GAS_OF, MLP, 3)),
    ]  # fmt: skip


def precompile_cases() -> list[Any]:
    good = calls.call_data(INFER, MLP, ROWS)
    delegated = {NOBODY.hex(): "ef0100" + INFERENCE_ADDRESS.hex()}
    return [
        simple("I-18", "infer", ("mlp",), precompile(INFER, MLP, ROWS)),
        simple("I-18", "a failure reverts and returns the unused gas", ("mlp",),
               precompile(INFER, MLP, b"x")),
        simple("I-18", "through DELEGATECALL", ("mlp",),
               {"code": forward("DELEGATECALL", INFERENCE_ADDRESS), "data": good.hex()}),
        simple("I-19", "unknown selector", (), {"to": INFERENCE_ADDRESS.hex(), "data": "01020304"}),
        simple("I-19", "padding that is not zero", (),
               {"to": INFERENCE_ADDRESS.hex(), "data": good.hex()[:-2] + "01"}),
        simple("I-19", "bytes after the arguments are ignored", ("mlp",),
               {"to": INFERENCE_ADDRESS.hex(), "data": good.hex() + "ff"}),
        simple("I-19", "value", (), precompile(INFER, MLP, ROWS, value=1)),
        simple("I-20", "three items", ("mlp",),
               precompile(INFER_BATCH, MLP, (ROWS, ROWS[:ROW], ROWS))),
        simple("I-20", "the second fails: the first keeps its record", ("ranged",),
               precompile(INFER_BATCH, RANGED, (bytes(ROW), bytes([99] * ROW), bytes(ROW)))),
        simple("I-25", "the stub's size is 1, and the account is warm", (),
               {"code": code(number(INFERENCE_ADDRESS), "EXTCODESIZE", 0, "MSTORE", WORD, 0,
                             "RETURN")}),
        simple("I-25", "a delegation to the precompile runs empty code", ("mlp",),
               {"code": forward("CALL", NOBODY), "data": good.hex()}, accounts=delegated),
    ]  # fmt: skip


def fee_cases() -> list[Any]:
    def registry_call(signature: str, *values: abi.Value, **more: Any) -> dict[str, Any]:
        data = calls.call_data(signature, *values).hex()
        return {"to": REGISTRY_ADDRESS.hex(), "data": data, "sender": "author", **more}

    effective = BLOCK + FEE_DELAY
    fee, payee = (
        registry_call(calls.SET_FEE, MLP, 5_000),
        registry_call(calls.SET_PAYEE, MLP, CALLER),
    )
    start = {"index": 0, "gas_limit": 100_000, "floor": 90_001}
    reverting = code(*infer(number(MLP), ROW), 0, 0, "REVERT")
    outer = code(*infer(number(MLP), ROW), 0, 0, 0, 0, 0, number(INNER), "GAS", "CALL", "STOP")
    large = {"index": 0, "gas_limit": 10**7, "floor": 0}
    return [
        simple("I-22", "the second draw would cut into the floor", ("mlp",), fee, payee,
               precompile(INFER, MLP, ROWS, block=effective, transaction=start),
               precompile(INFER, MLP, ROWS)),
        simple("I-23", "a reverted frame keeps the draw and loses the credit", ("mlp",),
               fee, payee, {"code": outer, "block": effective, "transaction": large},
               accounts={INNER.hex(): reverting}),
    ]  # fmt: skip


CASES = {
    "infer": infer_cases,
    "inferarray": array_cases,
    "inferdata_modelgas": data_cases,
    "precompile": precompile_cases,
    "fee": fee_cases,
}
