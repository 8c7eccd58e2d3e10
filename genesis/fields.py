"""Reading a chain spec's tables strictly: each value once, every unknown key refused."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from genesis.errors import InvalidSpec

HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]*)")
QUANTITY: Final = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]*)")
MAXIMUM_WORD: Final = 2**256 - 1

T = TypeVar("T")


class Table:
    """One table of a spec, of which every key must be taken.

    Parameters
    ----------
    values : mapping
        As the TOML or JSON parser left it.
    where : str
        Its name in messages; empty at the top.
    """

    def __init__(self, values: object, where: str = "") -> None:
        if not isinstance(values, dict):
            raise InvalidSpec(f"{where or 'the chain spec'} is a table")
        self._values: dict[str, object] = dict(values)
        self._where = where

    def name(self, key: str) -> str:
        """Return the key's full name for a message."""
        return f"{self._where}.{key}" if self._where else key

    def take(self, key: str) -> object:
        """Return the value of ``key`` and mark it read; None when absent."""
        return self._values.pop(key, None)

    @property
    def unread(self) -> tuple[str, ...]:
        """The keys not read yet."""
        return tuple(self._values)

    def integer(self, key: str, default: int | None = None, maximum: int = MAXIMUM_WORD) -> int:
        """Return an integer from 0 to ``maximum``; written as a number, decimal or 0x text."""
        value = self.take(key)
        if value is None:
            if default is None:
                raise InvalidSpec(f"{self.name(key)} is missing")
            return default
        return integer(value, self.name(key), maximum)

    def boolean(self, key: str, *, default: bool) -> bool:
        """Return a truth value."""
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidSpec(f"{self.name(key)} is true or false")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string."""
        value = self.take(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise InvalidSpec(f"{self.name(key)} is a text")
        return value

    def bytes(self, key: str, size: int | None, default: bytes | None = None) -> bytes:
        """Return bytes written as 0x and hexadecimal digits, of exactly ``size`` when given."""
        value = self.take(key)
        if value is None and default is not None:
            return default
        return octets(value, self.name(key), size)

    def table(self, key: str) -> Table:
        """Return the table under ``key``, empty when absent."""
        value = self.take(key)
        return Table({} if value is None else value, self.name(key))

    def sequence(self, key: str) -> list[object]:
        """Return the list under ``key``, empty when absent."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise InvalidSpec(f"{self.name(key)} is a list")
        return value

    def finish(self) -> None:
        """Refuse whatever was not read."""
        if self._values:
            unknown = min(self._values)
            raise InvalidSpec(
                f"{self.name(unknown)} is no key of a chain spec; check its spelling",
                "E-GENESIS-002",
            )


def integer(value: object, name: str, maximum: int = MAXIMUM_WORD) -> int:
    """Return an integer from 0 to ``maximum``."""
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and len(value) <= 80:
        if DECIMAL.fullmatch(value):
            number = int(value)
        elif QUANTITY.fullmatch(value):
            number = int(value, 16)
    if number is None or not 0 <= number <= maximum:
        raise InvalidSpec(f"{name} is an integer from 0 to {maximum}")
    return number


def octets(value: object, name: str, size: int | None = None) -> bytes:
    """Return bytes written as 0x and hexadecimal digits."""
    if not isinstance(value, str) or not HEX.fullmatch(value):
        raise InvalidSpec(f"{name} is written as 0x and pairs of hexadecimal digits")
    content = bytes.fromhex(value[2:])
    if size is not None and len(content) != size:
        raise InvalidSpec(f"{name} has {size} bytes, not {len(content)}")
    return content


def read_fields(cls: type[T], table: Table, defaults: T, skip: tuple[str, ...] = ()) -> T:
    """Return ``defaults`` with the fields that ``table`` names; refuses every other key.

    Parameters
    ----------
    cls : type
        A frozen dataclass whose fields are integers, truth values, byte strings, optional
        integers (``false`` switches one off), or pairs of name and integer (a table).
    """
    hints = typing.get_type_hints(cls)
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name in skip or field.name not in table.unread:
            continue
        changes[field.name] = _read(hints[field.name], field.name, table)
    table.finish()
    return dataclasses.replace(defaults, **changes)  # type: ignore[type-var]


def _read(hint: object, key: str, table: Table) -> object:
    name = table.name(key)
    if hint is int:
        return table.integer(key)
    if hint is bool:
        return table.boolean(key, default=False)
    if hint is bytes:
        return table.bytes(key, None)
    if isinstance(hint, types.UnionType) and set(typing.get_args(hint)) == {int, type(None)}:
        value = table.take(key)
        return None if value is False else integer(value, name)
    if hint == tuple[tuple[str, int], ...]:
        pairs = table.table(key)
        return tuple((item, pairs.integer(item)) for item in sorted(pairs.unread))
    raise InvalidSpec(f"{name} cannot be set in a chain spec")


def write_fields(value: object, skip: tuple[str, ...] = ()) -> dict[str, object]:
    """Return the fields of a dataclass in the form that `read_fields` reads back."""
    written: dict[str, object] = {}
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        if field.name not in skip:
            written[field.name] = _write(getattr(value, field.name))
    return written


def _write(value: object) -> object:
    if value is None:
        return False
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple):
        return {name: _write(item) for name, item in value}
    if isinstance(value, int) and not isinstance(value, bool) and value >= 2**53:
        return str(value)
    return value


def sorted_table(values: Mapping[str, object]) -> dict[str, object]:
    """Return the mapping with its keys in ascending order."""
    return {key: values[key] for key in sorted(values)}
