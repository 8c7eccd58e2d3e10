"""The cases behind docs/spec/vectors/registry: `python -m tests.spec.write_vectors`."""

from __future__ import annotations

from typing import Any

from ai_ops import merkle
from tests.spec.instruction_cases import MLP, MODELS, forward, simple
from tests.spec.scenario import FEE_DELAY
from tests.support.inference import AUTHOR, BLOCK, CALLER
from vm import abi
from vm.registry import calls
from vm.registry.layout import REGISTRY_ADDRESS, model_address

# Two chunks, neither of which is a model's beginning.
BLOB = bytes(range(1, 251)) * 280
BLOB_CHUNKS = merkle.chunks(BLOB)
BLOB_MODEL = model_address(AUTHOR, merkle.model_id(BLOB))
NOBODY = b"\x99" * 20
TAIL = b"tail of a model"


def header(data: bytes) -> bytes:
    return calls.model_header(merkle.model_id(data), len(data), merkle.leaf_digests(data))


def call(signature: str, *values: abi.Value, **more: Any) -> dict[str, Any]:
    data = calls.call_data(signature, *values).hex()
    return {"to": REGISTRY_ADDRESS.hex(), "data": data, "sender": "author", **more}


def raw(data: str, **more: Any) -> dict[str, Any]:
    return {"to": REGISTRY_ADDRESS.hex(), "data": data, **more}


def life_cases() -> list[Any]:
    mlp = MODELS["mlp"]
    short = (b"short", TAIL)
    digests = tuple(merkle.leaf_digest(chunk) for chunk in short)
    uneven = calls.model_header(merkle.merkle_root(digests), merkle.CHUNK_BYTES + 4, digests)
    uneven_model = model_address(AUTHOR, merkle.merkle_root(digests))
    fill = [call(calls.PUT_CHUNK, MLP, 0, mlp)]
    return [
        simple("G-5", "created: words, list and event", (), call(calls.CREATE_MODEL, header(mlp))),
        simple("G-5", "a second time", (), call(calls.CREATE_MODEL, header(TAIL)),
               call(calls.CREATE_MODEL, header(TAIL))),
        simple("G-5", "no digest", (), call(calls.CREATE_MODEL, header(TAIL)[:40])),
        simple("G-5", "a wrong digest", (), call(calls.CREATE_MODEL, header(TAIL)[:-1] + b"\0")),
        simple("G-5", "size 0", (), call(calls.CREATE_MODEL, bytes(40))),
        simple("G-6", "out of order, then missing", (), call(calls.CREATE_MODEL, header(BLOB)),
               call(calls.PUT_CHUNK, BLOB_MODEL, 1, BLOB_CHUNKS[1]),
               call(calls.MISSING, BLOB_MODEL, 0, 10)),
        simple("G-6", "already present", (), call(calls.CREATE_MODEL, header(TAIL)),
               call(calls.PUT_DATA, TAIL),
               call(calls.PUT_CHUNK, model_address(AUTHOR, merkle.model_id(TAIL)), 0, TAIL)),
        simple("G-6", "wrong bytes, wrong index, no such model", (),
               call(calls.CREATE_MODEL, header(TAIL)),
               call(calls.PUT_CHUNK, model_address(AUTHOR, merkle.model_id(TAIL)), 0, b"x"),
               call(calls.PUT_CHUNK, model_address(AUTHOR, merkle.model_id(TAIL)), 1, TAIL),
               call(calls.PUT_CHUNK, NOBODY, 0, TAIL)),
        simple("G-7", "active", (), call(calls.CREATE_MODEL, header(mlp)), *fill,
               call(calls.ACTIVATE, MLP)),
        simple("G-7", "a chunk is missing", (), call(calls.CREATE_MODEL, header(mlp)),
               call(calls.ACTIVATE, MLP)),
        simple("G-7", "short of gas for the graph", (), call(calls.CREATE_MODEL, header(mlp)),
               *fill, call(calls.ACTIVATE, MLP, gas=80_000)),
        simple("G-7", "rejected for good: no manifest", (), call(calls.CREATE_MODEL, header(TAIL)),
               call(calls.PUT_DATA, TAIL),
               call(calls.ACTIVATE, model_address(AUTHOR, merkle.model_id(TAIL))),
               call(calls.ACTIVATE, model_address(AUTHOR, merkle.model_id(TAIL)))),
        simple("G-7", "rejected: 701, a chunk of a wrong length", (),
               call(calls.CREATE_MODEL, uneven),
               *(call(calls.PUT_DATA, chunk) for chunk in short),
               call(calls.ACTIVATE, uneven_model)),
        simple("G-8", "listed once, stored once", (), call(calls.PUT_DATA, TAIL),
               call(calls.PUT_DATA, TAIL)),
        simple("G-8", "empty", (), call(calls.PUT_DATA, b"")),
        simple("G-9", "handed over, then deprecated by the new author", ("mlp",),
               call(calls.TRANSFER_AUTHOR, MLP, CALLER), call(calls.DEPRECATE, MLP),
               call(calls.DEPRECATE, MLP, sender="caller"),
               call(calls.DEPRECATE, MLP, sender="caller")),
        simple("G-10", "fee and payee wait for their block", ("mlp",),
               call(calls.SET_FEE, MLP, 5), call(calls.SET_PAYEE, MLP, CALLER),
               call(calls.INFO, MLP, block=BLOCK + FEE_DELAY - 1),
               call(calls.INFO, MLP, block=BLOCK + FEE_DELAY),
               call(calls.SET_FEE, MLP, 6), call(calls.SET_FEE, MLP, 2**64)),
    ]  # fmt: skip


