"""kill -9 while a model is uploaded: what was acknowledged stays, and the upload resumes.

3 kills by default, 50 with ENGRAM_LONG=1; ENGRAM_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ai_ops.model import encode_model
from benchmarks.inference import dense_model
from tests.support.devnet import Devnet, devnet

ROOT = Path(__file__).resolve().parents[2]
LONG = os.environ.get("ENGRAM_LONG") == "1"
KILLS = 50 if LONG else 3
CHUNKS = 160 if LONG else 48
REGISTRY = "0x000000000000000000000000000000000000a100"
RESTART_SECONDS = 5.0


def model_file(folder: Path) -> Path:
    """A model of CHUNKS different chunks."""
    weights = np.random.default_rng(3).integers(-127, 128, (64, 1_024 * CHUNKS), dtype=np.int8)
    path = folder / "large.egm"
    path.write_bytes(encode_model(dense_model(weights[:, : 1_024 * CHUNKS - 64])))
    return path


def deploy(node: Devnet, model: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "node", "model", "deploy", str(model), "--rpc", node.url]
    return subprocess.Popen(
        [*command, "--yes"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def storage_root(node: Devnet) -> str:
    return str(node.call("eth_getProof", REGISTRY, [], "latest")["storageHash"])


def watch_and_kill(node: Devnet, upload: subprocess.Popen[str], seconds: float) -> tuple[int, str]:
    """Follow the head for a while, kill the node, return the newest block that it told of."""
    deadline = time.monotonic() + seconds
    newest = (0, str(node.call("eth_getBlockByNumber", "0x0", False)["hash"]))
    while time.monotonic() < deadline and upload.poll() is None:
        block = node.call("eth_getBlockByNumber", "latest", False)
        newest = (int(block["number"], 16), block["hash"])
        time.sleep(0.02)
    node.process.kill()
    node.process.wait()
    return newest


def test_killed_during_an_upload(tmp_path: Path) -> None:
    seed = int(os.environ.get("ENGRAM_SEED", secrets.randbelow(2**32)))
    print(f"ENGRAM_SEED={seed}")
    chance = random.Random(seed)
    model = model_file(tmp_path)
    datadir = tmp_path / "chain"
    restarts, resumed = [], 0
    acknowledged: tuple[int, str] | None = None
    for kill in range(KILLS + 1):
        started = time.monotonic()
        with devnet("--datadir", str(datadir)) as node:
            restarts.append(time.monotonic() - started)
            if acknowledged is not None:
                number, digest = acknowledged
                kept = node.call("eth_getBlockByNumber", hex(number), False)
                assert kept is not None, f"block {number} was acknowledged and is lost"
                assert kept["hash"] == digest
            before = len(node.call("engram_listModels"))
            upload = deploy(node, model)
            if kill < KILLS:
                acknowledged = watch_and_kill(node, upload, chance.uniform(0.7, 2.0))
                _, errors = upload.communicate(timeout=60)
                # Cut off, or done before the blow: never a traceback.
                assert upload.returncode in {0, 4}, errors
                assert "Traceback" not in errors
                resumed += before
            else:
                output, errors = upload.communicate(timeout=120)
                assert upload.returncode == 0, output + errors
                survivor = storage_root(node)
                (stored,) = node.call("engram_listModels")
                assert stored["status"] == "active"
                assert node.stop(signal.SIGINT) == 0
    with devnet() as node:
        upload = deploy(node, model)
        output, errors = upload.communicate(timeout=120)
        assert upload.returncode == 0, output + errors
        assert storage_root(node) == survivor
    assert resumed > 0, "no kill fell into an upload that had begun"
    assert statistics.median(restarts[1:]) < RESTART_SECONDS, restarts
