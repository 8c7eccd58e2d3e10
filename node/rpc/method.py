"""What a row of a `METHODS` table says, and how positional parameters are read by it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from node.rpc.errors import InvalidParamsError


class Weight(enum.Enum):
    """Where a method runs."""

    LIGHT = "on the event loop: microseconds, or one read of the database"
    HEAVY = "in a thread: walks many blocks, or signs"
    EXECUTION = "in a thread: executes the EVM, and ends when nobody waits any more"
    WRITE = "in a thread, without a deadline: changes the chain"


@dataclass(frozen=True, slots=True)
class Method:
    """One row: the function, its parameters, where it runs.

    Attributes
    ----------
    run : callable
        Takes the node and the parsed parameters, returns a JSON value. One of weight `EXECUTION`
        also takes `cancellation`, the flag that ends it.
    required, optional : tuple of parsers
        Parsers of the positional parameters (`node.rpc.parse`). A missing or null optional
        parameter is not passed when it stands at the end, else it is passed as None.
    """

    run: Callable[..., Any]
    required: tuple[Callable[[Any], Any], ...] = ()
    optional: tuple[Callable[[Any], Any], ...] = ()
    weight: Weight = Weight.LIGHT


def arguments(method: Method, params: list[Any]) -> list[Any]:
    """Return the parsed arguments.

    Raises
    ------
    InvalidParamsError
        When one is missing, superfluous or malformed; the message names its position.
    """
    parsers = method.required + method.optional
    if len(params) > len(parsers):
        raise InvalidParamsError(f"too many arguments, want at most {len(parsers)}")
    parsed: list[Any] = []
    for index, parser in enumerate(parsers):
        needed = index < len(method.required)
        value = params[index] if index < len(params) else None
        if value is None:
            if needed:
                raise InvalidParamsError(f"missing value for required argument {index}")
            parsed.append(None)
            continue
        try:
            parsed.append(parser(value))
        except ValueError as error:
            raise InvalidParamsError(f"invalid argument {index}: {error}") from None
    while parsed and parsed[-1] is None:
        parsed.pop()
    return parsed
