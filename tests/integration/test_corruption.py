"""Damage to the files of a database: it is refused, or rolled back and said, never hidden.

Each row damages a copy of a data directory in one way at random places. What may follow: one
sentence of refusal; a shorter chain with a message; or the whole chain. Every value that is then
read equals the undamaged one, or its reading is refused. ENGRAM_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from node.chain import Chain, write_genesis
from node.storage import keys, leveldb
from node.storage.directory import create_directory, open_directory
from node.storage.errors import StoreCorrupted, StoreError
from node.storage.recovery import Recovery
from tests.support.chains import around
from tests.support.mining import mine_one, spec

LONG = os.environ.get("ENGRAM_LONG") == "1"
TRIALS = 100 if LONG else 5
BLOCKS = 45
PAGE = 4_096


@dataclass
class Source:
    """An undamaged data directory, and everything in it."""

    path: Path
    entries: dict[bytes, bytes]
    head: int
    hashes: list[bytes]


def build(path: Path, blocks: int) -> Source:
    directory = create_directory(path, partial(write_genesis, spec()))
    made = around(Chain.open(directory.store, mark=directory.mark_head))
    for _ in range(blocks):
        mine_one(made)
    entries = dict(directory.store.scan(b"", b"\xff" * 40))
    hashes = [made.chain.hash_by_number(number) or b"" for number in range(blocks + 1)]
    directory.close()
    return Source(path, entries, blocks, hashes)


@pytest.fixture(scope="module")
def in_log(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Everything still in the write-ahead log."""
    return build(tmp_path_factory.mktemp("log") / "d", BLOCKS)


