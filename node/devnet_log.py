"""What a development chain prints while it runs: a line per call, per transaction, per block."""

from __future__ import annotations

from typing import Final

from node.accounts import checksum
from node.chain import Chain
from node.console import Console
from node.rpc.dispatch import Served
from node.rpc.errors import METHOD_NOT_FOUND
from vm.blocks import Header

MAX_ECHO_CHARACTERS: Final = 160


class CallTrace:
    """Prints each method when it is called, and its error when it fails."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, method: str) -> None:
        """Print the name of a method; JSON lines wait for the outcome."""
        if not self._console.json_lines:
            self._console.event("call", _printable(method))

    def end(self, served: Served) -> None:
        """Print what went wrong, if anything."""
        if self._console.json_lines:
            error = None if served.error is None else served.error.member()
            milliseconds = round(served.seconds * 1000, 3)
            self._console.event(
                "call", "", method=served.method, milliseconds=milliseconds, error=error
            )
        elif served.error is not None and served.error.code != METHOD_NOT_FOUND:
            message = _printable(served.error.message)
            # Calls run side by side: without the name this could belong to any line above.
            method = _printable(served.method)
            self._console.event("call", f"    {method} failed, {served.error.code}: {message}")
        elif served.error is not None:
            self._console.event("call", f"    {_printable(served.method)}: no such method")


class BlockTrace:
    """Subscriber of a chain: prints each block with its transactions."""

    def __init__(self, console: Console, chain: Chain) -> None:
        self._console = console
        self._chain = chain

    def __call__(self, header: Header) -> None:
        """Print a block; runs in the writing thread."""
        block = self._chain.block_by_number(header.number)
        receipts = self._chain.receipts(header.hash)
        assert block is not None
        assert receipts is not None
        for sent, receipt in zip(block.transactions, receipts, strict=True):
            created = receipt.contract_address
            lines = [f"    Transaction      0x{sent.hash.hex()}"]
            if created is not None:
                lines.append(f"    Contract created {checksum(created)}")
            lines.append(f"    Gas used         {receipt.gas_used:,}")
            if not receipt.status:
                lines.append("    Failed           it reverted or ran out of gas")
            self._console.event(
                "transaction", "\n".join(lines), hash="0x" + sent.hash.hex(),
                contract=None if created is None else checksum(created),
                gasUsed=receipt.gas_used, status=receipt.status,
            )  # fmt: skip
        number_of = len(block.transactions)
        self._console.event(
            "block",
            f"    Block {header.number} 0x{header.hash.hex()[:16]}… {number_of} "
            f"transaction{'' if number_of == 1 else 's'}, {header.gas_used:,} gas",
            number=header.number, hash="0x" + header.hash.hex(), transactions=number_of,
            gasUsed=header.gas_used,
        )  # fmt: skip


def _printable(text: str) -> str:
    # A client chooses this text: it must not drive the terminal or break the line.
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= MAX_ECHO_CHARACTERS else shown[:MAX_ECHO_CHARACTERS] + "…"
