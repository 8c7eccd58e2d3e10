"""The registry: the life of a model, data objects, views, and who may call how."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from eth.abc import ComputationAPI
from eth_abi.abi import decode as eth_abi_decode
from eth_typing import Address

from ai_ops import merkle
from ai_ops.dtype import DType
from ai_ops.graph import Graph, Model
from ai_ops.model import build_model, encode_model
from tests.ai_ops.models import dense, lenet, mlp, port, random_bytes, weight
from tests.support.inference import (
    AUTHOR,
    CALLER,
    CONTRACT,
    InferenceState,
    asm,
    create,
    deploy,
    new_state,
    registry,
    send,
)
from tests.support.inference_models import ROW, facts_of
from vm import abi
from vm.registry import calls, facts, layout
from vm.registry.contract import FUNCTIONS
from vm.registry.facts import Status
from vm.registry.layout import REGISTRY_ADDRESS
from vm.registry.state import registry_of

PRICES = new_state().vm_config.prices
CHUNK = merkle.CHUNK_BYTES


def header(data: bytes) -> bytes:
    return calls.model_header(merkle.model_id(data), len(data), merkle.leaf_digests(data))


def refused(computation: ComputationAPI, sentence: str) -> None:
    assert computation.is_error
    assert computation.output == abi.revert_reason(sentence)
    assert not computation.should_burn_gas


def status(state: InferenceState, model: bytes) -> Status:
    return facts.status(registry_of(state), model)


def events(computation: ComputationAPI) -> list[tuple[bytes, tuple[int, ...], bytes]]:
    return [
        (bytes(address), topics, data) for address, topics, data in computation.get_log_entries()
    ]


def event(
    signature: str, *topics: bytes, data: bytes = b""
) -> tuple[bytes, tuple[int, ...], bytes]:
    indexed = tuple(int.from_bytes(topic, "big") for topic in topics)
    return REGISTRY_ADDRESS, (abi.event_topic(signature), *indexed), data


def padded_model() -> bytes:
    """A valid model of several chunks."""
    return encode_model(lenet())


class TestLife:
    def test_a_model_is_created_filled_and_activated(self) -> None:
        state, data = new_state(), padded_model()
        assert merkle.chunk_count(len(data)) == 1
        created = registry(state, calls.CREATE_MODEL, header(data), sender=AUTHOR)
        address = layout.model_address(AUTHOR, merkle.model_id(data))
        assert created.output == abi.encode(("address",), (address,))
        assert events(created) == [
            event(
                calls.MODEL_CREATED,
                address,
                merkle.model_id(data),
                AUTHOR,
                data=abi.encode(("uint256",), (len(data),)),
            )
        ]
        assert status(state, address) == Status.CREATED
        for index, chunk in enumerate(merkle.chunks(data)):
            assert registry(state, calls.PUT_CHUNK, address, index, chunk).is_success
        activated = registry(state, calls.ACTIVATE, address)
        macs = facts_of(lenet()).macs
        assert events(activated) == [
            event(calls.MODEL_ACTIVATED, address, data=abi.encode(("uint256",), (macs,)))
        ]
        assert status(state, address) == Status.ACTIVE

    def test_no_account_appears_at_the_model_address(self) -> None:
        state = new_state()
        address = deploy(state, mlp())
        assert not state.account_exists(Address(address))

    def test_many_chunks_in_any_order_by_anybody(self) -> None:
        state = new_state()
        data = random_bytes(150_000, 7)
        address = create(state, data)
        chunks = merkle.chunks(data)
        assert len(chunks) == 3
        for index in (2, 0):
            sender = bytes([index]) * 20
            put = registry(state, calls.PUT_CHUNK, address, index, chunks[index], sender=sender)
            assert put.is_success
        missing = registry(state, calls.MISSING, address, 0, 10)
        assert eth_abi_decode(("uint256[]",), missing.output) == ((1,),)
        refused(registry(state, calls.ACTIVATE, address), "a chunk is missing")
        assert registry(state, calls.PUT_CHUNK, address, 1, chunks[1]).is_success
        assert registry(state, calls.ACTIVATE, address).is_success
        assert status(state, address) == Status.REJECTED

    def test_the_same_id_by_two_authors_is_two_models(self) -> None:
        state = new_state()
        one, two = deploy(state, mlp()), deploy(state, mlp(), b"\xb2" * 20)
        assert one != two
        assert eth_abi_decode(("uint256",), registry(state, calls.MODEL_COUNT).output) == (2,)

    def test_a_rejected_model_keeps_its_code_for_good(self) -> None:
        state = new_state()
        address = create(state, b"\xc0" * 99)
        registry(state, calls.PUT_CHUNK, address, 0, b"\xc0" * 99).raise_if_error()
        rejected = registry(state, calls.ACTIVATE, address)
        report = layout.unpack(
            layout.REPORT_FIELDS, registry_of(state).word(address, layout.REPORT)
        )
        assert 100 < report["code"] < 500
        code = abi.encode(("uint16",), (report["code"],))
        assert events(rejected) == [event(calls.MODEL_REJECTED, address, data=code)]
        refused(registry(state, calls.ACTIVATE, address), "the model is not in creation")
        refused(
            registry(state, calls.CREATE_MODEL, header(b"\xc0" * 99), sender=AUTHOR),
            "the model exists",
        )

    def test_weights_are_not_read_by_activation(self) -> None:
        state, data = new_state(), long_weights()
        address = create(state, data)
        for index, chunk in enumerate(merkle.chunks(data)):
            registry(state, calls.PUT_CHUNK, address, index, chunk).raise_if_error()
        for digest in merkle.leaf_digests(data)[1:]:
            del state.chunk_store[layout.chunk_key(digest)]
        assert registry(state, calls.ACTIVATE, address).is_success
        assert status(state, address) == Status.ACTIVE

    def test_wrong_chunk_length_rejects(self) -> None:
        state = new_state()
        data = bytes(CHUNK) + b"tail"
        short = b"short chunk"
        digests = (merkle.leaf_digest(short), merkle.leaf_digest(b"tail"))
        claimed = calls.model_header(merkle.merkle_root(digests), len(data), digests)
        registry(state, calls.CREATE_MODEL, claimed, sender=AUTHOR).raise_if_error()
        address = layout.model_address(AUTHOR, merkle.merkle_root(digests))
        for index, chunk in enumerate((short, b"tail")):
            registry(state, calls.PUT_CHUNK, address, index, chunk).raise_if_error()
        registry(state, calls.ACTIVATE, address).raise_if_error()
        report = registry_of(state).word(address, layout.REPORT)
        assert layout.unpack(layout.REPORT_FIELDS, report)["code"] == 701


def long_weights() -> bytes:
    """Two chunks, the second nothing but weights."""
    graph = Graph(weights=(weight(300, 300),), nodes=(dense(0, 1, 300),), outputs=(2,))
    model: Model = build_model(
        name="wide",
        inputs=(port("x", DType.I8, (1, 300)),),
        outputs=(port("y", DType.I8, (1, 300)),),
        graph=graph,
        weights=random_bytes(90_000, 3),
    )
    return encode_model(model)


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (lambda h: h[:39], "the header is not modelId, size and digests"),
            (lambda h: h[:-1], "the header is not modelId, size and digests"),
            (lambda h: h[:40], "the number of digests does not fit the size"),
            (lambda h: h + bytes(32), "the number of digests does not fit the size"),
            (lambda h: b"\1" + h[1:], "the digests do not hash to the model id"),
            (lambda h: h[:32] + bytes(8) + h[40:], "the size is outside the chain's limit"),
            (lambda h: h[:32] + b"\xff" * 8 + h[40:], "the size is outside the chain's limit"),
        ],
    )
    def test_create_model(self, change: Any, sentence: str) -> None:
        state = new_state()
        refused(registry(state, calls.CREATE_MODEL, change(header(b"model"))), sentence)
        assert registry_of(state).read(layout.MODELS_WORD) == 0

    def test_put_chunk(self) -> None:
        state = new_state()
        address = create(state, b"model")
        put = calls.PUT_CHUNK
        refused(registry(state, put, b"\7" * 20, 0, b"x"), "the model is not in creation")
        refused(registry(state, put, address, 1, b"x"), "the model has no chunk of that index")
        refused(registry(state, put, address, 0, b""), "a chunk has 1 to 65536 bytes")
        refused(registry(state, put, address, 0, bytes(CHUNK + 1)), "a chunk has 1 to 65536 bytes")
        wrong = registry(state, put, address, 0, b"modeL")
        refused(wrong, "the chunk does not match its digest")
        assert wrong.get_gas_used() < 4 * PRICES.read_gas + 1_000

    def test_an_active_model_takes_no_chunk(self) -> None:
        state = new_state()
        address = deploy(state, mlp())
        chunk = merkle.chunks(encode_model(mlp()))[0]
        refused(registry(state, calls.PUT_CHUNK, address, 0, chunk), "the model is not in creation")

    @pytest.mark.parametrize("size", [0, CHUNK + 1])
    def test_put_data(self, size: int) -> None:
        refused(
            registry(new_state(), calls.PUT_DATA, bytes(size)),
            "a data object has 1 to 65536 bytes",
        )

    def test_unknown_functions_and_spellings(self) -> None:
        state = new_state()
        for data in (b"", b"\1\2\3", b"\1\2\3\4"):
            refused(send(state, REGISTRY_ADDRESS, data), "the registry has no such function")
        padded = calls.call_data(calls.PUT_DATA, b"x")[:-1] + b"\1"
        refused(send(state, REGISTRY_ADDRESS, padded), "the arguments are not in canonical form")
        longer = calls.call_data(calls.MODEL_COUNT) + b"\1\2\3"
        assert send(state, REGISTRY_ADDRESS, longer).is_success

    @pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.signature)
    def test_value_static_and_delegation(self, function: Any) -> None:
        state = new_state()
        state.set_balance(Address(CONTRACT), 10)
        state.set_balance(Address(CALLER), 10)
        data = abi.selector(function.signature)
        paid = send(state, REGISTRY_ADDRESS, data, value=1)
        refused(paid, "the registry takes no value")
        assert state.get_balance(Address(CALLER)) == 10
        static = send(state, REGISTRY_ADDRESS, data, static=True).output
        delegated = _forward(state, "DELEGATECALL", data)
        called_code = _forward(state, "CALLCODE", data)
        for output, sentence in (
            (static, "a static call changes nothing"),
            (delegated, "the registry must be called, not delegated to"),
            (called_code, "the registry must be called, not delegated to"),
        ):
            assert (output == abi.revert_reason(sentence)) is function.mutates


def _forward(state: InferenceState, opcode: str, data: bytes) -> bytes:
    value = (0,) if opcode == "CALLCODE" else ()
    code = asm(
        "CALLDATASIZE", 0, 0, "CALLDATACOPY",
        0, 0, "CALLDATASIZE", 0, *value, int.from_bytes(REGISTRY_ADDRESS, "big"), "GAS", opcode,
        "POP", "RETURNDATASIZE", 0, 0, "RETURNDATACOPY", "RETURNDATASIZE", 0, "RETURN",
    )  # fmt: skip
    return send(state, CONTRACT, data, code=code).output


class TestGas:
    def test_a_stored_byte_costs_at_most_100_gas_with_its_calldata(self) -> None:
        state = new_state()
        data = b"\xff" * CHUNK
        address = create(state, data)
        put = registry(state, calls.PUT_CHUNK, address, 0, data)
        calldata = sum(
            16 if byte else 4 for byte in calls.call_data(calls.PUT_CHUNK, address, 0, data)
        )
        assert put.get_gas_used() + calldata + 21_000 <= 100 * CHUNK
        assert PRICES.stored_byte_gas + 16 <= 100

    def test_a_present_chunk_is_not_paid_twice(self) -> None:
        state = new_state()
        data = b"shared" * 1_000
        one, two = create(state, data), create(state, data, b"\xb2" * 20)
        first = registry(state, calls.PUT_CHUNK, one, 0, data).get_gas_used()
        assert eth_abi_decode(("uint256[]",), registry(state, calls.MISSING, two, 0, 9).output) == (
            (),
        )
        second = registry(state, calls.PUT_CHUNK, two, 0, data).get_gas_used()
        assert first - second == PRICES.stored_byte_gas * len(data) + PRICES.slot_gas

    def test_data_is_idempotent_and_shares_chunks(self) -> None:
        state = new_state()
        data = b"object" * 100
        first = registry(state, calls.PUT_DATA, data)
        second = registry(state, calls.PUT_DATA, data)
        assert first.output == second.output == merkle.model_id(data)
        listing = 3 * PRICES.slot_gas
        stored = PRICES.stored_byte_gas * len(data) + PRICES.slot_gas
        assert first.get_gas_used() - second.get_gas_used() == stored + listing
        assert registry_of(state).read(layout.DATA_IDS_WORD) == 1

    def test_a_present_chunk_is_listed_without_a_second_storage_charge(self) -> None:
        state = new_state()
        data = b"chunk of a model"
        address = create(state, data)
        registry(state, calls.PUT_CHUNK, address, 0, data).raise_if_error()
        listed = registry(state, calls.PUT_DATA, data).get_gas_used()
        again = registry(state, calls.PUT_DATA, data).get_gas_used()
        assert listed - again == 3 * PRICES.slot_gas

    @pytest.mark.parametrize("step", ["create", "put", "activate", "data", "fee"])
    def test_any_gas_short_of_enough_halts_and_changes_nothing(self, step: str) -> None:
        state = new_state()
        data = encode_model(mlp())
        address = create(state, data)
        chunk = merkle.chunks(data)[0]
        if step == "activate":
            registry(state, calls.PUT_CHUNK, address, 0, chunk).raise_if_error()
        call: tuple[Any, ...] = {
            "create": (calls.CREATE_MODEL, header(b"another")),
            "put": (calls.PUT_CHUNK, address, 0, chunk),
            "activate": (calls.ACTIVATE, address),
            "data": (calls.PUT_DATA, b"data"),
            "fee": (calls.SET_FEE, address, 5),
        }[step]
        state.begin()
        before = state.snapshot()
        needed = registry(state, call[0], *call[1:], sender=AUTHOR).get_gas_used()
        state.revert(before)
        root = state.root()
        for gas in [*range(0, needed, max(1, needed // 60)), needed - 1]:
            short = registry(state, call[0], *call[1:], sender=AUTHOR, gas=gas)
            assert short.should_burn_gas
            assert state.root() == root
        assert registry(state, call[0], *call[1:], sender=AUTHOR, gas=needed).is_success
        assert state.root() != root

    def test_views_touch_no_access_set(self) -> None:
        state = new_state()
        address = deploy(state, mlp())
        registry(state, calls.INFO, address).raise_if_error()
        slot = layout.model_slot(address, layout.CALL)
        assert not state.is_storage_warm(Address(REGISTRY_ADDRESS), slot)
        assert not state.is_address_warm(Address(address))

    def test_missing_pays_for_each_index(self) -> None:
        state = new_state(limits=dataclasses.replace(new_state().vm_config.limits))
        data = bytes(5 * CHUNK)
        address = create(state, data)
        costs = [
            registry(state, calls.MISSING, address, start, limit).get_gas_used()
            for start, limit in ((0, 0), (0, 2), (3, 2**255), (5, 9))
        ]
        base = costs[0]
        assert [cost - base for cost in costs] == [0, 2 * PRICES.scan_gas, 2 * PRICES.scan_gas, 0]


class TestViews:
    def test_info_io_and_manifest(self) -> None:
        state, model = new_state(), mlp()
        data = encode_model(model)
        address = deploy(state, model)
        info = eth_abi_decode(
            ("bytes32", "address", "address", "uint8", *("uint256",) * 4),
            registry(state, calls.INFO, address).output,
        )
        author = "0x" + AUTHOR.hex()
        macs = facts_of(model).macs
        assert info == (merkle.model_id(data), author, author, 2, len(data), 1, 0, macs)
        io = eth_abi_decode(("uint256",) * 4, registry(state, calls.IO, address).output)
        assert io == (ROW, 4, ROW, 4)
        (manifest,) = eth_abi_decode(("bytes",), registry(state, calls.MANIFEST, address).output)
        head = len(data) - len(model.weights)
        assert manifest == data[: head - model.manifest.graph_bytes]

    def test_a_fixed_model_has_no_unit(self) -> None:
        state = new_state()
        address = deploy(state, long_weights())
        io = eth_abi_decode(("uint256",) * 4, registry(state, calls.IO, address).output)
        assert io == (300, 300, 0, 1)

    def test_unknown_models_read_as_zero_or_are_refused(self) -> None:
        state, nobody = new_state(), b"\x5a" * 20
        assert registry(state, calls.INFO, nobody).output == bytes(8 * 32)
        assert registry(state, calls.IO, nobody).output == bytes(4 * 32)
        empty = registry(state, calls.MISSING, nobody, 0, 9).output
        assert eth_abi_decode(("uint256[]",), empty) == ((),)
        refused(registry(state, calls.MANIFEST, nobody), "the model is not active")
        no_chunk = "the model has no chunk of that index"
        refused(registry(state, calls.CHUNK_DIGEST, nobody, 0), no_chunk)
        refused(registry(state, calls.MODEL_AT, 0), "there is no model of that index")

    def test_lists(self) -> None:
        state = new_state()
        addresses = [create(state, bytes([n]) * 40) for n in range(3)]
        for index, address in enumerate(addresses):
            at = registry(state, calls.MODEL_AT, index).output
            assert at == abi.encode(("address",), (address,))
            digest = registry(state, calls.CHUNK_DIGEST, address, 0).output
            assert digest == merkle.leaf_digest(bytes([index]) * 40)

    def test_every_view_works_in_a_static_call(self) -> None:
        state = new_state()
        address = deploy(state, mlp())
        for signature in (calls.INFO, calls.IO, calls.MANIFEST):
            assert registry(state, signature, address, static=True).is_success


def test_a_reverted_creation_leaves_no_trace_in_state() -> None:
    state = new_state()
    root = state.root()
    call = calls.call_data(calls.CREATE_MODEL, header(b"model"))
    code = asm(
        "CALLDATASIZE", 0, 0, "CALLDATACOPY",
        0, 0, "CALLDATASIZE", 0, 0, int.from_bytes(REGISTRY_ADDRESS, "big"), "GAS", "CALL",
        "POP", 0, 0, "REVERT",
    )  # fmt: skip
    state.set_code(Address(CONTRACT), code)
    root = state.root()
    assert send(state, CONTRACT, call).is_error
    assert state.root() == root


def test_the_stubs_are_visible_and_always_warm() -> None:
    state = new_state()
    for address in PRECOMPILE_ADDRESSES:
        code = asm(int.from_bytes(address, "big"), "EXTCODESIZE", 0, "MSTORE", 32, 0, "RETURN")
        computation = send(state, CONTRACT, code=code)
        assert int.from_bytes(computation.output, "big") == 1
        assert computation.get_gas_used() == 100 + 5 * 3 + 3
        assert state.get_code(Address(address)) == b"\xfe"


PRECOMPILE_ADDRESSES = (layout.REGISTRY_ADDRESS, layout.INFERENCE_ADDRESS)
