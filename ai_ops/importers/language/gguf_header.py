"""The head of a GGUF file: settings and the places of tensors, read strictly.

Every count and length is checked against the bytes that are there before anything is read or
allocated by it: the package `gguf` itself would follow a false count to the end of memory. Its
part here is to dequantize blocks. Layout: github.com/ggml-org/ggml, docs/gguf.md, versions 2 and 3.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = "general.alignment"
SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q",
    12: "<d",
}  # fmt: skip
STRING, ARRAY = 8, 9
RANK_MAXIMUM = 4
NAME_BYTES = 256
COUNT_MAXIMUM = 1 << 20
"""Settings or tensors of one file; the entries of an array are bounded by its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorPlace:
    """Where a tensor lies.

    Attributes
    ----------
    shape : slowest dimension first, as NumPy has it (the file has it the other way round)
    kind : the code of its quantization
    offset : of its first byte in the file
    """

    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHead:
    """Settings by name (scalars, strings, lists of them) and tensors by name."""

    settings: Mapping[str, Any]
    tensors: Mapping[str, TensorPlace]


class _Cursor:
    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int, what: str) -> memoryview:
        if size > len(self.data) - self.at:
            raise ValueError(f"{what} at byte {self.at} reaches beyond the end")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, layout: str, what: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))[0]

    def count(self, what: str) -> int:
        found = int(self.number("<Q", what))
        if found > COUNT_MAXIMUM:
            raise ValueError(f"{found} {what} are above {COUNT_MAXIMUM}")
        return found

    def text(self, what: str) -> str:
        size = int(self.number("<Q", what))
        return bytes(self.take(size, what)).decode("utf-8", errors="surrogateescape")

    def name(self, what: str) -> str:
        name = self.text(what)
        if len(name) > NAME_BYTES or not name.isprintable():
            raise ValueError(
                f"{what} before byte {self.at} is longer than {NAME_BYTES} or unprintable"
            )
        return name

    def value(self) -> Any:
        kind = self.number("<I", "a type")
        if kind == STRING:
            return self.text("a string")
        if kind != ARRAY:
            return self._scalar(kind)
        element = self.number("<I", "a type")
        size = int(self.number("<Q", "an array's length"))
        if element == STRING:
            smallest, read = 8, lambda: self.text("a string")
        elif element in SCALARS:
            smallest, read = struct.calcsize(SCALARS[element]), lambda: self._scalar(element)
        else:
            raise ValueError(f"an array of the type {element} before byte {self.at} is not read")
        if size * smallest > len(self.data) - self.at:
            raise ValueError(f"an array of {size} entries at byte {self.at} reaches beyond the end")
        return _repeat(read, size)

    def _scalar(self, kind: int) -> Any:
        if kind not in SCALARS:
            raise ValueError(f"the type {kind} before byte {self.at} is unknown")
        return self.number(SCALARS[kind], "a number")


def _repeat(read: Callable[[], Any], count: int) -> list[Any]:
    return [read() for _ in range(count)]


def read_head(data: memoryview) -> GgufHead:
    """Read settings and tensor places of a whole file in memory.

    Raises
    ------
    ValueError : the bytes are not a GGUF head; says where
    """
    cursor = _Cursor(data)
    if bytes(cursor.take(4, "the magic")) != MAGIC:
        raise ValueError("it does not begin with GGUF")
    version = cursor.number("<I", "the version")
    if version not in VERSIONS:
        raise ValueError(f"its version is {version} and this release reads 2 and 3")
    tensors, entries = cursor.count("tensors"), cursor.count("settings")
    settings: dict[str, Any] = {}
    for _ in range(entries):
        name = cursor.name("a setting's name")
        if name in settings:
            raise ValueError(f"the setting {name} is there twice")
        settings[name] = cursor.value()
    places: dict[str, TensorPlace] = {}
    for _ in range(tensors):
        name = cursor.name("a tensor's name")
        if name in places:
            raise ValueError(f"the tensor {name} is there twice")
        places[name] = _place(cursor, name)
    alignment = settings.get(ALIGNMENT, 32)
    if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
        raise ValueError(f"{ALIGNMENT} is no power of two")
    start = -(-cursor.at // alignment) * alignment
    return GgufHead(
        settings=settings,
        tensors={
            name: TensorPlace(shape=place.shape, kind=place.kind, offset=start + place.offset)
            for name, place in places.items()
        },
    )


def _place(cursor: _Cursor, name: str) -> TensorPlace:
    rank = cursor.number("<I", "a rank")
    if not 1 <= rank <= RANK_MAXIMUM:
        raise ValueError(f"the tensor {name} has {rank} dimensions")
    sizes = [int(cursor.number("<Q", "a dimension")) for _ in range(rank)]
    if min(sizes) < 1:
        raise ValueError(f"the tensor {name} has an empty dimension")
    kind = cursor.number("<I", "a quantization type")
    return TensorPlace(
        shape=tuple(reversed(sizes)), kind=kind, offset=int(cursor.number("<Q", "an offset"))
    )
