"""kill -9 at random moments: no acknowledged block is lost, and the state is the twin's.

8 kills by default, 50 of each kind with ENGRAM_LONG=1; ENGRAM_SEED repeats a run.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import secrets
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from node.chain import Chain
from node.chain_verify import verify_chain
from node.storage.directory import open_directory
from node.storage.memory import MemoryStore
from tests.support.mining import Twin, import_until_killed, mine_until_killed

LONG = os.environ.get("ENGRAM_LONG") == "1"
KILLS = 50 if LONG else 4
REOPEN_SECONDS = 5.0
WARM_SHARE = 0.8
IMPORTED_BLOCKS = 600 if LONG else 100

# A server that has everything imported forks each victim in milliseconds.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.support.mining"])

Work = Callable[[Path, Connection], None]


def kill_once(path: Path, work: Work, chance: random.Random, longest: float) -> int:
    """Run ``work`` and kill it at a random moment; return the newest height it acknowledged."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    victim = PROCESSES.Process(target=work, args=(path, sender))
    victim.start()
    sender.close()
    newest = receiver.recv()
    try:
        # A process's first block takes half a second, in which little is written.
        if chance.random() < WARM_SHARE:
            newest = receiver.recv()
        deadline = time.monotonic() + chance.uniform(0, longest)
        while (left := deadline - time.monotonic()) > 0:
            if receiver.poll(left):
                newest = receiver.recv()
        victim.kill()
        while True:
            newest = receiver.recv()  # what it had told before it died
    except EOFError:
        pass
    victim.join()
    receiver.close()
    return int(newest)


def check_survivor(path: Path, acknowledged: int, twin: Twin) -> int:
    """Reopen; check speed, promises and equality with the twin; return the head's height."""
    started = time.monotonic()
    directory = open_directory(path)
    chain = Chain.open(directory.store, mark=directory.mark_head)
    assert time.monotonic() - started < REOPEN_SECONDS
    head = chain.head
    expected = twin.up_to(head.number).header_by_number(head.number)
    assert expected is not None
    assert directory.recovery is None
    assert head.number >= acknowledged
    assert head.hash == expected.hash
    assert head.state_root == expected.state_root
    directory.close()
    return head.number


def run_kills(path: Path, work: Work, twin: Twin, done: Callable[[int], bool]) -> int:
    seed = int(os.environ.get("ENGRAM_SEED", secrets.randbelow(2**32)))
    print(f"ENGRAM_SEED={seed}")
    chance = random.Random(seed)
    height = 0
    for _ in range(KILLS):
        acknowledged = kill_once(path, work, chance, 0.2)
        assert acknowledged >= height
        height = check_survivor(path, acknowledged, twin)
        if done(height):
            break
    return height


def verified(path: Path) -> None:
    directory = open_directory(path)
    verify_chain(Chain.open(directory.store), MemoryStore(), lambda _: None)
    directory.close()


@pytest.fixture(scope="module")
def twin() -> Twin:
    return Twin()


def test_killed_while_mining(tmp_path: Path, twin: Twin) -> None:
    height = run_kills(tmp_path / "d", mine_until_killed, twin, lambda _: False)
    assert height > 0  # it did mine between the kills; how much depends on the machine
    verified(tmp_path / "d")


def test_killed_while_importing(tmp_path: Path, twin: Twin) -> None:
    content = twin.export(IMPORTED_BLOCKS)
    work = partial(_import, content)
    height = run_kills(tmp_path / "d", work, twin, lambda height: height >= IMPORTED_BLOCKS)
    assert height > 0
    verified(tmp_path / "d")


def _import(content: bytes, path: Path, acknowledged: Connection) -> None:
    import_until_killed(path, content, acknowledged)


def test_killed_while_creating(tmp_path: Path, twin: Twin) -> None:
    """The moment of creation leaves a chain with its genesis block, or something to start over."""
    chance = random.Random(5)
    for number in range(KILLS):
        path = tmp_path / str(number)
        receiver, sender = PROCESSES.Pipe(duplex=False)
        victim = PROCESSES.Process(target=mine_until_killed, args=(path, sender))
        victim.start()
        time.sleep(chance.uniform(0, 0.12))
        victim.kill()
        victim.join()
        receiver.close()
        sender.close()
        acknowledged = kill_once(path, mine_until_killed, chance, 0.05)
        check_survivor(path, acknowledged, twin)
