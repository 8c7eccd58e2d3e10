"""The `engram` command: a literal table of commands, each imported only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Final, NoReturn, cast

from node.errors import ERRORS, INTERRUPTED, LOCAL_FAULT, USAGE, CliError
from node.version import VERSION

DESCRIPTION: Final = """\
Engram: an Ethereum-compatible chain whose contracts can call neural networks.

Any Ethereum tool drives it (web3.py, ethers, MetaMask); every validator re-executes every
inference bit for bit."""

EPILOG: Final = """\
first steps:
  engram devnet --demo                      a chain on 127.0.0.1:8545 with a digit model
  engram model import net.onnx --calibration samples.npz -o net.egm
  engram model deploy net.egm --rpc http://127.0.0.1:8545
  engram chain export --datadir DIR -o backup.engram

`engram COMMAND --help` explains one command. Errors carry a code listed in docs/errors.md.
exit codes: 0 done, 1 the answer is no, 2 usage, 3 input refused, 4 local fault, 130 interrupted"""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: the words that name it, the module that does it, its line in --help.

    The module has `add_parser(subparsers)`, which adds exactly the parser named by the last
    word, and `run(args) -> int`, which returns the exit code. It is imported only when the
    command is called, and keeps its own heavy imports inside `run`.
    """

    words: str
    module: str
    summary: str


GROUPS: Final[dict[str, str]] = {
    "chain": "export, import and verify chains",
    "gpu": "verify and time the gpu backend",
    "model": "import, inspect, run and deploy models",
}

COMMANDS: Final[tuple[Command, ...]] = (
    Command("chain export", "node.commands.chain_export", "write a chain to one file"),
    Command("chain import", "node.commands.chain_import", "execute and keep an exported chain"),
    Command("chain verify", "node.commands.chain_verify", "execute a stored chain again"),
    Command("devnet", "node.commands.devnet", "start a development chain on this machine"),
    Command("gpu bench", "node.commands.gpu_bench", "time the gpu backend on a card"),
    Command("gpu check", "node.commands.gpu_check", "verify the gpu backend on this machine"),
    Command("model deploy", "node.commands.model_deploy", "put a model on a chain"),
    Command("model import", "node.commands.model_import", "turn a float network into a model"),
    Command("model inspect", "node.commands.model_inspect", "show what is in a model file"),
    Command("model list", "node.commands.model_list", "list the models of a chain"),
    Command("model run", "node.commands.model_run", "run a model on an input file"),
    Command("version", "node.commands.version", "print the version"),
)


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print the complaint and where to read more, and exit with 2."""
        self.exit(USAGE, f"{self.prog}: {message}; see `{self.prog} --help`.\n")


def _wanted(argv: Sequence[str]) -> Command | None:
    """Return the command that the leading words of `argv` name, if any."""
    words = [word for word in argv if word != "--debug"]
    for command in COMMANDS:
        named = command.words.split()
        if words[: len(named)] == named:
            return command
    return None


def _add_debug(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="print the traceback of a failure",
    )


def build_parser(wanted: Command | None) -> tuple[Parser, ModuleType | None]:
    """Return the parser, in which only `wanted` is filled in, and the module of `wanted`."""
    raw = argparse.RawDescriptionHelpFormatter
    root = Parser(
        prog="engram",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=raw,
        allow_abbrev=False,
    )
    _add_debug(root)
    root.add_argument("--version", action="version", version=f"engram {VERSION}")
    verbs = root.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="verb")
    groups = {}
    module = None
    for command in sorted(COMMANDS, key=lambda row: row.words):
        group, _, name = command.words.rpartition(" ")
        if group and group not in groups:
            about = GROUPS[group]
            sentence = about[0].upper() + about[1:] + "."
            parent = verbs.add_parser(group, help=about, description=sentence)
            groups[group] = parent.add_subparsers(
                title="commands", metavar="COMMAND", required=True, dest="action"
            )
        target = groups[group] if group else verbs
        if command is wanted:
            module = importlib.import_module(command.module)
            module.add_parser(target)
            # A mistyped option must not become a longer one: --data is no --datadir.
            target.choices[name].allow_abbrev = False
            _add_debug(target.choices[name])
        else:
            target.add_parser(name, help=command.summary)
    return root, module


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after `engram`; those of the process when left out.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    try:
        wanted = _wanted(words)
        parser, module = build_parser(wanted)
        args, unknown = parser.parse_known_args(words)
        if unknown:
            parser.prog = f"engram {wanted.words}" if wanted else "engram"
            parser.error(f"unknown argument {' '.join(unknown)}")
        if module is None:
            # Reached only through an option before the verb that argparse accepted.
            parser.error("put options after the command")
        return cast("Callable[[argparse.Namespace], int]", module.run)(args)
    except CliError as error:
        if debug:
            raise
        return _complain(error.code, error.sentence, error.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left; a second complaint at interpreter exit helps nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return LOCAL_FAULT
    except Exception as error:
        if debug:
            raise
        cause = _innermost(error)
        # The errors of storage, genesis and chain carry the code of their row themselves.
        code = getattr(cause, "code", None)
        if isinstance(code, str) and code in ERRORS and code != "E-BUG-001":
            return _complain(code, _advised(str(cause), code), ERRORS[code].exit_code)
        what = " ".join(f"{type(cause).__name__}: {cause}".split())
        return _complain(
            "E-BUG-001", f"Unexpected failure ({what}); {_remedy('E-BUG-001')}", LOCAL_FAULT
        )


def _innermost(error: BaseException) -> BaseException:
    """Return the one error inside the groups that concurrent tasks wrap around it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _advised(text: str, code: str) -> str:
    """Make a sentence of what happened, with the table's remedy when it names none itself."""
    line = " ".join(text.split()).removesuffix(".")
    if ";" not in line:
        line += "; " + _remedy(code).removesuffix(".")
    return line[:1].upper() + line[1:] + "."


def _remedy(code: str) -> str:
    remedy = ERRORS[code].remedy
    return remedy[0].lower() + remedy[1:]


def _complain(code: str, sentence: str, exit_code: int) -> int:
    print(f"engram: {code}: {sentence}", file=sys.stderr)
    return exit_code
