"""The inference precompile at 0x…a110: the instructions for stock Solidity and Vyper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eth.abc import ComputationAPI
from eth.exceptions import Revert

from vm import abi, gas
from vm.instructions.call import CallFailure, execute, open_call, total_price
from vm.instructions.inferdata import infer_data
from vm.registry.calls import argument_types
from vm.registry.state import config_of

INFER = "infer(address,bytes)"
INFER_BATCH = "inferBatch(address,bytes[])"
INFER_DATA = "inferData(address,bytes32)"
GAS_OF = "gasOf(address,uint256)"


def inference_precompile(computation: ComputationAPI) -> ComputationAPI:
    """Run one call to the inference precompile.

    A failure reverts with an error of `IInference` and returns the unused gas; a call that names
    no function, sends value or is not canonical pays base and access and reverts without data.
    """
    try:
        run, arguments = _parse(computation)
    except abi.AbiError as error:
        prices = config_of(computation.state).prices
        computation.consume_gas(gas.access_gas(prices, data=False), reason="malformed call")
        raise Revert(b"") from error
    try:
        computation.output = run(computation, *arguments)
    except CallFailure as failure:
        computation.output = failure.error
        raise Revert(failure.error) from failure
    return computation


def _parse(computation: ComputationAPI) -> tuple[Callable[..., bytes], tuple[Any, ...]]:
    message = computation.msg
    data = bytes(message.data)
    if message.should_transfer_value and message.value:
        raise abi.AbiError("the precompile takes no value")
    if data[:4] not in FUNCTIONS:
        raise abi.AbiError("the precompile has no such function")
    signature, run = FUNCTIONS[data[:4]]
    if signature == INFER_BATCH:
        # Many small items take far longer to decode than to copy.
        prices = config_of(computation.state).prices
        computation.consume_gas(prices.hash_word_gas * abi.words(len(data)), reason="decode batch")
    return run, abi.decode(argument_types(signature), data[4:])


def _infer(computation: ComputationAPI, model: bytes, content: bytes) -> bytes:
    terms = open_call(computation, model)
    return abi.encode(("bytes",), (execute(computation, terms, content),))


def _infer_batch(computation: ComputationAPI, model: bytes, contents: Sequence[bytes]) -> bytes:
    # One item after another: those before a failure keep their records.
    outputs = [execute(computation, open_call(computation, model), item) for item in contents]
    return abi.encode(("bytes[]",), (outputs,))


def _infer_data(computation: ComputationAPI, model: bytes, data_id: bytes) -> bytes:
    return abi.encode(("bytes",), (infer_data(computation, model, data_id),))


def _gas_of(computation: ComputationAPI, model: bytes, size: int) -> bytes:
    computation.consume_gas(config_of(computation.state).prices.access_gas, reason="gasOf")
    return abi.encode(("uint256",), (total_price(computation, model, size),))


FUNCTIONS: dict[bytes, tuple[str, Callable[..., bytes]]] = {
    abi.selector(INFER): (INFER, _infer),
    abi.selector(INFER_BATCH): (INFER_BATCH, _infer_batch),
    abi.selector(INFER_DATA): (INFER_DATA, _infer_data),
    abi.selector(GAS_OF): (GAS_OF, _gas_of),
}
