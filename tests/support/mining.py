"""A deterministic workload of blocks, and processes that mine or import it until they are killed.

Every block is a function of its height, so a chain that was killed a hundred times has a twin
that never was: the same heights with the same hashes.
"""

from __future__ import annotations

import io
import random
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from ai_ops.model import encode_model
from genesis.alloc import REGISTRY_ADDRESS
from genesis.spec import ChainSpec
from node.chain import Chain, write_genesis
from node.chain_transfer import export_chain, import_export
from node.export_file import ExportReader
from node.storage.directory import (
    DataDirectory,
    create_directory,
    is_data_directory,
    open_directory,
)
from tests.ai_ops.models import mlp
from tests.support.chains import (
    START,
    TestChain,
    around,
    dev_spec,
    inference,
    make_chain,
    model_deployment,
    transfer,
)
from vm.registry import calls
from vm.transactions import Transaction

DATA_BYTES = 40_000


def spec() -> ChainSpec:
    """The workload's chain."""
    return dev_spec()


def workload(height: int) -> list[Transaction]:
    """The transactions of one block: transfers, a data object, a model, inferences."""
    nonce = height - 1
    items = [transfer(0, nonce, value=height), transfer(1, nonce, to=bytes([height % 256]) * 20)]
    if height % 3 == 0:
        content = random.Random(height).randbytes(DATA_BYTES)
        call = calls.call_data(calls.PUT_DATA, content)
        fields = {"to": REGISTRY_ADDRESS, "value": 0, "gas": 6_000_000}
        items.append(transfer(2, height // 3 - 1, data=call, **fields))  # type: ignore[arg-type]
    model, deployment = model_deployment(3, 0, encode_model(mlp()))
    if height == 1:
        items += deployment
    else:
        items.append(inference(4, height - 2, model, bytes([height % 100] * 8)))
    return items


def mine_one(made: TestChain) -> int:
    """Mine the next block of the workload and return its height."""
    height = made.chain.head.number + 1
    made.send(*workload(height))
    made.producer.seal(START + height)
    return height


def opened(path: Path) -> tuple[DataDirectory, Chain]:
    """Open the workload's chain, or make it."""
    directory = (
        open_directory(path)
        if is_data_directory(path)
        else create_directory(path, partial(write_genesis, spec()))
    )
    return directory, Chain.open(directory.store, spec(), mark=directory.mark_head)


def mine_until_killed(path: Path, acknowledged: Connection) -> None:
    """Mine for ever, telling each height after it is stored. Runs in its own process."""
    _, chain = opened(path)
    made = around(chain)
    acknowledged.send(chain.head.number)
    while True:
        acknowledged.send(mine_one(made))


def import_until_killed(path: Path, content: bytes, acknowledged: Connection) -> None:
    """Import an export, telling each height after it is stored. Runs in its own process."""
    _, chain = opened(path)
    acknowledged.send(chain.head.number)
    import_export(
        ExportReader(io.BytesIO(content)), chain, lambda _: acknowledged.send(chain.head.number)
    )


class Twin:
    """The chain that is never killed."""

    def __init__(self) -> None:
        self.made = make_chain(spec=spec())

    def up_to(self, height: int) -> Chain:
        """The chain, mined at least to a height."""
        while self.made.chain.head.number < height:
            mine_one(self.made)
        return self.made.chain

    def export(self, blocks: int) -> bytes:
        """An export of the first blocks."""
        file = io.BytesIO()
        export_chain(self.up_to(blocks), file, 1, blocks, lambda _: None)
        return file.getvalue()
