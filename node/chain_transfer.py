"""Exporting a chain to a file, and importing one by executing every block of it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from consensus.errors import ConsensusError
from genesis.build import build_genesis
from genesis.errors import InvalidSpec
from genesis.spec import ChainSpec
from node.chain import Chain
from node.chain_errors import ChainMismatch, UnknownParent
from node.export_file import (
    ExportedBlock,
    ExportReader,
    ExportStart,
    ExportWriter,
    MalformedExport,
)
from node.storage.errors import StoreCorrupted
from vm.errors import InvalidBlock, SidecarMismatch
from vm.records import Sidecar

Report = Callable[[int], None]


class BlockRefused(Exception):
    """An export's block that is no part of the chain; the blocks before it were kept.

    Parameters
    ----------
    sentence : str
        Names the block, and for an inference the transaction, call and step.
    code : str
        The row of the error table.
    """

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did."""

    known: int
    added: int
    transactions: int
    inferences: int


def export_chain(chain: Chain, file: BinaryIO, first: int, last: int, report: Report) -> None:
    """Write blocks ``first`` to ``last`` inclusive with everything an importer needs.

    Parameters
    ----------
    report : callable
        Told after each block how many are written.
    """
    writer = ExportWriter(
        file,
        ExportStart(
            genesis_hash=chain.genesis_hash,
            first=first,
            last=last,
            spec_text=chain.spec.to_json(),
        ),
    )
    last_certificate = None
    for number in range(first, last + 1):
        block = chain.block_by_number(number)
        if block is None:
            raise StoreCorrupted(f"block {number} is missing from the data directory")
        writer.block(block, chain.certificate(block.header.parent_hash), chain.sidecar(block.hash))
        last_certificate = chain.certificate(block.hash)
        report(number - first + 1)
    writer.finish(last_certificate)


def spec_of_export(start: ExportStart, given: ChainSpec | None = None) -> ChainSpec:
    """Return the chain spec that an import builds on: the one given, or the file's own.

    Raises
    ------
    ChainMismatch
        When the spec's genesis block is not the file's.
    MalformedExport
        When the file's own spec cannot be read.
    """
    if given is None:
        try:
            given = ChainSpec.from_text(start.spec_text)
        except InvalidSpec as error:
            raise MalformedExport(f"the export's chain spec is refused: {error}") from error
    have = build_genesis(given).block.hash
    if have != start.genesis_hash:
        raise ChainMismatch(
            f"the export is of the chain with genesis 0x{start.genesis_hash.hex()}, "
            f"and the chain spec gives 0x{have.hex()}"
        )
    return given


def import_export(reader: ExportReader, chain: Chain, report: Report) -> Imported:
    """Execute the export's blocks on the chain, one after another.

    Raises
    ------
    ChainMismatch
        When the export is of another chain, or does not reach down to the head.
    BlockRefused, MalformedExport
        At the first block that is bad; everything before it is stored.
    """
    start = reader.start
    if start.genesis_hash != chain.genesis_hash:
        raise ChainMismatch(
            f"the export is of the chain with genesis 0x{start.genesis_hash.hex()}, "
            f"the data directory holds 0x{chain.genesis_hash.hex()}; name another folder"
        )
    if start.first > chain.head.number + 1:
        raise ChainMismatch(
            f"the export starts with block {start.first}, and the data directory ends with block "
            f"{chain.head.number}; import the blocks between first"
        )
    known = added = transactions = inferences = 0
    for exported in reader.blocks():
        block = exported.block
        if block.number <= chain.head.number:
            if chain.hash_by_number(block.number) != block.hash:
                raise BlockRefused(
                    f"block {block.number} of the export is 0x{block.hash.hex()}, and the data "
                    "directory holds another final block at that height",
                    "E-CHAIN-004",
                )
            known += 1
        else:
            _import_one(chain, exported)
            added += 1
            transactions += len(block.transactions)
            sidecar = chain.sidecar(block.hash)
            inferences += 0 if sidecar is None else len(sidecar.records)
        report(known + added)
    return Imported(known=known, added=added, transactions=transactions, inferences=inferences)


def _import_one(chain: Chain, exported: ExportedBlock) -> None:
    number = chain.head.number + 1
    kept = f"blocks up to {number - 1} were kept"
    try:
        chain.import_block(
            exported.block,
            exported.parent_certificate,
            exported.certificate,
            # A file without records claims that there are none.
            exported.sidecar or Sidecar(),
        )
    except SidecarMismatch as error:
        raise BlockRefused(
            f"block {number} is valid, but the inference records beside it were altered: "
            f"{error}; {kept}",
            "E-CHAIN-005",
        ) from error
    except (InvalidBlock, ConsensusError, UnknownParent) as error:
        raise BlockRefused(f"block {number} is refused: {error}; {kept}", "E-CHAIN-004") from error
