"""Compile the two contracts into the artifacts that ship with the node.

    npm install solc && pip install vyper     (anywhere; neither is needed to run the node)
    python examples/digits/compile.py

`solcjs` and `vyper` are taken from the variables SOLCJS and VYPER, else from the PATH. The
artifacts hold ABI and bytecode, so `engram devnet --demo` deploys them without a compiler.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ARTIFACTS = ROOT / "genesis" / "contracts" / "artifacts"
SOURCES = (
    "examples/digits/Digits.sol",
    "genesis/contracts/EngramLib.sol",
    "genesis/contracts/IEngram.sol",
)
EVM_VERSION = "prague"


def compiler(variable, name):
    """Return the path of a compiler, or None."""
    return shutil.which(os.environ.get(variable, name))


def run(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr or done.stdout}")
    return done.stdout


def solidity(solcjs):
    """Compile Digits.sol; without a metadata hash, so the bytes depend on the code alone."""
    settings = {
        "evmVersion": EVM_VERSION,
        "optimizer": {"enabled": True, "runs": 200},
        "metadata": {"bytecodeHash": "none", "appendCBOR": False},
        "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "metadata"]}},
    }
    sources = {name: {"content": (ROOT / name).read_text()} for name in SOURCES}
    job = {"language": "Solidity", "sources": sources, "settings": settings}
    output = run([solcjs, "--standard-json"], json.dumps(job))
    result = json.loads(output[output.index("{") :])
    problems = [e["formattedMessage"] for e in result.get("errors", [])]
    if problems:
        sys.exit("\n".join(problems))
    contract = result["contracts"][SOURCES[0]]["Digits"]
    version = json.loads(contract["metadata"])["compiler"]["version"]
    return {
        "contractName": "Digits",
        "source": SOURCES[0],
        "compiler": f"solc {version}",
        "evmVersion": EVM_VERSION,
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
    }


def vyper(command):
    """Compile digits.vy; without metadata, like the other."""
    options = ["--no-bytecode-metadata", "--evm-version", EVM_VERSION, "-f", "abi,bytecode"]
    abi, bytecode = run([command, *options, str(HERE / "digits.vy")]).splitlines()
    version = run([command, "--version"]).partition("+")[0].strip()
    return {
        "contractName": "DigitsVyper",
        "source": "examples/digits/digits.vy",
        "compiler": f"vyper {version}",
        "evmVersion": EVM_VERSION,
        "abi": json.loads(abi),
        "bytecode": bytecode,
    }


COMPILERS = {
    "Digits": ("SOLCJS", "solcjs", solidity),
    "DigitsVyper": ("VYPER", "vyper", vyper),
}


def compiled(name):
    """Return an artifact, or None when its compiler is not installed."""
    variable, command, build = COMPILERS[name]
    found = compiler(variable, command)
    return None if found is None else build(found)


def main():
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    for name, (variable, command, _) in COMPILERS.items():
        artifact = compiled(name)
        if artifact is None:
            sys.exit(f"{command} is not on the PATH; install it or set {variable}")
        path = ARTIFACTS / f"{name}.json"
        path.write_text(json.dumps(artifact, indent=2) + "\n")
        print(f"{path.relative_to(ROOT)}  {len(artifact['bytecode']) // 2 - 1} bytes")


if __name__ == "__main__":
    main()
