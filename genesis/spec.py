"""The chain spec: one TOML or JSON file that fixes everything two nodes must agree on."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from ai_ops.nesting import deeper_than
from consensus.errors import InvalidParameters
from consensus.params import ENGINE_QBFT, ConsensusParams
from genesis.alloc import Alloc, read_alloc, write_alloc
from genesis.errors import InvalidSpec
from genesis.fields import Table, octets, read_fields, write_fields
from vm.config import VmConfig

TEMPLATES: Final = ("devnet", "testnet")
MAXIMUM_SPEC_BYTES: Final = 16 << 20
MAXIMUM_DEPTH: Final = 64
# Sections of a spec that are dataclasses inside VmConfig; "rules" is its own scalar fields.
VM_SECTIONS: Final = ("prices", "blobs", "limits")
VM_OWN: Final = ("chain_id", "ai", *VM_SECTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenesisHeader:
    """The fields of block 0 that are chosen, not computed.

    ``base_fee`` is in wei per gas. On a chain with consensus ``extra_data`` is the hash of the
    validator set, and a spec that sets it is refused.
    """

    timestamp: int = 0
    gas_limit: int = 30_000_000
    base_fee: int = 1_000_000_000
    coinbase: bytes = bytes(20)
    extra_data: bytes = b""
    prev_randao: bytes = bytes(32)
    nonce: bytes = bytes(8)
    difficulty: int = 0
    blob_gas_used: int = 0
    excess_blob_gas: int = 0
    parent_beacon_block_root: bytes = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSpec:
    """A parsed chain spec.

    Parameters
    ----------
    name : str
    vm_config : VmConfig
    consensus : ConsensusParams
    header : GenesisHeader
    alloc : mapping of bytes (20,) to GenesisAccount
        What the spec itself names; `genesis.build` adds the system contracts.
    dev : bool
        A chain for development: state edits may be part of its blocks, its finality may yield.
    """

    name: str
    vm_config: VmConfig
    consensus: ConsensusParams
    header: GenesisHeader = field(default_factory=GenesisHeader)
    alloc: Alloc = field(default_factory=dict)
    dev: bool = False

    @classmethod
    def from_file(cls, path: Path) -> ChainSpec:
        """Read a spec from a file.

        Raises
        ------
        InvalidSpec
            When the file cannot be read, or for the reasons of `from_text`.
        """
        try:
            with path.open("rb") as file:
                content = file.read(MAXIMUM_SPEC_BYTES + 1)
        except OSError as error:
            raise InvalidSpec(
                f"the chain spec {path} cannot be read ({error.strerror}); check the path"
            ) from error
        if len(content) > MAXIMUM_SPEC_BYTES:
            raise InvalidSpec(f"the chain spec {path} is larger than {MAXIMUM_SPEC_BYTES} bytes")
        try:
            return cls.from_text(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise InvalidSpec(f"the chain spec {path} is not UTF-8 text") from error

    @classmethod
    def from_text(cls, text: str) -> ChainSpec:
        """Read a spec from TOML, or from JSON when it starts with a brace.

        Raises
        ------
        InvalidSpec
            For bad syntax, an unknown or repeated key, a value out of range, or values that
            contradict each other.
        """
        return _read_spec(Table(_parse(text)))

    def to_json(self) -> str:
        """Return the spec in its one canonical JSON text, which `from_text` reads back."""
        table: dict[str, object] = {
            "name": self.name,
            "chain_id": self.vm_config.chain_id,
            "ai": self.vm_config.ai,
            "dev": self.dev,
            "consensus": {
                "engine": self.consensus.engine,
                "validators": ["0x" + address.hex() for address in self.consensus.validators],
                "period_seconds": self.consensus.period_seconds,
            },
            "genesis": write_fields(
                self.header, skip=("extra_data",) if self.consensus.sealed else ()
            ),
            "rules": write_fields(self.vm_config, skip=VM_OWN),
            "alloc": write_alloc(self.alloc),
        }
        for section in VM_SECTIONS:
            if hasattr(self.vm_config, section):
                table[section] = write_fields(getattr(self.vm_config, section))
        return json.dumps(table, indent=1, sort_keys=True) + "\n"


def template(name: str) -> ChainSpec:
    """Return one of the specs that ship with the package: ``"devnet"`` or ``"testnet"``.

    Raises
    ------
    InvalidSpec
        For any other name.
    """
    if name not in TEMPLATES:
        raise InvalidSpec(f"there is no chain spec template {name!r}; there are: devnet, testnet")
    text = resources.files("genesis").joinpath("chains", f"{name}.toml").read_text("utf-8")
    return ChainSpec.from_text(text)


def _parse(text: str) -> object:
    if deeper_than(MAXIMUM_DEPTH, text.encode()):
        raise InvalidSpec(f"the chain spec is nested deeper than {MAXIMUM_DEPTH} levels")
    try:
        if text.lstrip()[:1] == "{":
            return json.loads(
                text,
                object_pairs_hook=_unique,
                parse_float=_no_float,
                parse_constant=_no_float,
            )
        return tomllib.loads(text, parse_float=_no_float)
    except InvalidSpec:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(f"the chain spec is neither TOML nor JSON ({error})") from error


def _no_float(text: str) -> object:
    raise InvalidSpec(f"{text} is not an integer; a chain spec has no fractions")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidSpec(f"the key {twice!r} stands twice in one table")
    return table


def _read_spec(table: Table) -> ChainSpec:
    name = table.text("name")
    dev = table.boolean("dev", default=False)
    defaults = VmConfig(
        chain_id=table.integer("chain_id", maximum=2**63 - 1), ai=table.boolean("ai", default=True)
    )
    if defaults.chain_id == 0:
        raise InvalidSpec("chain_id is at least 1")
    consensus = _read_consensus(table.table("consensus"))
    genesis = table.table("genesis")
    if consensus.sealed and "extra_data" in genesis.unread:
        raise InvalidSpec("genesis.extra_data is the hash of the validator set; leave it out")
    header = read_fields(GenesisHeader, genesis, GenesisHeader())
    config = _read_config(table, defaults)
    alloc = read_alloc(table.table("alloc"))
    table.finish()
    spec = ChainSpec(
        name=name, vm_config=config, consensus=consensus, header=header, alloc=alloc, dev=dev
    )
    _check_sizes(spec.header)
    return spec


def _read_config(table: Table, defaults: VmConfig) -> VmConfig:
    changes: dict[str, Any] = {}
    for section in VM_SECTIONS:
        current = getattr(defaults, section, None)
        if current is not None:
            changes[section] = read_fields(type(current), table.table(section), current)
    config = read_fields(VmConfig, table.table("rules"), defaults, skip=VM_OWN)
    return replace(config, **changes)


def _read_consensus(table: Table) -> ConsensusParams:
    engine = table.text("engine", ENGINE_QBFT)
    validators = sorted(
        octets(item, table.name("validators"), 20) for item in table.sequence("validators")
    )
    period = table.integer("period_seconds", 0, 3_600)
    table.finish()
    try:
        return ConsensusParams(engine=engine, validators=tuple(validators), period_seconds=period)
    except InvalidParameters as error:
        raise InvalidSpec(f"consensus: {error}") from error


_SIZES: Final[tuple[tuple[str, Callable[[bytes], bool], str], ...]] = (
    ("coinbase", lambda value: len(value) == 20, "20 bytes"),
    ("extra_data", lambda value: len(value) <= 32, "at most 32 bytes"),
    ("prev_randao", lambda value: len(value) == 32, "32 bytes"),
    ("nonce", lambda value: len(value) == 8, "8 bytes"),
    ("parent_beacon_block_root", lambda value: len(value) == 32, "32 bytes"),
)


def _check_sizes(header: GenesisHeader) -> None:
    for name, fits, wanted in _SIZES:
        if not fits(getattr(header, name)):
            raise InvalidSpec(f"genesis.{name} has {wanted}")
    for name in ("timestamp", "gas_limit", "blob_gas_used", "excess_blob_gas"):
        if getattr(header, name) >= 2**64:
            raise InvalidSpec(f"genesis.{name} is below 2^64")
