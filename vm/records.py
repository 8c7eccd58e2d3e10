"""Inference records, their commitment in the header, and the sidecar that travels with a block.

Leaves and nodes are BLAKE3 as in `ai_ops.merkle` (RFC 6962 shape): the leaf of a record is the
leaf digest of its RLP. A step digest is its own leaf: its first hashed byte, 0x02, keeps it apart
from leaves and nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blake3 import blake3

from ai_ops import merkle
from vm import rlp

REQUEST_TYPE = 0xA1
REQUEST_VERSION = 1
SIDECAR_VERSION = 1
RECORD_FIELDS = 7
DIGEST_BYTES = 32
ADDRESS_BYTES = 20
# A record's numbers are gas, counts and indexes: 64 bits hold them all.
NUMBER_BITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRecord:
    """One execution that reached its last step.

    Attributes
    ----------
    transaction_index, call_index : int
        Position in the block; the call index counts earlier records of the same transaction.
    model : bytes
        Model address, 20 bytes.
    input_digest, output_digest : bytes
        BLAKE3 of the whole input and output, 32 bytes each.
    steps_root : bytes
        Merkle root of the step digests, 32 bytes.
    gas : int
        Base + access + computation + words + cold load, in gas.
    """

    transaction_index: int
    call_index: int
    model: bytes
    input_digest: bytes
    output_digest: bytes
    steps_root: bytes
    gas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What travels beside a block: records, step digests, and input bytes as advice only."""

    records: tuple[InferenceRecord, ...] = ()
    step_digests: tuple[tuple[bytes, ...], ...] = ()
    inputs: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first place where two sidecars disagree; `step` is None when it is no step."""

    transaction_index: int
    call_index: int
    step: int | None
    what: str


def content_digest(content: bytes) -> bytes:
    """Return the BLAKE3 digest (32 bytes) of input or output bytes."""
    return blake3(content).digest()


def steps_root(step_digests: Sequence[bytes]) -> bytes:
    """Return the Merkle root (32 bytes) over the step digests of one call."""
    return merkle.merkle_root(step_digests)


def records_root(records: Sequence[InferenceRecord]) -> bytes:
    """Return the Merkle root (32 bytes) over the records of one block, in execution order."""
    return merkle.merkle_root(_record_leaves(records))


def record_leaf(record: InferenceRecord) -> bytes:
    """Return the leaf (32 bytes) that stands for `record` under the records root."""
    return merkle.leaf_digest(encode_record(record))


def record_path(records: Sequence[InferenceRecord], index: int) -> tuple[bytes, ...]:
    """Return the sibling digests from record `index` up to the records root."""
    return merkle.merkle_path(_record_leaves(records), index)


def step_path(step_digests: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the sibling digests from step `index` up to the steps root."""
    return merkle.merkle_path(step_digests, index)


def inference_request(records: Sequence[InferenceRecord]) -> bytes:
    """Return the type 0xa1 request: type, version, u32 count, u64 gas, root; empty for none.

    The numbers are big-endian. EIP-7685 leaves requests without content out of the hash.
    """
    if not records:
        return b""
    gas = sum(record.gas for record in records)
    return (
        bytes((REQUEST_TYPE, REQUEST_VERSION))
        + len(records).to_bytes(4, "big")
        + gas.to_bytes(8, "big")
        + records_root(records)
    )


def encode_record(record: InferenceRecord) -> bytes:
    """Encode a record as an RLP list of its seven fields in the order of the class."""
    return rlp.encode(_record_items(record))


def decode_record(data: bytes) -> InferenceRecord:
    """Decode a record strictly.

    Raises
    ------
    RlpError
        When `data` is not the canonical encoding of a record.
    """
    return _record(rlp.decode(data))


def encode_sidecar(sidecar: Sidecar) -> bytes:
    """Encode as RLP ``[version, [record], [[step digest]], [input]]``."""
    return rlp.encode(
        [
            rlp.integer(SIDECAR_VERSION),
            [_record_items(record) for record in sidecar.records],
            [list(digests) for digests in sidecar.step_digests],
            list(sidecar.inputs),
        ]
    )


