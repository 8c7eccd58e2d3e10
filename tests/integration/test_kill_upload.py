"""kill -9 of a devnet in the middle of `engram model deploy`: the next run sends only the rest.

2 kills by default, 50 with ENGRAM_LONG=1; ENGRAM_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

from ai_ops import merkle
from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, Graph
from ai_ops.model import build_model, encode_model
from node import cli
from node.chain import Chain
from node.storage.directory import open_directory
from tests.ai_ops.models import dense, port, random_bytes, weight
from tests.support.devnet import ROOT, Devnet, devnet
from vm import abi
from vm.registry import calls

LONG = os.environ.get("ENGRAM_LONG") == "1"
KILLS = 50 if LONG else 2
UNITS = 16_384 if LONG else 1_536
INPUTS = 1_024
REGISTRY = "0x000000000000000000000000000000000000a100"
RESTART_SECONDS = 5.0


def large_model() -> bytes:
    """One dense layer of 1.5 MB (25 chunks), or of 16 MB for the long run."""
    graph = Graph(weights=(weight(UNITS, INPUTS),), nodes=(dense(0, 1, UNITS),), outputs=(2,))
    return encode_model(
        build_model(
            name="large",
            inputs=(port("x", DType.I8, (SYMBOLIC, INPUTS)),),
            outputs=(port("y", DType.I8, (SYMBOLIC, UNITS)),),
            graph=graph,
            weights=random_bytes(graph.weight_bytes, 3),
            maximum_units=4,
        )
    )


def start_deploy(file: Path, net: Devnet) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "node", "model", "deploy", str(file), "--rpc", net.url]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def blocks_of(net: Devnet) -> int:
    return int(net.call("eth_blockNumber"), 16)


def registry_root(net: Devnet) -> str:
    """Root of everything that the registry stores: who paid what in which block is not in it."""
    return str(net.call("eth_getProof", REGISTRY, [], "latest")["storageHash"])


def kill_during(file: Path, datadir: Path, chance: random.Random) -> int:
    """Start both, kill the devnet a few chunks later; return the newest height it told."""
    with devnet("--datadir", str(datadir)) as net:
        begin = told = blocks_of(net)
        enough = begin + chance.randint(1, 5 if LONG else 8)
        uploading = start_deploy(file, net)
        while told < enough and uploading.poll() is None:
            told = blocks_of(net)
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.05))
        net.process.send_signal(signal.SIGKILL)
        net.process.wait(10)
        output, _ = uploading.communicate(timeout=60)
        assert uploading.returncode != 0, output
        assert output.count("E-") == 1, output
    return told


def test_an_upload_survives_kills_and_sends_nothing_twice(tmp_path: Path) -> None:
    seed = int(os.environ.get("ENGRAM_SEED", secrets.randbelow(2**32)))
    print(f"ENGRAM_SEED={seed}")
    chance = random.Random(seed)
    content = large_model()
    file, datadir = tmp_path / "large.egm", tmp_path / "data"
    file.write_bytes(content)
    for _ in range(KILLS):
        told = kill_during(file, datadir, chance)
        started = time.monotonic()
        directory = open_directory(datadir)
        chain = Chain.open(directory.store)
        assert time.monotonic() - started < RESTART_SECONDS
        assert directory.recovery is None
        assert chain.head.number >= told
        directory.close()
    with devnet("--datadir", str(datadir)) as net:
        finishing = start_deploy(file, net)
        output, _ = finishing.communicate(timeout=120)
        assert finishing.returncode == 0, output
        assert "resumes" in output
        (model,) = net.call("engram_listModels")
        assert model["status"] == "active"
        survivor = registry_root(net)
        assert net.stop() == 0
    assert chunks_sent(datadir) == list(range(merkle.chunk_count(len(content))))
    assert cli.main(["chain", "verify", "--datadir", str(datadir)]) == 0
    with devnet() as twin:
        output, _ = start_deploy(file, twin).communicate(timeout=120)
        assert registry_root(twin) == survivor, output


def chunks_sent(datadir: Path) -> list[int]:
    """The index of every `putChunk` in the chain, sorted; each of them succeeded."""
    directory = open_directory(datadir)
    chain = Chain.open(directory.store)
    indexes = []
    for number in range(1, chain.head.number + 1):
        block = chain.block_by_number(number)
        assert block is not None
        receipts = chain.receipts(block.hash)
        assert receipts is not None
        for transaction, receipt in zip(block.transactions, receipts, strict=True):
            assert receipt.status == 1
            if transaction.data[:4] == abi.selector(calls.PUT_CHUNK):
                indexes.append(int.from_bytes(transaction.data[36:68], "big"))
    directory.close()
    return sorted(indexes)
