"""Compile the contracts of these tests: `python -m tests.vm.contracts.compile`.

The compilers are named by the variables SOLCJS and VYPER, else found on the PATH. The artifacts
hold runtime code without metadata, so the bytes depend on the sources and the compiler alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parents[2] / "genesis" / "contracts"
ARTIFACTS = HERE / "artifacts.json"
EVM_VERSION = "prague"
TIMEOUT_SECONDS = 120


def compiler(variable: str, name: str) -> str | None:
    return shutil.which(os.environ.get(variable, name))


def run(command: list[str], text: str | None = None) -> str:
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS
    )
    return done.stdout


def standard_json(solcjs: str, language: str, *sources: Path) -> dict[str, Any]:
    job = {
        "language": language,
        "sources": {path.name: {"content": path.read_text()} for path in sources},
        "settings": {
            "evmVersion": EVM_VERSION,
            "optimizer": {"enabled": True, "runs": 200},
            "outputSelection": {"*": {"*": ["evm.deployedBytecode.object", "evm.bytecode.object"]}},
        },
    }
    if language == "Solidity":
        job["settings"]["metadata"] = {"bytecodeHash": "none", "appendCBOR": False}  # type: ignore[index]
    output = run([solcjs, "--standard-json"], json.dumps(job))
    result: dict[str, Any] = json.loads(output[output.index("{") :])
    problems = [e["formattedMessage"] for e in result.get("errors", [])]
    if problems:
        sys.exit("\n".join(problems))
    contracts: dict[str, Any] = result["contracts"]
    return contracts


def solidity(solcjs: str) -> dict[str, str]:
    sources = HERE / "Caller.sol", SHIPPED / "EngramLib.sol", SHIPPED / "IEngram.sol"
    contracts = standard_json(solcjs, "Solidity", *sources)
    caller = contracts["Caller.sol"]["Caller"]["evm"]["deployedBytecode"]["object"]
    opcodes = standard_json(solcjs, "Yul", SHIPPED / "EngramOpcodes.yul")
    (made,) = opcodes["EngramOpcodes.yul"].values()
    return {"Caller.sol": caller, "EngramOpcodes.yul": made["evm"]["deployedBytecode"]["object"]}


def vyper(command: str) -> dict[str, str]:
    options = ["--no-bytecode-metadata", "--evm-version", EVM_VERSION, "-f", "bytecode_runtime"]
    code = run([command, "-p", str(SHIPPED), *options, str(HERE / "caller.vy")])
    return {"caller.vy": code.strip().removeprefix("0x")}


COMPILERS = {"SOLCJS": ("solcjs", solidity), "VYPER": ("vyper", vyper)}


def main() -> None:
    made: dict[str, str] = {}
    for variable, (name, build) in COMPILERS.items():
        found = compiler(variable, name)
        if found is None:
            sys.exit(f"{name} is not on the PATH; install it or set {variable}")
        made |= build(found)
    ARTIFACTS.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
