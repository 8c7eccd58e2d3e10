"""The cases of records, storage layout and prices: `python -m tests.spec.write_vectors`."""

from __future__ import annotations

import random
from typing import Any

from ai_ops import merkle
from ai_ops.model import head_of
from tests.ai_ops.models import lenet, mlp
from tests.spec.instruction_cases import MLP, MODELS, RANGED, code, infer, number, simple
from tests.support.inference import AUTHOR
from tests.support.inference_models import ROW, facts_of
from vm import abi, gas, records
from vm.prices import InferencePrices
from vm.records import InferenceRecord, Sidecar
from vm.registry import calls, layout
from vm.registry.facts import Terms

SEED = 4

FIELDS = {
    "identity": layout.IDENTITY_FIELDS,
    "call": layout.CALL_FIELDS,
    "coefficients": layout.COEFFICIENT_FIELDS,
    "fee": layout.FEE_FIELDS,
    "payee": layout.PAYEE_FIELDS,
    "report": layout.REPORT_FIELDS,
}
EVENTS = (
    calls.MODEL_CREATED,
    calls.MODEL_ACTIVATED,
    calls.MODEL_REJECTED,
    calls.FEE_CHANGED,
    calls.PAYEE_CHANGED,
    calls.AUTHOR_TRANSFERRED,
    calls.MODEL_DEPRECATED,
)


def make_sidecar(count: int) -> Sidecar:
    """Return records whose step digests are counted bytes."""
    rng = random.Random(SEED)
    digests = tuple(tuple(rng.randbytes(32) for _ in range(1 + index)) for index in range(count))
    made = tuple(
        InferenceRecord(
            transaction_index=index // 2,
            call_index=index % 2,
            model=rng.randbytes(20),
            input_digest=records.content_digest(bytes([index])),
            output_digest=rng.randbytes(32),
            steps_root=records.steps_root(digests[index]),
            gas=10_000 * index + 127,
        )
        for index in range(count)
    )
    inputs = tuple(bytes([index]) for index in range(count))
    return Sidecar(records=made, step_digests=digests, inputs=inputs)


def record_cases() -> list[Any]:
    """Encodings, roots, requests and paths for 0 to 3 records."""
    made: list[Any] = []
    for count in (0, 1, 2, 3):
        sidecar = make_sidecar(count)
        name = f"{count} records"
        encoded = [records.encode_record(record).hex() for record in sidecar.records]
        digests = [[digest.hex() for digest in call] for call in sidecar.step_digests]
        made.append({
            "rule": "R-5", "name": name, "records": encoded,
            "request": records.inference_request(sidecar.records).hex(),
        })  # fmt: skip
        made.append({
            "rule": "R-6", "name": name, "records": encoded, "step_digests": digests,
            "inputs": [content.hex() for content in sidecar.inputs],
            "sidecar": records.encode_sidecar(sidecar).hex(),
        })  # fmt: skip
        if count == 0:
            continue
        made.append({
            "rule": "R-4", "name": name, "records": encoded,
            "root": records.records_root(sidecar.records).hex(),
        })  # fmt: skip
        last = sidecar.records[-1]
        made.append({
            "rule": "R-2", "name": name, "record": encoded[-1],
            "fields": {
                field: value.hex() if isinstance(value := getattr(last, field), bytes) else value
                for field in InferenceRecord.__slots__
            },
        })  # fmt: skip
        made.append({
            "rule": "R-3", "name": name, "step_digests": digests[-1],
            "root": last.steps_root.hex(),
        })  # fmt: skip
        made.append({
            "rule": "R-8", "name": name, "records": encoded, "step_digests": digests[-1],
            "record_path": [part.hex() for part in records.record_path(sidecar.records, count - 1)],
            "step_path": [part.hex() for part in records.step_path(sidecar.step_digests[-1], 0)],
        })  # fmt: skip
    return [*made, *_refused_sidecars()]


def _refused_sidecars() -> list[Any]:
    whole = records.encode_sidecar(make_sidecar(2))
    refused = {
        "one byte short": whole[:-1],
        "one byte more": whole + b"\0",
        "inputs for one of two records": records.encode_sidecar(
            Sidecar(
                records=make_sidecar(2).records,
                step_digests=make_sidecar(2).step_digests,
                inputs=(b"x",),
            )
        ),
        "no step digests": records.encode_sidecar(Sidecar(records=make_sidecar(2).records)),
    }
    return [{"rule": "R-6", "name": name, "refused": data.hex()} for name, data in refused.items()]