def decode_sidecar(data: bytes) -> Sidecar:
    """Decode a sidecar strictly; its parts must speak of the same number of calls.

    Raises
    ------
    RlpError
        When the encoding is not canonical, or the inputs are neither absent nor one per record.
    """
    items = rlp.as_list(rlp.decode(data), 4)
    if rlp.as_int(items[0], NUMBER_BITS) != SIDECAR_VERSION:
        raise rlp.RlpError("the sidecar's version is unknown")
    records = tuple(_record(item) for item in rlp.as_list(items[1]))
    digests = tuple(
        tuple(rlp.as_bytes(digest, DIGEST_BYTES) for digest in rlp.as_list(call))
        for call in rlp.as_list(items[2])
    )
    inputs = tuple(rlp.as_bytes(item) for item in rlp.as_list(items[3]))
    if len(digests) != len(records):
        raise rlp.RlpError("the sidecar has not one list of step digests per record")
    if inputs and len(inputs) != len(records):
        raise rlp.RlpError("the sidecar has not one input per record")
    return Sidecar(records=records, step_digests=digests, inputs=inputs)


def first_inconsistency(sidecar: Sidecar) -> Difference | None:
    """Return the first record whose steps root is not the root of its step digests."""
    for record, digests in zip(sidecar.records, sidecar.step_digests, strict=True):
        if not digests or steps_root(digests) != record.steps_root:
            return _difference(record, None, "the step digests do not hash to the steps root")
    return None


def first_difference(executed: Sidecar, claimed: Sidecar) -> Difference | None:
    """Return the first transaction, call and step where `claimed` leaves what was executed."""
    pairs = zip(executed.records, claimed.records, strict=False)
    for index, (ours, theirs) in enumerate(pairs):
        step = _first_step(executed.step_digests[index], claimed.step_digests[index])
        if step is not None:
            return _difference(ours, step, "the step digests differ")
        for field in InferenceRecord.__slots__:
            if getattr(ours, field) != getattr(theirs, field):
                return _difference(ours, None, f"the field {field} differs")
    shared = min(len(executed.records), len(claimed.records))
    longer = executed.records[shared:] or claimed.records[shared:]
    if longer:
        return _difference(longer[0], None, "the number of records differs")
    return None


def _first_step(ours: Sequence[bytes], theirs: Sequence[bytes]) -> int | None:
    for step, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if mine != other:
            return step
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))


def _difference(record: InferenceRecord, step: int | None, what: str) -> Difference:
    return Difference(
        transaction_index=record.transaction_index,
        call_index=record.call_index,
        step=step,
        what=what,
    )


def _record_leaves(records: Sequence[InferenceRecord]) -> tuple[bytes, ...]:
    return tuple(record_leaf(record) for record in records)


def _record_items(record: InferenceRecord) -> list[rlp.RlpItem]:
    return [
        rlp.integer(record.transaction_index),
        rlp.integer(record.call_index),
        record.model,
        record.input_digest,
        record.output_digest,
        record.steps_root,
        rlp.integer(record.gas),
    ]


def _record(item: rlp.RlpItem) -> InferenceRecord:
    fields = rlp.as_list(item, RECORD_FIELDS)
    return InferenceRecord(
        transaction_index=rlp.as_int(fields[0], NUMBER_BITS),
        call_index=rlp.as_int(fields[1], NUMBER_BITS),
        model=rlp.as_bytes(fields[2], ADDRESS_BYTES),
        input_digest=rlp.as_bytes(fields[3], DIGEST_BYTES),
        output_digest=rlp.as_bytes(fields[4], DIGEST_BYTES),
        steps_root=rlp.as_bytes(fields[5], DIGEST_BYTES),
        gas=rlp.as_int(fields[6], NUMBER_BITS),
    )
