"""Headers, blocks and withdrawals: Prague's, byte for byte, decoded strictly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vm import rlp
from vm.crypto import keccak
from vm.errors import InvalidBlock, InvalidTransaction
from vm.rlp import RlpItem
from vm.transactions import Transaction, transactions_from_block

EMPTY_OMMERS_HASH = bytes.fromhex(
    "1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
)
EMPTY_TRIE_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
EMPTY_REQUESTS_HASH = bytes.fromhex(
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)
ZERO_HASH = bytes(32)

# Field, then its size: bytes of a fixed-size field, -bits of an integer, 0 for any byte string.
_HEADER_FIELDS: tuple[tuple[str, int], ...] = (
    ("parent_hash", 32),
    ("ommers_hash", 32),
    ("coinbase", 20),
    ("state_root", 32),
    ("transactions_root", 32),
    ("receipts_root", 32),
    ("logs_bloom", 256),
    ("difficulty", -256),
    ("number", -64),
    ("gas_limit", -64),
    ("gas_used", -64),
    ("timestamp", -64),
    ("extra_data", 0),
    ("prev_randao", 32),
    ("nonce", 8),
    ("base_fee", -256),
    ("withdrawals_root", 32),
    ("blob_gas_used", -64),
    ("excess_blob_gas", -64),
    ("parent_beacon_block_root", 32),
    ("requests_hash", 32),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A block header with every field of Prague, in the order of its encoding.

    Hashes and roots are 32 bytes, ``coinbase`` 20, ``logs_bloom`` 256, ``nonce`` 8;
    ``prev_randao`` is the field once called mix hash; ``base_fee`` is in wei per gas.
    """

    parent_hash: bytes
    ommers_hash: bytes = EMPTY_OMMERS_HASH
    coinbase: bytes
    state_root: bytes
    transactions_root: bytes = EMPTY_TRIE_ROOT
    receipts_root: bytes = EMPTY_TRIE_ROOT
    logs_bloom: bytes = bytes(256)
    difficulty: int = 0
    number: int
    gas_limit: int
    gas_used: int = 0
    timestamp: int
    extra_data: bytes = b""
    prev_randao: bytes = ZERO_HASH
    nonce: bytes = bytes(8)
    base_fee: int
    withdrawals_root: bytes = EMPTY_TRIE_ROOT
    blob_gas_used: int = 0
    excess_blob_gas: int = 0
    parent_beacon_block_root: bytes = ZERO_HASH
    requests_hash: bytes = EMPTY_REQUESTS_HASH

    @property
    def hash(self) -> bytes:
        """The block hash: keccak-256 of the encoding."""
        return keccak(self.encode())

    def as_rlp(self) -> tuple[bytes, ...]:
        """Return the fields as RLP byte strings, in order."""
        items = []
        for name, _ in _HEADER_FIELDS:
            value = getattr(self, name)
            items.append(rlp.integer(value) if isinstance(value, int) else value)
        return tuple(items)

    def encode(self) -> bytes:
        """Return the canonical RLP encoding."""
        return rlp.encode(self.as_rlp())

    @classmethod
    def from_rlp(cls, item: RlpItem) -> Header:
        """Build a header from a decoded RLP list; raises `vm.rlp.RlpError`."""
        values: dict[str, bytes | int] = {}
        items = rlp.as_list(item, len(_HEADER_FIELDS))
        for (name, size), value in zip(_HEADER_FIELDS, items, strict=True):
            try:
                values[name] = (
                    rlp.as_int(value, -size) if size < 0 else rlp.as_bytes(value, size or None)
                )
            except rlp.RlpError as error:
                raise rlp.RlpError(f"{name}: {error}") from None
        return cls(**values)  # type: ignore[arg-type]

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Decode the one canonical encoding of a header.

        Raises
        ------
        InvalidBlock
            When the bytes are anything else.
        """
        try:
            return cls.from_rlp(rlp.decode(data))
        except rlp.RlpError as error:
            raise InvalidBlock(f"malformed header: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A withdrawal (EIP-4895); ``amount`` is in gwei."""

    index: int
    validator_index: int
    address: bytes
    amount: int

    def as_rlp(self) -> tuple[bytes, ...]:
        """Return the fields as RLP byte strings, in order."""
        return (
            rlp.integer(self.index),
            rlp.integer(self.validator_index),
            self.address,
            rlp.integer(self.amount),
        )

    def encode(self) -> bytes:
        """Return the canonical RLP encoding."""
        return rlp.encode(self.as_rlp())

    @classmethod
    def from_rlp(cls, item: RlpItem) -> Withdrawal:
        """Build a withdrawal from a decoded RLP list; raises `vm.rlp.RlpError`."""
        index, validator_index, address, amount = rlp.as_list(item, 4)
        return cls(
            index=rlp.as_int(index, 64),
            validator_index=rlp.as_int(validator_index, 64),
            address=rlp.as_bytes(address, 20),
            amount=rlp.as_int(amount, 64),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A header and its body. There are never ommers."""

    header: Header
    transactions: tuple[Transaction, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()

    @property
    def hash(self) -> bytes:
        """The header's hash."""
        return self.header.hash

    @property
    def number(self) -> int:
        """The header's number."""
        return self.header.number

    def encode(self) -> bytes:
        """Return the canonical RLP encoding: header, transactions, no ommers, withdrawals."""
        return rlp.encode(
            (
                self.header.as_rlp(),
                _body_transactions(self.transactions),
                (),
                tuple(withdrawal.as_rlp() for withdrawal in self.withdrawals),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Block:
        """Decode the one canonical encoding of a block; senders are recovered here.

        Raises
        ------
        InvalidBlock
            When the bytes are anything else, naming the first malformed transaction.
        """
        try:
            header, transactions, ommers, withdrawals = rlp.as_list(rlp.decode(data), 4)
            rlp.as_list(ommers, 0)
            return cls(
                header=Header.from_rlp(header),
                transactions=transactions_from_block(rlp.as_list(transactions)),
                withdrawals=tuple(map(Withdrawal.from_rlp, rlp.as_list(withdrawals))),
            )
        except rlp.RlpError as error:
            raise InvalidBlock(f"malformed block: {error}") from None
        except InvalidTransaction as error:
            raise InvalidBlock(f"malformed block: {error.reason}") from None


def _body_transactions(transactions: Sequence[Transaction]) -> tuple[RlpItem, ...]:
    # A typed transaction is a byte string inside the list; a legacy one is itself a list.
    return tuple(
        transaction.raw if transaction.type else rlp.decode(transaction.raw)
        for transaction in transactions
    )
