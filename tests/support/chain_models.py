"""Uploading models to a `Chain`, and contracts that call them."""

from __future__ import annotations

from typing import Any

from ai_ops import merkle
from ai_ops.graph import Model
from ai_ops.model import encode_model
from tests.support.chain import ADDRESSES, Chain
from tests.support.inference import asm
from tests.support.inference_models import ROW
from vm.registry import calls
from vm.registry.layout import REGISTRY_ADDRESS, model_address
from vm.transactions import Transaction

UPLOAD_GAS = 12_000_000


def registry_call(
    chain: Chain, signature: str, *values: Any, author: int = 0, **fields: Any
) -> Transaction:
    data = calls.call_data(signature, *values)
    fields = {"gas": UPLOAD_GAS, "to": REGISTRY_ADDRESS, **fields}
    return chain.transaction(author, data=data, **fields)


def deploy(chain: Chain, model: Model, author: int = 0) -> bytes:
    """Create, upload and activate a model in one block each; return its address."""
    data = encode_model(model)
    header = calls.model_header(merkle.model_id(data), len(data), merkle.leaf_digests(data))
    address = model_address(ADDRESSES[author], merkle.model_id(data))
    chain.must_mine(registry_call(chain, calls.CREATE_MODEL, header, author=author))
    for index, chunk in enumerate(merkle.chunks(data)):
        put = registry_call(chain, calls.PUT_CHUNK, address, index, chunk, author=author)
        chain.must_mine(put)
    chain.must_mine(registry_call(chain, calls.ACTIVATE, address, author=author))
    return address


def caller(model: bytes, size: int, tail: bytes = b"") -> bytes:
    """Code that copies its call data to memory, calls the model on one row and runs ``tail``.

    The output is written over the input; the success flag stays on the stack.
    """
    copy = asm("CALLDATASIZE", 0, 0, "CALLDATACOPY")
    number = int.from_bytes(model, "big")
    return copy + asm(size, 0, ROW, 0, number, "INFER") + (tail or asm("STOP"))
