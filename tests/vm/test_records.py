"""Records and sidecars: one encoding each, roots that paths prove, differences that are found."""

from __future__ import annotations

import dataclasses
import random

import pytest

from ai_ops import merkle
from vm import records, rlp
from vm.records import Difference, InferenceRecord, Sidecar

SEED = 77


def make_sidecar(count: int, seed: int = SEED) -> Sidecar:
    rng = random.Random(seed)
    digests = tuple(
        tuple(rng.randbytes(32) for _ in range(rng.randrange(1, 6))) for _ in range(count)
    )
    made = tuple(
        InferenceRecord(
            transaction_index=index // 2,
            call_index=index % 2,
            model=rng.randbytes(20),
            input_digest=rng.randbytes(32),
            output_digest=rng.randbytes(32),
            steps_root=records.steps_root(digests[index]),
            gas=rng.randrange(2**40),
        )
        for index in range(count)
    )
    inputs = tuple(rng.randbytes(rng.randrange(40)) for _ in range(count))
    return Sidecar(records=made, step_digests=digests, inputs=inputs)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8])
def test_encoding_round_trips_and_paths_prove(count: int) -> None:
    print(f"seed {SEED}")
    sidecar = make_sidecar(count)
    assert records.decode_sidecar(records.encode_sidecar(sidecar)) == sidecar
    for index, record in enumerate(sidecar.records):
        assert records.decode_record(records.encode_record(record)) == record
        path = records.record_path(sidecar.records, index)
        leaf = records.record_leaf(record)
        root = records.records_root(sidecar.records)
        assert merkle.root_from_path(leaf, index, count, path) == root
        digests = sidecar.step_digests[index]
        for step, digest in enumerate(digests):
            step_path = records.step_path(digests, step)
            found = merkle.root_from_path(digest, step, len(digests), step_path)
            assert found == record.steps_root


def test_inputs_may_be_left_out() -> None:
    bare = dataclasses.replace(make_sidecar(3), inputs=())
    assert records.decode_sidecar(records.encode_sidecar(bare)) == bare


def test_the_request_commits_to_count_gas_and_root() -> None:
    sidecar = make_sidecar(3)
    request = records.inference_request(sidecar.records)
    assert request[:2] == b"\xa1\x01"
    assert request[2:6] == (3).to_bytes(4, "big")
    assert request[6:14] == sum(record.gas for record in sidecar.records).to_bytes(8, "big")
    assert request[14:] == records.records_root(sidecar.records)
    assert records.inference_request(()) == b""


ITEMS = rlp.as_list(rlp.decode(records.encode_sidecar(make_sidecar(2))))


def broken(position: int, value: rlp.RlpItem) -> bytes:
    items = list(ITEMS)
    items[position] = value
    return rlp.encode(items)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        records.encode_sidecar(make_sidecar(2)) + b"\0",
        records.encode_sidecar(make_sidecar(2))[:-1],
        rlp.encode(ITEMS[:3]),
        broken(0, b"\x02"),
        broken(1, ()),
        broken(2, (b"not a list", ())),
        broken(2, ((bytes(31),), (bytes(32),))),
        broken(3, (b"one of two",)),
        broken(3, ((), ())),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(rlp.RlpError):
        records.decode_sidecar(data)


@pytest.mark.parametrize(
    ("field", "value"),
    [(0, b"\0"), (1, bytes(9)), (2, bytes(19)), (3, bytes(33)), (6, b"\1" * 9), (6, ())],
)
def test_record_fields_are_strict(field: int, value: rlp.RlpItem) -> None:
    items = list(rlp.as_list(rlp.decode(records.encode_record(make_sidecar(1).records[0]))))
    items[field] = value
    with pytest.raises(rlp.RlpError):
        records.decode_record(rlp.encode(items))


class TestDifferences:
    def alter(self, sidecar: Sidecar, index: int, **changes: object) -> Sidecar:
        made = list(sidecar.records)
        made[index] = dataclasses.replace(made[index], **changes)  # type: ignore[arg-type]
        return dataclasses.replace(sidecar, records=tuple(made))

    def test_equal_sidecars_do_not_differ(self) -> None:
        assert records.first_difference(make_sidecar(4), make_sidecar(4)) is None
        assert records.first_inconsistency(make_sidecar(4)) is None

    @pytest.mark.parametrize(
        "field", [name for name in InferenceRecord.__slots__ if "index" not in name]
    )
    def test_every_field_is_compared(self, field: str) -> None:
        ours = make_sidecar(4)
        value: object = 1 if field == "gas" else b"\7" * 20
        theirs = self.alter(ours, 2, **{field: value})
        assert records.first_difference(ours, theirs) == Difference(
            transaction_index=1, call_index=0, step=None, what=f"the field {field} differs"
        )

    def test_the_first_differing_step_is_named(self) -> None:
        ours = make_sidecar(4)
        digests = list(ours.step_digests)
        digests[3] = (*digests[3][:-1], bytes(32))
        theirs = dataclasses.replace(ours, step_digests=tuple(digests))
        found = records.first_difference(ours, theirs)
        last = len(digests[3]) - 1
        assert found is not None
        assert (found.transaction_index, found.call_index, found.step) == (1, 1, last)
        inconsistent = records.first_inconsistency(theirs)
        assert inconsistent is not None
        assert (inconsistent.transaction_index, inconsistent.call_index) == (1, 1)

    def test_missing_steps_and_records_are_found(self) -> None:
        ours = make_sidecar(4)
        digests = (ours.step_digests[0][:-1], *ours.step_digests[1:])
        short = dataclasses.replace(ours, step_digests=digests)
        found = records.first_difference(ours, short)
        assert found is not None
        assert found.step == len(digests[0])
        fewer = Sidecar(records=ours.records[:3], step_digests=ours.step_digests[:3])
        for one, two in ((ours, fewer), (fewer, ours)):
            found = records.first_difference(one, two)
            assert found is not None
            assert (found.transaction_index, found.call_index, found.step) == (1, 1, None)
