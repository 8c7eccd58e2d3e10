"""Errors that a person sees, each with a stable code.

    Exception
    └── CliError        one sentence: what happened and what to do; `ERRORS` lists every code

`docs/errors.md` is written from `ERRORS` by `python -m node.errors_page`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DONE: Final = 0
ANSWER_IS_NO: Final = 1
USAGE: Final = 2
INPUT_REFUSED: Final = 3
LOCAL_FAULT: Final = 4
INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One row of `ERRORS`.

    Attributes
    ----------
    exit_code : int
        Exit status of the command.
    meaning : str
        What happened, one sentence.
    remedy : str
        What to do about it, one sentence.
    """

    exit_code: int
    meaning: str
    remedy: str


# Codes are never reused; areas: BACKEND, BUG, CHAIN, DEPLOY, GENESIS, GPU, KEY, MODEL, NET, STORE, USE.
ERRORS: Final[dict[str, ErrorEntry]] = {
    "E-BACKEND-001": ErrorEntry(
        LOCAL_FAULT,
        "The tensor backend that was named does not start on this machine.",
        "Choose another, or leave --backend out to run the fastest that works here.",
    ),
    "E-BUG-001": ErrorEntry(
        LOCAL_FAULT,
        "The program failed in a way that it does not know.",
        "Run the command again with --debug and report the traceback.",
    ),
    "E-CHAIN-001": ErrorEntry(
        INPUT_REFUSED,
        "The data directory holds another chain than the one asked for.",
        "Name another folder, or leave the chain spec out to open what is there.",
    ),
    "E-CHAIN-002": ErrorEntry(
        INPUT_REFUSED,
        "A file is not a chain export of this format.",
        "Check its name, or export it again; docs/spec/10-export.md describes the format.",
    ),
    "E-CHAIN-003": ErrorEntry(
        INPUT_REFUSED,
        "A chain export was cut short or damaged on its way.",
        "Copy it again; the good blocks before the damage were kept.",
    ),
    "E-CHAIN-004": ErrorEntry(
        INPUT_REFUSED,
        "A block of an export breaks a rule; the blocks before it were kept.",
        "Get the export from a node that you trust, and report where this one came from.",
    ),
    "E-CHAIN-005": ErrorEntry(
        INPUT_REFUSED,
        "The inference records beside a block were altered, though the block itself is valid.",
        "Get the export from a node that you trust; the message names the first altered step.",
    ),
    "E-CHAIN-006": ErrorEntry(
        ANSWER_IS_NO,
        "A stored chain is not what executing it again gives.",
        "Import an export into a new data directory, and check the disk.",
    ),
    "E-CHAIN-007": ErrorEntry(
        INPUT_REFUSED,
        "The file to write exists.",
        "Name another file, or replace it with --force.",
    ),
    "E-CHAIN-008": ErrorEntry(
        INPUT_REFUSED,
        "The chain has no such range of blocks.",
        "Choose --from and --to between 1 and the head.",
    ),
    "E-CHAIN-009": ErrorEntry(
        INPUT_REFUSED,
        "A file cannot be read or written.",
        "Check its path, its permissions and the space on the disk.",
    ),
    "E-DEPLOY-003": ErrorEntry(
        INPUT_REFUSED,
        "The chain has no model registry.",
        "Name the node of an Engram chain with --rpc.",
    ),
    "E-DEPLOY-004": ErrorEntry(
        INPUT_REFUSED,
        "The node refused a transaction or a call.",
        "Mend what the message names and run the same command again: it goes on where it stopped.",
    ),
    "E-DEPLOY-005": ErrorEntry(
        LOCAL_FAULT,
        "A transaction was not mined in time, or it failed on chain.",
        "Run the same command again: it goes on where it stopped.",
    ),
    "E-DEPLOY-006": ErrorEntry(
        INPUT_REFUSED,
        "The registry rejected the model for good.",
        "Check the file with `engram model inspect` against the limits of the chain.",
    ),
    "E-DEPLOY-008": ErrorEntry(
        INPUT_REFUSED,
        "The account cannot pay for the upload.",
        "Send it more, or upload from another account.",
    ),
    "E-GENESIS-001": ErrorEntry(
        INPUT_REFUSED,
        "A chain spec is malformed or contradicts itself.",
        "Mend the key that the message names; docs/spec/09-genesis.md lists all keys.",
    ),
    "E-GENESIS-002": ErrorEntry(
        INPUT_REFUSED,
        "A chain spec has a key that no version knows.",
        "Check its spelling; docs/spec/09-genesis.md lists all keys.",
    ),
    "E-GPU-001": ErrorEntry(
        LOCAL_FAULT,
        "There is no card that the gpu backend can use.",
        "Run `engram gpu check`: it says what this machine lacks.",
    ),
    "E-KEY-001": ErrorEntry(
        INPUT_REFUSED,
        "The mnemonic is not valid.",
        "Check its words and their order.",
    ),
    "E-KEY-002": ErrorEntry(
        INPUT_REFUSED,
        "The private key file cannot be read or holds no private key.",
        "Give a file with 64 hex digits and nothing else.",
    ),
    "E-KEY-003": ErrorEntry(
        INPUT_REFUSED,
        "The node does not hold the key of the account.",
        "Sign here with --private-key-file, or name an account that `eth_accounts` lists.",
    ),
    "E-MODEL-001": ErrorEntry(
        INPUT_REFUSED,
        "A file cannot be read, or is too large.",
        "Check the path and the permissions.",
    ),
    "E-MODEL-002": ErrorEntry(
        INPUT_REFUSED,
        "A file is no valid model.",
        "Make one with `engram model import`; the sentence names the first broken rule.",
    ),
    "E-MODEL-003": ErrorEntry(
        INPUT_REFUSED,
        "A network cannot be imported.",
        "Change the node that the sentence names as it says, and export the network again.",
    ),
    "E-MODEL-004": ErrorEntry(
        INPUT_REFUSED,
        "An optional package is needed to read this kind of file.",
        "Run `pip install 'engram-node[import]'`.",
    ),
    "E-MODEL-005": ErrorEntry(
        INPUT_REFUSED,
        "A file holds no arrays, or too many.",
        "Write it with numpy.save (one array) or numpy.savez (one array for each input).",
    ),
    "E-MODEL-006": ErrorEntry(
        INPUT_REFUSED,
        "An input does not fit the model.",
        "Compare it with `engram model inspect`: names, shapes, types and ranges.",
    ),
    "E-MODEL-007": ErrorEntry(
        INPUT_REFUSED,
        "A result cannot be written.",
        "Choose another place with -o.",
    ),
    "E-MODEL-008": ErrorEntry(
        LOCAL_FAULT,
        "This machine could not run the model.",
        "Free memory and run it again; the model and the input are fine.",
    ),
    "E-GENESIS-003": ErrorEntry(
        INPUT_REFUSED,
        "A chain spec gives a system contract's address other code.",
        "Leave that account out of the alloc.",
    ),
    "E-GENESIS-004": ErrorEntry(
        INPUT_REFUSED,
        "A chain spec breaks a genesis check: its limits and prices do not fit together.",
        "Change the limit that the message names.",
    ),
    "E-NET-001": ErrorEntry(
        LOCAL_FAULT,
        "The port is in use.",
        "Stop what uses it, or choose another with --port.",
    ),
    "E-NET-002": ErrorEntry(
        LOCAL_FAULT,
        "There is no node at the address.",
        "Start one with `engram devnet`, or name another with --rpc.",
    ),
    "E-NET-003": ErrorEntry(
        LOCAL_FAULT,
        "What answers at the address is not a JSON-RPC node.",
        "Check the address and the port.",
    ),
    "E-NET-004": ErrorEntry(
        USAGE,
        "The address of the node is malformed.",
        "Write it as http://HOST:PORT.",
    ),
    "E-NET-005": ErrorEntry(
        LOCAL_FAULT,
        "The host or port cannot be bound.",
        "Choose an address of this machine, and a port from 1024 upward.",
    ),
    "E-NET-006": ErrorEntry(
        INPUT_REFUSED,
        "The node is on another chain than the one expected.",
        "Name the node of that chain with --rpc.",
    ),
    "E-STORE-002": ErrorEntry(
        INPUT_REFUSED,
        "A database folder cannot be created or opened as asked.",
        "Name another folder.",
    ),
    "E-STORE-003": ErrorEntry(
        LOCAL_FAULT,
        "The database is damaged, and going back to an older block did not help.",
        "Set the folder aside and import an export into a new data directory.",
    ),
    "E-STORE-004": ErrorEntry(
        LOCAL_FAULT,
        "The disk refused to read or write; nothing acknowledged is lost.",
        "Free space or mend the disk, then start again.",
    ),
    "E-STORE-006": ErrorEntry(
        INPUT_REFUSED,
        "The data directory is in use by another process.",
        "Stop that process, or name another folder with --datadir.",
    ),
    "E-STORE-007": ErrorEntry(
        INPUT_REFUSED,
        "The data directory already holds a chain.",
        "Name an empty folder, or delete the old one if nobody needs it.",
    ),
    "E-STORE-008": ErrorEntry(
        INPUT_REFUSED,
        "There is no chain in the data directory.",
        "Check the path; `engram devnet --datadir DIR` or `engram chain import` makes one.",
    ),
    "E-STORE-009": ErrorEntry(
        INPUT_REFUSED,
        "The folder holds something other than a chain of this program.",
        "Name another folder; this one was left as it was.",
    ),
    "E-STORE-010": ErrorEntry(
        INPUT_REFUSED,
        "The data directory was written in another data format.",
        "Export it with the version that wrote it, then import the file.",
    ),
}


class CliError(Exception):
    """A failure to tell the user about in one sentence.

    Parameters
    ----------
    code : str
        A key of `ERRORS`.
    sentence : str
        What happened and what to do, with the names and figures of this case.
    exit_code : int, optional
        Exit status; the table's when left out.
    """

    def __init__(self, code: str, sentence: str, exit_code: int | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.exit_code = ERRORS[code].exit_code if exit_code is None else exit_code
