"""`--backend`: what a command runs models on, what it says when that fails, and how runs end."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from ai_ops import backends
from ai_ops.backends import BACKENDS, CHOICES, OPTIONAL_BACKENDS
from ai_ops.backends.base import Program
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.errors import BackendFault
from ai_ops.executor import Call, Cancellation, Inference
from genesis.spec import template
from node.backend import AUTO, ENVIRONMENT, NAMES
from node.interruption import cancelled_by_interrupt
from tests.node.test_chain_files import exported, fill
from tests.support.chains import make_chain
from tests.support.command import engram
from tests.support.devnet import devnet
from tests.support.inference import asm
from tests.support.rpc import FIRST, deployment
from vm.models import shared_store

DIGITS = Path(__file__).resolve().parents[2] / "genesis" / "models" / "digits.egm"


class FailingCard(ReferenceBackend):
    """Passes the self test and fails in the middle of every run."""

    name = "gpu"
    asked = 0

    def compile(self, program: Program) -> FailingCard:
        del program
        return self

    def run(self, data: bytes, n: int, cancellation: Cancellation | None) -> Inference:
        del data, n, cancellation
        FailingCard.asked += 1
        raise RuntimeError("the card fell off the bus")

    def run_batch(
        self, calls: Sequence[Call], cancellation: Cancellation | None
    ) -> tuple[Inference, ...]:
        return tuple(self.run(call.data, call.n, cancellation) for call in calls)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command chooses holds for its process: here for one test."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    store = shared_store(template("devnet").vm_config.limits)
    monkeypatch.setattr(store, "_backend", None)
    monkeypatch.setattr(store, "_processor", None)


@pytest.fixture
def failing_card(monkeypatch: pytest.MonkeyPatch) -> type[FailingCard]:
    monkeypatch.setitem(backends.OPTIONAL_BACKENDS, "gpu", FailingCard)
    monkeypatch.setattr(FailingCard, "asked", 0)
    return FailingCard


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def start() -> ReferenceBackend:
        raise BackendFault("there is no card")

    monkeypatch.setitem(backends.OPTIONAL_BACKENDS, "gpu", start)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.npy"
    np.save(path, np.zeros((1, 1, 28, 28), np.int8))
    return path


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An export with inferences, and the hash of its last block."""
    made = make_chain()
    fill(made)
    path = tmp_path_factory.mktemp("backup") / "chain.engram"
    path.write_bytes(exported(made.chain))
    return path, made.chain.head.hash.hex()


def test_every_backend_has_a_name() -> None:
    assert set(NAMES) == {AUTO, *BACKENDS, *CHOICES, *OPTIONAL_BACKENDS}


def test_a_model_runs_on_what_is_named(
    image: Path, monkeypatch: pytest.MonkeyPatch, failing_card: type[FailingCard]
) -> None:
    words = ("model", "run", DIGITS, image, "--raw")
    plain = engram(*words)
    assert (plain.returncode, plain.stderr) == (0, "")
    for name in ("reference", "cpu"):
        assert engram(*words, "--backend", name) == plain
    assert failing_card.asked == 0
    # A card that fails in the middle: the processor computes the same.
    fallen_back = engram(*words, "--backend", "gpu")
    assert (fallen_back.returncode, fallen_back.stdout) == (0, plain.stdout)
    assert fallen_back.stderr.startswith("engram: the result is of a slower backend (gpu failed")
    assert failing_card.asked == 1
    monkeypatch.setenv(ENVIRONMENT, "gpu")
    assert engram(*words) == fallen_back
    assert failing_card.asked == 2
    assert engram(*words, "--backend", "auto") == plain
    assert failing_card.asked == 2


def test_an_unknown_name_is_a_mistake_of_usage(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = engram("model", "run", DIGITS, image, "--backend", "tpu")
    assert done.returncode == 2
    assert "'tpu' is no backend; there are auto, cpu, gpu" in done.stderr
    monkeypatch.setenv(ENVIRONMENT, "tpu")
    assert engram("model", "run", DIGITS, image).returncode == 2


@pytest.mark.usefixtures("no_card")
def test_a_named_backend_that_does_not_start_is_one_sentence(
    image: Path, tmp_path: Path, backup: tuple[Path, str]
) -> None:
    folder = tmp_path / "chain"
    for words in (
        ("model", "run", DIGITS, image),
        ("chain", "import", backup[0], "--datadir", folder),
        ("devnet", "--port", 0, "--datadir", folder),
    ):
        done = engram(*words, "--backend", "gpu")
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith(
            "engram: E-BACKEND-001: The backend gpu does not start here (there is no card)"
        )
        assert not folder.exists()


@pytest.mark.parametrize("ahead", ["--run-ahead", "--no-run-ahead"])
def test_an_import_on_a_card_that_fails_ends_with_the_same_chain(
    tmp_path: Path,
    backup: tuple[Path, str],
    failing_card: type[FailingCard],
    caplog: pytest.LogCaptureFixture,
    ahead: str,
) -> None:
    folder = tmp_path / "chain"
    done = engram("chain", "import", backup[0], "--datadir", folder, "--backend", "gpu", ahead)
    assert done.returncode == 0, done.stderr
    assert f"0x{backup[1]}" in done.stdout
    assert failing_card.asked >= 5
    assert "the card fell off the bus" in caplog.text
    again = engram("chain", "verify", "--datadir", folder, "--backend", "reference")
    assert again.returncode == 0, again.stderr


def test_a_signal_sets_the_flag_while_python_cannot_run() -> None:
    flag = Cancellation()
    seen: list[float] = []

    def interrupt() -> None:
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
        while not flag.cancelled and time.monotonic() < start + 20:
            time.sleep(0.002)
        seen.append(time.monotonic())

    start = time.monotonic()
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt), cancelled_by_interrupt(flag):
        # In C, without Python's lock, deaf to signals: as a long inference is.
        hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 3_000_000)
    ended = time.monotonic()
    thread.join()
    assert flag.cancelled
    assert seen[0] + 0.2 < ended


def test_a_node_that_is_told_to_stop_in_an_inference_stops_at_once(tmp_path: Path) -> None:
    words = ("--datadir", str(tmp_path / "chain"), "--demo", "--backend", "reference")
    with devnet(*words) as net:
        assert net.ready["backend"] == "reference"
        model = int(net.ready["demoModel"], 16)
        loop = asm("JUMPDEST", 0, 784, 784, 0, model, "INFER", "POP", 1, 0, "JUMPI")
        sent = net.call("eth_sendTransaction", {"from": FIRST, "data": deployment(loop.hex())})
        contract = net.call("eth_getTransactionReceipt", sent)["contractAddress"]
        head = net.call("eth_getBlockByNumber", "latest", False)["hash"]
        call = {"from": FIRST, "to": contract, "gas": hex(2**24)}
        for method in ("eth_sendTransaction", "eth_call"):
            threading.Thread(target=_ignoring_its_end, args=(net, method, call)).start()
        time.sleep(1.0)
        assert net.call("eth_getBlockByNumber", "latest", False)["hash"] == head
        start = time.monotonic()
        assert net.stop(signal.SIGTERM) == 0
        # It used to wait three seconds for the block, and then left by force.
        assert time.monotonic() - start < 2.5
    verified = engram("chain", "verify", "--datadir", tmp_path / "chain")
    assert verified.returncode == 0, verified.stderr
    assert head in verified.stdout


def _ignoring_its_end(net: object, method: str, call: dict[str, str]) -> None:
    with suppress(Exception):
        net.call(method, call)  # type: ignore[attr-defined]
