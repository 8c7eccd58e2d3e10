"""The export file: a chain, or a part of one, as one stream of frames (docs/spec/10-export.md).

```
file  := "engram chain" version:u8 frame*
frame := kind:u8 length:u32 payload[length]
kinds := 1 start, 2 block, 3 last certificate, 4 end
```
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from blake3 import blake3

from consensus.certificate import Certificate, decode_certificate
from consensus.errors import InvalidCertificate
from vm import rlp
from vm.blocks import Block
from vm.errors import InvalidBlock
from vm.records import Sidecar, decode_sidecar, encode_sidecar

MAGIC: Final = b"engram chain"
VERSION: Final = 1
START: Final = 1
BLOCK: Final = 2
LAST_CERTIFICATE: Final = 3
END: Final = 4
# A block's body is at most 10 MiB (EIP-7934); its sidecar carries inputs beside it.
MAXIMUM_FRAME_BYTES: Final = 64 << 20


class MalformedExport(Exception):
    """The file is not an export, is cut short, or fails its checksum.

    Parameters
    ----------
    sentence : str
    code : str
        The row of the error table.
    """

    def __init__(self, sentence: str, code: str = "E-CHAIN-002") -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportStart:
    """What an export says of itself; heights are inclusive."""

    genesis_hash: bytes
    first: int
    last: int
    spec_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedBlock:
    """A block, what its header commits to outside itself, and what travels beside it.

    ``parent_certificate`` is None for block 1 and on chains without consensus; ``certificate``
    is the one the next frame brought.
    """

    block: Block
    parent_certificate: Certificate | None
    certificate: Certificate | None
    sidecar: Sidecar | None


class ExportWriter:
    """Writes the frames of an export in order and closes it with a checksum."""

    def __init__(self, file: BinaryIO, start: ExportStart) -> None:
        self._file = file
        self._digest = blake3()
        self._put(MAGIC + bytes((VERSION,)))
        self._frame(
            START,
            rlp.encode(
                (
                    start.genesis_hash,
                    rlp.integer(start.first),
                    rlp.integer(start.last),
                    start.spec_text.encode(),
                )
            ),
        )

    def block(
        self, block: Block, parent_certificate: Certificate | None, sidecar: Sidecar | None
    ) -> None:
        """Write one block's frame."""
        carried = b"" if sidecar is None or not sidecar.records else encode_sidecar(sidecar)
        self._frame(BLOCK, rlp.encode((block.encode(), _encoded(parent_certificate), carried)))

    def finish(self, last_certificate: Certificate | None) -> None:
        """Write the last block's own certificate and the checksum."""
        self._frame(LAST_CERTIFICATE, _encoded(last_certificate))
        self._frame(END, self._digest.digest())

    def _frame(self, kind: int, payload: bytes) -> None:
        self._put(bytes((kind,)) + len(payload).to_bytes(4, "big") + payload)

    def _put(self, content: bytes) -> None:
        self._digest.update(content)
        self._file.write(content)