def entry_cases() -> list[Any]:
    create = calls.call_data(calls.CREATE_MODEL, header(TAIL)).hex()
    return [
        simple("G-4", "no such function", (), raw("01020304"), raw("")),
        simple("G-4", "value", (), raw(create, value=1)),
        simple("G-4", "static", (), raw(create, static=True)),
        simple("G-4", "delegated", (),
               {"code": forward("DELEGATECALL", REGISTRY_ADDRESS), "data": create}),
        simple("G-4", "a view through DELEGATECALL", (),
               {"code": forward("DELEGATECALL", REGISTRY_ADDRESS),
                "data": calls.call_data(calls.MODEL_COUNT).hex()}),
        simple("G-4", "not canonical", (), raw(create[:-2] + "01")),
        simple("G-4", "short of the entry gas", (), raw(create, gas=2_000)),
    ]  # fmt: skip


def view_cases() -> list[Any]:
    return [
        simple("G-11", "of an active model", ("mlp",), call(calls.INFO, MLP), call(calls.IO, MLP),
               call(calls.MANIFEST, MLP), call(calls.CHUNK_DIGEST, MLP, 0),
               call(calls.MODEL_COUNT), call(calls.MODEL_AT, 0), call(calls.MISSING, MLP, 0, 5)),
        simple("G-11", "of nothing", (), call(calls.INFO, NOBODY), call(calls.IO, NOBODY),
               call(calls.MANIFEST, NOBODY), call(calls.CHUNK_DIGEST, NOBODY, 0),
               call(calls.MODEL_COUNT), call(calls.MODEL_AT, 0), call(calls.MISSING, NOBODY, 0, 5)),
        simple("G-11", "missing scans at most 1,024", (), call(calls.CREATE_MODEL, header(BLOB)),
               call(calls.MISSING, BLOB_MODEL, 0, 2**255), call(calls.MISSING, BLOB_MODEL, 1, 1),
               call(calls.MISSING, BLOB_MODEL, 2, 1)),
    ]  # fmt: skip


CASES = {"life": life_cases, "entry": entry_cases, "views": view_cases}
