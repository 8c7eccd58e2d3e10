"""The registry as one state sees it, and the facts of one model unpacked from its words."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from vm.registry import layout
from vm.registry.layout import ReadSlot, WriteSlot


class Status(enum.IntEnum):
    """Where a model stands in its life; the numbers are part of the ABI."""

    UNKNOWN = 0
    CREATED = 1
    ACTIVE = 2
    DEPRECATED = 3
    REJECTED = 4

    @property
    def callable(self) -> bool:
        """Whether an inference may run: a deprecated model still answers."""
        return self in {Status.ACTIVE, Status.DEPRECATED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Words and chunks of one state, at one block.

    Attributes
    ----------
    read, write : callable
        A storage word of the registry by slot.
    read_chunk, write_chunk : callable
        The chunk store by key; None when the store lacks the key.
    block : int
        Number of the block being executed: delayed changes ripen with it.
    """

    read: ReadSlot
    write: WriteSlot
    read_chunk: Callable[[bytes], bytes | None]
    write_chunk: Callable[[bytes, bytes], None]
    block: int

    def word(self, model: bytes, word: int) -> int:
        """Return one of a model's words."""
        return self.read(layout.model_slot(model, word))

    def set_word(self, model: bytes, word: int, value: int) -> None:
        """Write one of a model's words."""
        self.write(layout.model_slot(model, word), value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who made a model and how large it is; `size` in bytes."""

    author: bytes
    size: int
    chunks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an inference call needs to know of a callable model.

    Attributes
    ----------
    model : bytes
        Address, 20 bytes.
    maximum_units : int
        Largest n.
    input_fixed, input_unit, output_fixed, output_unit : int
        Sizes in bytes: fixed + unit * n.
    load_q16 : int
        Cold load in units of 2**-16 gas.
    a, b, c : int
        Gas coefficients in units of 2**-16 gas.
    fee : int
        Author fee in gas, in effect at the registry's block.
    """

    model: bytes
    maximum_units: int
    input_fixed: int
    input_unit: int
    output_fixed: int
    output_unit: int
    load_q16: int
    a: int
    b: int
    c: int
    fee: int

    def units(self, size: int) -> int | None:
        """Return n for an input of `size` bytes, or None when no n gives that size."""
        if self.input_unit == 0:
            return 1 if size == self.input_fixed else None
        n, rest = divmod(size - self.input_fixed, self.input_unit)
        return n if rest == 0 and 1 <= n <= self.maximum_units else None

    def input_size(self, n: int) -> int:
        """Return the input's length in bytes at `n` units."""
        return self.input_fixed + self.input_unit * n

    def output_size(self, n: int) -> int:
        """Return the output's length in bytes at `n` units."""
        return self.output_fixed + self.output_unit * n


def status(registry: Registry, model: bytes) -> Status:
    """Return a model's status."""
    word = registry.word(model, layout.CALL)
    return Status(layout.unpack(layout.CALL_FIELDS, word)["status"])


def terms(registry: Registry, model: bytes) -> Terms | Status:
    """Return the terms of a call, or the status of a model that is not callable."""
    call = layout.unpack(layout.CALL_FIELDS, registry.word(model, layout.CALL))
    found = Status(call.pop("status"))
    if not found.callable:
        return found
    coefficients = registry.word(model, layout.COEFFICIENTS)
    return Terms(
        model=model,
        fee=fee(registry, model),
        **layout.unpack(layout.COEFFICIENT_FIELDS, coefficients),
        **call,
    )


def identity(registry: Registry, model: bytes) -> Identity | None:
    """Return a model's author and size, or None for an unknown address."""
    word = registry.word(model, layout.IDENTITY)
    if word == 0:
        return None
    fields = layout.unpack(layout.IDENTITY_FIELDS, word)
    return Identity(
        author=fields["author"].to_bytes(20, "big"), size=fields["size"], chunks=fields["chunks"]
    )


def model_id(registry: Registry, model: bytes) -> bytes:
    """Return the Merkle root that names a model's bytes; zero when unknown."""
    return registry.word(model, layout.MODEL_ID).to_bytes(32, "big")


def fee(registry: Registry, model: bytes) -> int:
    """Return the author fee in effect, in gas."""
    fields = layout.unpack(layout.FEE_FIELDS, registry.word(model, layout.FEE))
    ripe = _ripe(registry, fields["effective_block"])
    return fields["pending_fee"] if ripe else fields["fee"]


def payee(registry: Registry, model: bytes) -> bytes:
    """Return the address that author fees go to, in effect now."""
    fields = layout.unpack(layout.PAYEE_FIELDS, registry.word(model, layout.PAYEE))
    if _ripe(registry, fields["effective_block"]):
        return registry.word(model, layout.PENDING_PAYEE).to_bytes(20, "big")
    return fields["payee"].to_bytes(20, "big")


def _ripe(registry: Registry, effective_block: int) -> bool:
    return 0 < effective_block <= registry.block