class ExportReader:
    """Reads an export as a stream; every length is checked before memory is taken.

    Raises
    ------
    MalformedExport
        When the file does not start like an export of this version.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = blake3()
        self._complete = False
        magic = file.read(len(MAGIC))
        if magic != MAGIC:
            raise MalformedExport("the file is not a chain export; check its name")
        self._digest.update(magic)
        version = self._take(1, "its first bytes", None)[0]
        if version != VERSION:
            raise MalformedExport(
                f"the export has format version {version}, this program reads {VERSION}"
            )
        kind, payload = self._next(None)
        if kind != START:
            raise MalformedExport("the export does not begin with its start frame")
        self.start: Final = _decode_start(payload)

    def blocks(self) -> Iterator[ExportedBlock]:
        """Yield the blocks in order, each as soon as its own certificate has been read.

        Raises
        ------
        MalformedExport
            Where the file stops making sense, naming the last block read.
        """
        waiting: tuple[int, bytes, Certificate | None] | None = None
        number = self.start.first
        while True:
            kind, payload = self._next(number)
            if kind == END:
                raise MalformedExport("the export misses its last certificate")
            if kind not in (BLOCK, LAST_CERTIFICATE):
                raise MalformedExport(f"the export has a frame of unknown kind {kind}")
            if kind == BLOCK:
                _block, parent, _ = _items(payload, number)
                certificate = _certificate(parent, number)
            else:
                certificate = _certificate(payload, number)
            if waiting is not None:
                yield _exported(waiting, certificate)
            if kind == LAST_CERTIFICATE:
                break
            if number > self.start.last:
                raise MalformedExport(f"the export has more blocks than up to {self.start.last}")
            waiting = (number, payload, certificate)
            number += 1
        if number != self.start.last + 1:
            raise MalformedExport(
                f"the export ends with block {number - 1}, its start promises {self.start.last}"
            )
        self._finish()

    def _finish(self) -> None:
        expected = self._digest.digest()
        kind, payload = self._next(self.start.last)
        if kind != END or payload != expected:
            raise MalformedExport(
                "the export's checksum does not fit: the file was damaged on its way",
                "E-CHAIN-003",
            )
        if self._file.read(1):
            raise MalformedExport("the export is followed by other bytes")

    def _next(self, number: int | None) -> tuple[int, bytes]:
        head = self._take(5, "the next frame", number)
        length = int.from_bytes(head[1:], "big")
        if length > MAXIMUM_FRAME_BYTES:
            raise MalformedExport(
                f"a frame of {length} bytes exceeds the limit of {MAXIMUM_FRAME_BYTES}"
            )
        return head[0], self._take(length, "a frame", number)

    def _take(self, size: int, what: str, number: int | None) -> bytes:
        content = self._file.read(size)
        if len(content) != size:
            where = "" if number is None else f", at block {number}"
            raise MalformedExport(f"the export is cut short in {what}{where}", "E-CHAIN-003")
        self._digest.update(content)
        return content


def _encoded(certificate: Certificate | None) -> bytes:
    return b"" if certificate is None else certificate.encode()


def _decode_start(payload: bytes) -> ExportStart:
    try:
        genesis_hash, first, last, text = rlp.as_list(rlp.decode(payload), 4)
        start = ExportStart(
            genesis_hash=rlp.as_bytes(genesis_hash, 32),
            first=rlp.as_int(first, 63),
            last=rlp.as_int(last, 63),
            spec_text=rlp.as_bytes(text).decode("utf-8"),
        )
    except (rlp.RlpError, UnicodeDecodeError, ValueError) as error:
        raise MalformedExport(f"the export's start frame is malformed: {error}") from None
    if not 1 <= start.first <= start.last + 1:
        raise MalformedExport(f"the export claims blocks {start.first} to {start.last}")
    return start


def _items(payload: bytes, number: int) -> tuple[bytes, bytes, bytes]:
    try:
        block, parent, sidecar = map(rlp.as_bytes, rlp.as_list(rlp.decode(payload), 3))
    except (rlp.RlpError, ValueError) as error:
        raise MalformedExport(f"the frame of block {number} is malformed: {error}") from None
    return block, parent, sidecar


def _certificate(content: bytes, number: int) -> Certificate | None:
    if not content:
        return None
    try:
        return decode_certificate(content)
    except InvalidCertificate as error:
        raise MalformedExport(f"before block {number}: {error}") from None


def _exported(
    waiting: tuple[int, bytes, Certificate | None], certificate: Certificate | None
) -> ExportedBlock:
    number, payload, parent_certificate = waiting
    block, _, sidecar = _items(payload, number)
    try:
        return ExportedBlock(
            block=Block.decode(block),
            parent_certificate=parent_certificate,
            certificate=certificate,
            sidecar=decode_sidecar(sidecar) if sidecar else None,
        )
    except (InvalidBlock, rlp.RlpError) as error:
        raise MalformedExport(f"block {number} is malformed: {error}") from None
