"""The registry as a precompile: which function a selector names, and who may call it how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth.abc import ComputationAPI
from eth.exceptions import Revert

from vm import abi
from vm.registry import calls, fees, lifecycle, views
from vm.registry.frame import Frame, Refusal
from vm.registry.layout import REGISTRY_ADDRESS
from vm.registry.state import config_of, registry_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of the ABI: its signature, whether it changes state, and its code."""

    signature: str
    mutates: bool
    run: Callable[..., bytes]


FUNCTIONS = (
    Function(signature=calls.CREATE_MODEL, mutates=True, run=lifecycle.create_model),
    Function(signature=calls.PUT_CHUNK, mutates=True, run=lifecycle.put_chunk),
    Function(signature=calls.ACTIVATE, mutates=True, run=lifecycle.activate),
    Function(signature=calls.PUT_DATA, mutates=True, run=lifecycle.put_data),
    Function(signature=calls.MISSING, mutates=False, run=views.missing),
    Function(signature=calls.INFO, mutates=False, run=views.info),
    Function(signature=calls.IO, mutates=False, run=views.io),
    Function(signature=calls.MANIFEST, mutates=False, run=views.manifest),
    Function(signature=calls.CHUNK_DIGEST, mutates=False, run=views.chunk_digest),
    Function(signature=calls.MODEL_COUNT, mutates=False, run=views.model_count),
    Function(signature=calls.MODEL_AT, mutates=False, run=views.model_at),
    Function(signature=calls.SET_FEE, mutates=True, run=fees.set_fee),
    Function(signature=calls.SET_PAYEE, mutates=True, run=fees.set_payee),
    Function(signature=calls.TRANSFER_AUTHOR, mutates=True, run=fees.transfer_author),
    Function(signature=calls.DEPRECATE, mutates=True, run=lifecycle.deprecate),
)
BY_SELECTOR = {abi.selector(function.signature): function for function in FUNCTIONS}


def registry_precompile(computation: ComputationAPI) -> ComputationAPI:
    """Run one call to the registry.

    Every call pays one read and the words of its call data first. A refusal reverts with
    ``Error(string)`` and returns the unused gas; out of gas halts.
    """
    frame = Frame(
        computation=computation,
        registry=registry_of(computation.state),
        config=config_of(computation.state),
    )
    data = bytes(computation.msg.data)
    prices = frame.config.prices
    frame.charge(prices.read_gas + prices.hash_word_gas * abi.words(len(data)), "registry call")
    try:
        computation.output = _dispatch(frame, data)
    except Refusal as refusal:
        computation.output = abi.revert_reason(str(refusal))
        raise Revert(computation.output) from refusal
    return computation


def _dispatch(frame: Frame, data: bytes) -> bytes:
    message = frame.computation.msg
    if message.should_transfer_value and message.value:
        raise Refusal("the registry takes no value")
    function = BY_SELECTOR.get(data[:4])
    if function is None:
        raise Refusal("the registry has no such function")
    if function.mutates and message.is_static:
        raise Refusal("a static call changes nothing")
    if function.mutates and message.storage_address != REGISTRY_ADDRESS:
        raise Refusal("the registry must be called, not delegated to")
    try:
        arguments: tuple[Any, ...] = abi.decode(calls.argument_types(function.signature), data[4:])
    except abi.AbiError as error:
        raise Refusal(str(error)) from error
    return function.run(frame, *arguments)
