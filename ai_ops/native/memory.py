"""Memory that runs borrow: kept between calls up to a bound, so that pages are not made anew.

Several threads may use a pool: taking and giving are single list operations, and a count that two
threads write at once only makes the bound a little softer.
"""

from __future__ import annotations

from ai_ops.native.library import address_of, aligned

KEPT_BYTES = 64 * 2**20
SMALLEST = 1 << 14


class Arena:
    """Aligned bytes and their address.

    Parameters
    ----------
    size : int
        Bytes.
    """

    __slots__ = ("address", "memory")

    def __init__(self, size: int) -> None:
        self.memory = aligned(size)
        self.address = address_of(self.memory)


class ArenaPool:
    """Arenas that no run uses now, by the power of two above their size.

    Parameters
    ----------
    kept_bytes : int
        The most bytes to keep while nothing runs.
    """

    __slots__ = ("_bound", "_idle", "_kept")

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._bound = kept_bytes
        self._kept = 0
        self._idle: dict[int, list[Arena]] = {}

    def take(self, size: int) -> Arena:
        """Return an arena of at least `size` bytes; its content means nothing."""
        rounded = rounded_size(size)
        try:
            arena = self._idle[rounded].pop()
        except (KeyError, IndexError):
            return Arena(rounded)
        self._kept -= rounded
        return arena

    def give(self, arena: Arena) -> None:
        """Take an arena back, to keep it or to free it."""
        size = len(arena.memory)
        if self._kept + size <= self._bound:
            self._kept += size
            self._idle.setdefault(size, []).append(arena)

    @property
    def kept(self) -> int:
        """Bytes kept now."""
        return self._kept


def rounded_size(size: int) -> int:
    """Round up so that arenas can be used again: to a power of two, large ones to an eighth of it.

    At most 16 KiB or an eighth is wasted, and only touched pages take memory.
    """
    whole = max(SMALLEST, 1 << (size - 1).bit_length())
    part = max(SMALLEST, whole >> 4)
    return -(-size // part) * part if size > SMALLEST else SMALLEST


POOL = ArenaPool()