def scenario_cases() -> list[Any]:
    """Which executions make a record, with which index and gas."""
    place = {"index": 5, "gas_limit": 10**7, "floor": 0}
    twice = code(*infer(number(MLP), ROW), *infer(number(MLP), ROW), "STOP")
    reverted = code(*infer(number(MLP), ROW), 0, 0, "REVERT")
    failed = code(*infer(number(RANGED), ROW + 1), *infer(number(MLP), ROW), "STOP")
    return [
        simple("R-1", "two calls of transaction 5, then one of transaction 6", ("mlp",),
               {"code": twice, "transaction": place},
               {"code": reverted, "transaction": place | {"index": 6}}),
        simple("R-1", "a failed call has no record and takes no index", ("mlp", "ranged"),
               {"code": failed, "transaction": place}),
        simple("R-7", "memory expansion is no part of the record's gas", ("mlp",),
               {"code": code(*infer(number(MLP), ROW, 0, 2**14), "STOP")}),
    ]  # fmt: skip


def layout_cases() -> list[Any]:
    """Slots, packed words, addresses and topics."""
    model_id = merkle.model_id(MODELS["mlp"])
    digest = merkle.leaf_digests(MODELS["mlp"])[0]
    words = (
        "MODEL_ID", "DIGESTS", "IDENTITY", "CALL", "COEFFICIENTS", "FEE", "PAYEE",
        "PENDING_PAYEE", "REPORT",
    )  # fmt: skip
    slots = {name.lower(): f"{layout.model_slot(MLP, getattr(layout, name)):#x}" for name in words}
    chunk = MODELS["mlp"]
    return [
        {"rule": "G-1", "name": "a model's words", "model": MLP.hex(), "slots": slots},
        {"rule": "G-1", "name": "lists", "models": f"{layout.array_slot(0, 3):#x}",
         "data_ids": f"{layout.array_slot(1, 3):#x}", "index": 3},
        {"rule": "G-1", "name": "mappings", "digest": digest.hex(),
         "present": f"{layout.present_slot(digest):#x}",
         "listed": f"{layout.listed_slot(digest):#x}"},
        *({"rule": "G-2", "name": name, "word": f"{_counted(fields):#x}",
           "values": layout.unpack(fields, _counted(fields))} for name, fields in FIELDS.items()),
        {"rule": "G-3", "name": "address", "author": AUTHOR.hex(), "model_id": model_id.hex(),
         "address": layout.model_address(AUTHOR, model_id).hex()},
        {"rule": "G-12", "name": "keys of the chunk store", "content": b"content".hex(),
         "key": layout.chunk_key(merkle.leaf_digest(b"content")).hex()},
        {"rule": "G-16", "name": "a chunk proved by hand", "chunk": chunk.hex(), "index": 0,
         "count": 1, "path": [], "model_id": model_id.hex(), "address": MLP.hex()},
        {"rule": "G-17", "name": "topics", "topics": {
            event: f"{abi.event_topic(event):064x}" for event in EVENTS}},
    ]  # fmt: skip


def _counted(fields: dict[str, layout.Field]) -> int:
    return layout.pack(fields, {name: 3 + at for at, name in enumerate(fields)})


def price_cases() -> list[Any]:
    """Coefficients of known costs and prices of known terms, at the default prices."""
    prices = InferencePrices()
    made: list[Any] = [
        {"rule": "G-15", "name": "defaults", "prices": {
            name: value for name in InferencePrices.__slots__
            if isinstance(value := getattr(prices, name), int)},
         "cost_class_q16": dict(prices.cost_class_q16)},
    ]  # fmt: skip
    for model in (mlp(), lenet()):
        facts = facts_of(model)
        a, b, c = gas.coefficients(facts.cost, prices)
        made.append({
            "rule": "G-14", "name": model.manifest.name,
            "counts": {name: list(counts) for name, counts in facts.cost.counts.items()},
            "coefficients": [a, b, c],
        })  # fmt: skip
        load = (
            len(model.weights), head_of(model).head_bytes,
            len(model.graph.weights) + len(model.graph.nodes),
        )  # fmt: skip
        terms = Terms(
            model=MLP, maximum_units=facts.maximum_units, input_fixed=facts.input_bytes_fixed,
            input_unit=facts.input_bytes_per_unit, output_fixed=facts.output_bytes_fixed,
            output_unit=facts.output_bytes_per_unit,
            load_q16=gas.model_load_q16(*load, prices), a=a, b=b, c=c, fee=77,
        )  # fmt: skip
        for n in (1, 3):
            for cold in ((0, 0, 0), load):
                weight_bytes, head_bytes, items = cold
                cold_q16 = gas.model_load_q16(*cold, prices)
                price = gas.price(terms, n, cold_q16, prices, data=False)
                made.append({
                    "rule": "G-13",
                    "name": f"{model.manifest.name}, n = {n}, {'cold' if items else 'loaded'}",
                    "coefficients": [a, b, c], "n": n, "cold_bytes": weight_bytes,
                    "cold_head_bytes": head_bytes, "cold_items": items,
                    "input_bytes": terms.input_size(n), "output_bytes": terms.output_size(n),
                    "fee": terms.fee, "record_gas": price.record, "total_gas": price.total,
                })  # fmt: skip
    return made