@pytest.fixture(scope="module")
def in_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """Most of it in tables, because the write buffer is small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leveldb, "WRITE_BUFFER_BYTES", 64 << 10)
        yield build(tmp_path_factory.mktemp("tables") / "d", BLOCKS)


def newest(chain: Path, pattern: str) -> Path:
    return max(chain.glob(pattern), key=lambda path: path.stat().st_size)


Damage = Callable[[Path, random.Random], None]


def cut(pattern: str) -> Damage:
    def damage(chain: Path, chance: random.Random) -> None:
        path = newest(chain, pattern)
        os.truncate(path, chance.randrange(path.stat().st_size))

    return damage


def overwrite(pattern: str, size: int | None, *, zero: bool = True) -> Damage:
    def damage(chain: Path, chance: random.Random) -> None:
        path = newest(chain, pattern)
        content = bytearray(path.read_bytes())
        start = chance.randrange(len(content))
        length = len(content) - start if size is None else min(size, len(content) - start)
        if zero:
            content[start : start + length] = bytes(length)
        else:
            content[start] ^= 1 << chance.randrange(8)
        path.write_bytes(content)

    return damage


def page(chain: Path, chance: random.Random) -> None:
    path = newest(chain, "*.log")
    content = bytearray(path.read_bytes())
    start = PAGE * chance.randrange(len(content) // PAGE)
    content[start : start + PAGE] = bytes(PAGE)
    path.write_bytes(content)


def append(chain: Path, chance: random.Random) -> None:
    with newest(chain, "*.log").open("ab") as file:
        file.write(chance.randbytes(500))


def delete(pattern: str) -> Damage:
    def damage(chain: Path, chance: random.Random) -> None:
        chance.choice(sorted(chain.glob(pattern))).unlink()

    return damage


def empty(pattern: str) -> Damage:
    def damage(chain: Path, _: random.Random) -> None:
        newest(chain, pattern).write_bytes(b"")

    return damage


def old_head_mark(chain: Path, _: random.Random) -> None:
    """Not damage: the mark outside the database is older than the database."""
    (chain.parent / "head").write_bytes(b"torn")


ROWS: list[tuple[str, str, Damage, bool]] = [
    ("log cut", "in_log", cut("*.log"), True),
    ("log tail zeroed", "in_log", overwrite("*.log", None), True),
    ("log page zeroed", "in_log", page, True),
    ("log bit flipped", "in_log", overwrite("*.log", 1, zero=False), True),
    ("log followed by garbage", "in_log", append, False),
    ("log deleted", "in_log", delete("*.log"), True),
    ("table bit flipped", "in_tables", overwrite("*.ldb", 1, zero=False), False),
    ("table page zeroed", "in_tables", overwrite("*.ldb", PAGE), False),
    ("table cut", "in_tables", cut("*.ldb"), True),
    ("table deleted", "in_tables", delete("*.ldb"), True),
    ("log of a database with tables cut", "in_tables", cut("*.log"), True),
    ("manifest bit flipped", "in_tables", overwrite("MANIFEST-*", 1, zero=False), False),
    ("manifest cut", "in_tables", cut("MANIFEST-*"), False),
    ("manifest deleted", "in_tables", delete("MANIFEST-*"), True),
    ("CURRENT emptied", "in_tables", empty("CURRENT"), True),
    ("CURRENT deleted", "in_tables", delete("CURRENT"), True),
    ("head mark torn", "in_log", old_head_mark, False),
]


def look(source: Source, path: Path) -> tuple[str, Recovery | None]:
    """Open a damaged copy and read everything; return what a user would see."""
    try:
        directory = open_directory(path)
    except StoreError as error:
        return ("refused" if "\n" not in str(error) else "more than one sentence"), None
    try:
        chain = Chain.open(directory.store, mark=directory.mark_head)
    except StoreCorrupted:
        directory.close()
        return "refused", None
    try:
        head = chain.head.number
        assert chain.head.hash == source.hashes[head], "a head that never was"
        if head < source.head:
            assert directory.recovery is not None, "a shorter chain without a word"
            assert f"to block {head}" in str(directory.recovery)
        outcome = "whole" if head == source.head else "shorter"
        for key, value in source.entries.items():
            if key == keys.HEAD or key.startswith((b"keys:", b"commit:", b"number:")):
                continue
            try:
                found = directory.store.get(key)
            except StoreCorrupted:
                outcome += ", reading refused"
                break
            assert found in {value, None}, "a wrong value"
        if not outcome.endswith("refused"):
            assert_blocks_are_there(source, chain)
        if outcome == "shorter":
            assert_state_is_whole(source, chain)
        return outcome, directory.recovery
    finally:
        directory.close()


def assert_blocks_are_there(source: Source, chain: Chain) -> None:
    for number in range(chain.head.number + 1):
        block_hash = chain.hash_by_number(number)
        assert block_hash == source.hashes[number]
        assert chain.block_by_hash(block_hash) is not None
        assert chain.receipts(block_hash) is not None


def assert_state_is_whole(source: Source, chain: Chain) -> None:
    """The chain goes on from where it was rolled back to, and reaches the same blocks."""
    made = around(chain)
    while chain.head.number < source.head:
        mine_one(made)
    assert chain.head.hash == source.hashes[-1]


@pytest.mark.parametrize(("name", "fixture", "damage", "noticed"), ROWS, ids=[r[0] for r in ROWS])
def test_damage_is_never_silent(
    name: str,
    fixture: str,
    damage: Damage,
    noticed: bool,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    source: Source = request.getfixturevalue(fixture)
    seed = int(os.environ.get("ENGRAM_SEED", secrets.randbelow(2**32)))
    print(f"ENGRAM_SEED={seed}")
    chance = random.Random(seed)
    outcomes = []
    for trial in range(TRIALS):
        copy = tmp_path / str(trial)
        shutil.copytree(source.path, copy)
        damage(copy / "chain", chance)
        outcome, _ = look(source, copy)
        outcomes.append(outcome)
        if outcome.startswith("shorter"):
            # The second start has nothing left to mend.
            assert open_and_close(copy) is None
        shutil.rmtree(copy)
    print(name, sorted(outcomes))
    assert "more than one sentence" not in outcomes
    if noticed:
        assert "whole" not in outcomes


def open_and_close(path: Path) -> Recovery | None:
    directory = open_directory(path)
    directory.close()
    return directory.recovery


def test_an_untouched_copy_is_whole(in_log: Source, in_tables: Source, tmp_path: Path) -> None:
    """The control: the comparison itself finds nothing in an undamaged copy."""
    for number, source in enumerate((in_log, in_tables)):
        shutil.copytree(source.path, tmp_path / str(number))
        assert look(source, tmp_path / str(number)) == ("whole", None)
    assert list((in_tables.path / "chain").glob("*.ldb"))
    assert newest(in_log.path / "chain", "*.log").stat().st_size > 500_000
