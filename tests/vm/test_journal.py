"""The journal against a model of it: whole copies of everything at every checkpoint."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from vm.database import Overlay
from vm.journal import AccountFields, JournaledState
from vm.trie import EMPTY_ROOT

ADDRESSES = tuple(bytes((index,)) * 20 for index in range(1, 5))


class Store(dict[bytes, bytes]):
    """A dict is a key-value store."""


class Model:
    """The same state, copied at every checkpoint."""

    def __init__(self) -> None:
        self.now: dict[str, dict[Any, Any]] = {"balance": {}, "slots": {}, "warm": {}, "temp": {}}
        self.saved: list[dict[str, dict[Any, Any]]] = []


def step(rng: random.Random, journal: JournaledState, model: Model) -> None:
    address, slot = rng.choice(ADDRESSES), rng.randrange(4)
    action = rng.randrange(6)
    now = model.now
    if action == 0:
        balance = rng.randrange(1, 9)
        fields = journal.fields(address)
        journal.set_account(address, fields._replace(balance=balance))
        now["balance"][address] = balance
    elif action == 1 and address in now["balance"]:
        value = rng.choice((0, 0, 1, 2))
        journal.set_storage(address, slot, value)
        now["slots"][address, slot] = value
    elif action == 2:
        journal.mark_warm((address, slot))
        now["warm"][address, slot] = True
    elif action == 3:
        journal.set_transient(address, slot, bytes((slot,)))
        now["temp"][address, slot] = bytes((slot,))
    elif action == 4 and rng.random() < 0.3:
        journal.delete_account(address)
        now["balance"].pop(address, None)
        for key in [key for key in now["slots"] if key[0] == address]:
            del now["slots"][key]
    check(journal, now)


def check(journal: JournaledState, now: dict[str, dict[Any, Any]]) -> None:
    for address in ADDRESSES:
        account = journal.account(address)
        assert (account.balance if account else None) == now["balance"].get(address)
        for slot in range(4):
            assert journal.storage(address, slot) == now["slots"].get((address, slot), 0)
            assert journal.is_warm((address, slot)) == ((address, slot) in now["warm"])
            assert journal.transient(address, slot) == now["temp"].get((address, slot), b"")


@pytest.mark.parametrize("seed", range(6))
def test_reverts_restore_everything_and_roots_depend_on_content_only(seed: int) -> None:
    print("seed", seed)
    rng = random.Random(seed)
    store = Store()
    journal, model = JournaledState(Overlay(store), EMPTY_ROOT), Model()
    for _ in range(25):
        marks: list[int] = []
        model.saved = []
        for _ in range(rng.randrange(1, 25)):
            step(rng, journal, model)
            if rng.random() < 0.3:
                marks.append(journal.checkpoint())
                model.saved.append(copy.deepcopy(model.now))
            if marks and rng.random() < 0.25:
                depth = rng.randrange(len(marks))
                journal.revert(marks[depth])
                model.now = model.saved[depth]
                del marks[depth:], model.saved[depth:]
                check(journal, model.now)
        journal.end_transaction()
        model.now["warm"], model.now["temp"] = {}, {}
        if rng.random() < 0.4:
            root = journal.commit_root()
            assert root == root_of(model)
            store.update(journal._overlay.writes)
            if rng.random() < 0.5:
                journal = JournaledState(Overlay(store), root)
            check(journal, model.now)


def root_of(model: Model) -> bytes:
    fresh = JournaledState(Overlay(Store()), EMPTY_ROOT)
    for address, balance in model.now["balance"].items():
        fresh.set_account(address, AccountFields(balance=balance))
    for (address, slot), value in model.now["slots"].items():
        if value:
            fresh.set_storage(address, slot, value)
    fresh.end_transaction()
    return fresh.commit_root()


def test_originals_are_the_values_at_the_start_of_the_transaction() -> None:
    journal = JournaledState(Overlay(Store()), EMPTY_ROOT)
    address = ADDRESSES[0]
    journal.set_account(address, AccountFields(nonce=1))
    journal.set_storage(address, 0, 5)
    assert journal.original_storage(address, 0) == 0
    journal.end_transaction()
    mark = journal.checkpoint()
    journal.set_storage(address, 0, 6)
    journal.revert(mark)
    journal.set_storage(address, 0, 7)
    assert (journal.storage(address, 0), journal.original_storage(address, 0)) == (7, 5)


def test_empty_accounts_that_were_written_to_disappear() -> None:
    journal = JournaledState(Overlay(Store()), EMPTY_ROOT)
    journal.set_account(ADDRESSES[0], AccountFields())
    journal.set_account(ADDRESSES[1], AccountFields(balance=1))
    mark = journal.checkpoint()
    journal.set_account(ADDRESSES[2], AccountFields())
    journal.revert(mark)
    journal.touch(ADDRESSES[3])
    journal.remove_touched_empty_accounts()
    assert [journal.account(address) is None for address in ADDRESSES] == [True, False, True, True]


def test_code_of_reverted_creations_is_not_stored() -> None:
    journal = JournaledState(Overlay(Store()), EMPTY_ROOT)
    mark = journal.checkpoint()
    journal.set_code(ADDRESSES[0], b"\x01")
    journal.revert(mark)
    journal.set_code(ADDRESSES[1], b"\x02")
    journal.end_transaction()
    journal.commit_root()
    values = journal._overlay.writes.values()
    assert b"\x02" in values
    assert b"\x01" not in values
