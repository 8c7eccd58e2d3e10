"""Stock Solidity, Vyper and Yul contracts meet a model: calls, errors, reverts, re-entrancy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth.abc import ComputationAPI
from eth_abi.abi import decode as eth_abi_decode
from eth_abi.abi import encode as eth_abi_encode
from eth_typing import Address

from ai_ops import merkle
from ai_ops.model import encode_model
from tests.ai_ops.models import mlp
from tests.support.inference import (
    CONTRACT,
    InferenceState,
    asm,
    deploy,
    new_state,
    registry,
    send,
)
from tests.support.inference_models import ROW, answer, ranged
from tests.vm.contracts.compile import ARTIFACTS, COMPILERS, compiler
from vm import abi
from vm.registry import calls, facts, layout
from vm.registry.state import registry_of

CODE = {name: bytes.fromhex(code) for name, code in json.loads(ARTIFACTS.read_text()).items()}
OPCODES = b"\x0b" * 20
INPUT = bytes(range(1, ROW + 1))
BAD = bytes([99]) * ROW


@pytest.mark.parametrize("variable", COMPILERS)
def test_the_artifacts_are_what_the_compilers_make(variable: str) -> None:
    name, build = COMPILERS[variable]
    found = compiler(variable, name)
    if found is None:
        pytest.skip(f"{name} is not installed; name it in {variable} to compile the sources again")
    made = build(found)
    assert {source: CODE[source].hex() for source in made} == made


class Contract:
    """A deployed artifact, called by signature."""

    def __init__(self, source: str, model: Any = None) -> None:
        self.state: InferenceState = new_state()
        self.model = mlp() if model is None else model
        self.address = deploy(self.state, self.model)
        self.state.set_code(Address(CONTRACT), CODE[source])
        self.state.set_code(Address(OPCODES), CODE["EngramOpcodes.yul"])

    def call(self, signature: str, *values: Any, **options: Any) -> ComputationAPI:
        types = calls.argument_types(signature)
        data = abi.selector(signature) + eth_abi_encode(types, values)
        return send(self.state, CONTRACT, data, **options)

    def ask(self, signature: str, returns: tuple[str, ...], *values: Any, **options: Any) -> Any:
        computation = self.call(signature, *values, **options)
        computation.raise_if_error()
        return eth_abi_decode(returns, computation.output)


def signed(output: bytes) -> list[int]:
    return [byte - 256 if byte > 127 else byte for byte in output]


@pytest.fixture
def solidity() -> Contract:
    return Contract("Caller.sol")


@pytest.fixture
def vyper() -> Contract:
    return Contract("caller.vy")


class TestSolidity:
    def test_it_acts_on_the_answer(self, solidity: Contract) -> None:
        scores = signed(answer(solidity.model, INPUT).output)
        best = scores.index(max(scores))
        address = solidity.address
        assert solidity.ask("classify(address,bytes)", ("uint256",), address, INPUT) == (best,)
        assert solidity.state.get_storage(Address(CONTRACT), 0) == best

    def test_library(self, solidity: Contract) -> None:
        (values,) = solidity.ask(
            "values(address,bytes)", ("int8[]",), solidity.address, INPUT, static=True
        )
        assert list(values) == signed(answer(solidity.model, INPUT).output)

    def test_batch_and_data(self, solidity: Contract) -> None:
        items = (INPUT, INPUT * 2, bytes(ROW))
        (outputs,) = solidity.ask(
            "batch(address,bytes[])", ("bytes[]",), solidity.address, items, static=True
        )
        assert outputs == tuple(
            answer(solidity.model, item, len(item) // ROW).output for item in items
        )
        data_id = registry(solidity.state, calls.PUT_DATA, INPUT).output
        (output,) = solidity.ask("data(address,bytes32)", ("bytes",), solidity.address, data_id)
        assert output == answer(solidity.model, INPUT).output

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (INPUT[:5], (b"InputSize", 5, ROW)),
            (BAD, (b"InferenceFailed", 503, 0)),
            (bytes(ROW), (b"", 0, 0)),
        ],
    )
    def test_errors_are_caught_by_name(self, data: bytes, expected: tuple[Any, ...]) -> None:
        contract = Contract("Caller.sol", ranged())
        name, one, two = contract.ask(
            "tryInfer(address,bytes)", ("bytes32", "uint256", "uint256"), contract.address, data
        )
        assert (name.rstrip(b"\0"), one, two) == expected

    def test_an_unknown_model_is_caught_by_name(self, solidity: Contract) -> None:
        nobody = b"\x99" * 20
        name, one, two = solidity.ask(
            "tryInfer(address,bytes)", ("bytes32", "uint256", "uint256"), nobody, INPUT
        )
        assert name.rstrip(b"\0") == b"ModelNotCallable"
        assert (one, two) == (int.from_bytes(nobody, "big"), 0)

    def test_gas_of_is_exactly_enough(self, solidity: Contract) -> None:
        (output,) = solidity.ask(
            "exactGas(address,bytes)", ("bytes",), solidity.address, INPUT, static=True
        )
        assert output == answer(solidity.model, INPUT).output
        made = len(solidity.state.inference.records)
        assert solidity.ask("shortGas(address,bytes)", ("bool",), solidity.address, INPUT) == (
            False,
        )
        assert len(solidity.state.inference.records) == made

    def test_a_frame_that_reverts_after_the_inference(self, solidity: Contract) -> None:
        reverted = solidity.call("inferThenRevert(address,bytes)", solidity.address, INPUT)
        assert reverted.output == abi.revert_reason("after the inference")
        assert len(solidity.state.inference.records) == 1
        assert not solidity.state.inference.is_loaded(solidity.state, solidity.address)

    def test_re_entrancy(self, solidity: Contract) -> None:
        data = abi.selector("classify(address,bytes)") + eth_abi_encode(
            ("address", "bytes"), (solidity.address, bytes(ROW))
        )
        # The caller forwards its call data to the contract; called back, it calls again.
        caller = asm(
            "CALLDATASIZE", 0, 0, "CALLDATACOPY",
            0, 0, "CALLDATASIZE", 0, 0, int.from_bytes(CONTRACT, "big"), "GAS", "CALL",
            "RETURNDATASIZE", 0, 0, "RETURNDATACOPY", "RETURNDATASIZE", 0, "RETURN",
        )  # fmt: skip
        signature = "reenter(address,bytes,bytes)"
        call = abi.selector(signature) + eth_abi_encode(
            ("address", "bytes", "bytes"), (solidity.address, INPUT, data)
        )
        outer = send(solidity.state, b"\x0d" * 20, call, code=caller)
        assert outer.output == (1).to_bytes(32, "big")
        records = solidity.state.inference.records
        assert [record.call_index for record in records] == [0, 1, 2]
        assert records[0].output_digest == records[2].output_digest != records[1].output_digest
        # Only the first of the three loads the weights.
        assert records[0].gas > records[1].gas == records[2].gas

    def test_stubs_have_code(self, solidity: Contract) -> None:
        assert solidity.ask("stubs()", ("uint256", "uint256")) == (1, 1)

    def test_a_contract_uploads_and_calls_in_one_transaction(self, solidity: Contract) -> None:
        data = encode_model(mlp(seed=5))
        header = calls.model_header(merkle.model_id(data), len(data), merkle.leaf_digests(data))
        (model,) = solidity.ask("upload(bytes,bytes)", ("address",), header, data)
        expected = layout.model_address(CONTRACT, merkle.model_id(data))
        assert model == "0x" + expected.hex()
        status = facts.status(registry_of(solidity.state), expected)
        assert status == facts.Status.ACTIVE
        assert solidity.state.inference.records[0].model == expected

    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("rows", [1, 4])
    def test_opcodes_read_what_solc_stored(
        self, solidity: Contract, rows: int, *, packed: bool
    ) -> None:
        content = bytes(range(200, 200 + rows * ROW))
        solidity.call("store(bytes)", content).raise_if_error()
        (output,) = solidity.ask(
            "inferStored(address,address,bool)", ("bytes",), OPCODES, solidity.address, packed
        )
        assert output == answer(solidity.model, content, rows).output
        assert solidity.state.inference.inputs == [content]

    def test_the_other_opcodes_through_yul(self, solidity: Contract) -> None:
        word = solidity.address.rjust(32, b"\0")
        data_id = registry(solidity.state, calls.PUT_DATA, INPUT).output
        size = ROW.to_bytes(32, "big")
        output = answer(solidity.model, INPUT).output

        def opcode(call: bytes) -> bytes:
            (made,) = solidity.ask("opcode(address,bytes)", ("bytes",), OPCODES, call)
            return bytes(made)

        asked = int.from_bytes(opcode(b"\xc4" + word + size), "big")
        assert opcode(b"\xc0" + word + INPUT) == output
        assert solidity.state.inference.records[0].gas == asked
        assert opcode(b"\xc2" + word + data_id) == output
        failed = solidity.call("opcode(address,bytes)", OPCODES, b"\xc0" + word + b"x")
        assert failed.output == abi.encode_error("InputSize(uint256,uint256)", (1, ROW))


class TestVyper:
    def test_it_acts_on_the_answer(self, vyper: Contract) -> None:
        output = answer(vyper.model, INPUT).output
        assert vyper.ask("classify(address,bytes)", ("bytes",), vyper.address, INPUT) == (output,)
        assert vyper.ask("last()", ("bytes",)) == (output,)
        whole = vyper.ask("whole(address,bytes)", ("bytes",), vyper.address, INPUT, static=True)
        assert whole == (output,)

    def test_price_and_data(self, vyper: Contract) -> None:
        (asked,) = vyper.ask("price(address,uint256)", ("uint256",), vyper.address, ROW)
        data_id = registry(vyper.state, calls.PUT_DATA, INPUT).output
        vyper.ask("whole(address,bytes)", ("bytes",), vyper.address, INPUT)
        assert vyper.state.inference.records[0].gas == asked
        (output,) = vyper.ask("data(address,bytes32)", ("bytes",), vyper.address, data_id)
        assert output == answer(vyper.model, INPUT).output

    def test_a_failure_reverts_or_is_caught(self, vyper: Contract) -> None:
        error = abi.encode_error("InputSize(uint256,uint256)", (1, ROW))
        assert vyper.call("classify(address,bytes)", vyper.address, b"x").output == error
        caught = vyper.ask("tryInfer(address,bytes)", ("bool", "bytes"), vyper.address, b"x")
        assert caught == (False, error)


@pytest.mark.parametrize("source", ["Caller.sol", "caller.vy"])
def test_any_gas_short_of_enough_fails_cleanly(source: str) -> None:
    contract = Contract(source)
    signature = "classify(address,bytes)"
    contract.call(signature, contract.address, INPUT).raise_if_error()
    contract.state.begin()
    needed = contract.call(signature, contract.address, INPUT).get_gas_used()
    for gas in range(0, needed, max(1, needed // 40)):
        contract.state.begin()
        short = contract.call(signature, contract.address, INPUT, gas=gas)
        assert short.is_error
        assert contract.state.inference.drawn == 0
