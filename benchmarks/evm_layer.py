"""One dense layer as plain EVM bytecode: what a model costs without an inference instruction.

The program copies its int8 weights from its own code to memory and multiplies in two loops.
The sign of a byte at memory position p is read by `SIGNEXTEND(0, MLOAD(p - 31))`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Only the opcodes that the program uses (yellow paper, appendix H).
OPCODES = {
    "ADD": 0x01,
    "MUL": 0x02,
    "SIGNEXTEND": 0x0B,
    "LT": 0x10,
    "CALLDATACOPY": 0x37,
    "CODECOPY": 0x39,
    "POP": 0x50,
    "MLOAD": 0x51,
    "MSTORE": 0x52,
    "JUMPI": 0x57,
    "JUMPDEST": 0x5B,
    "PUSH0": 0x5F,
    "DUP1": 0x80,
    "DUP2": 0x81,
    "DUP3": 0x82,
    "DUP4": 0x83,
    "SWAP1": 0x90,
    "SWAP2": 0x91,
    "RETURN": 0xF3,
}


def assemble(program: str, symbols: dict[str, int]) -> bytes:
    """Translate words to bytes: an opcode, `name:` for a label, or a symbol pushed as 3 bytes."""
    labels: dict[str, int] = {}
    for _ in range(2):  # all pushes have one width, so the second pass sees final labels
        code = bytearray()
        for word in program.split():
            if word.endswith(":"):
                labels[word[:-1]] = len(code)
                code.append(OPCODES["JUMPDEST"])
            elif word in OPCODES:
                code.append(OPCODES[word])
            else:
                value = int(word) if word.isdigit() else {**symbols, **labels}.get(word, 0)
                code += b"\x62" + value.to_bytes(3, "big")
        labels["data"] = len(code)
    return bytes(code)


PROGRAM = """
 inputs PUSH0 x CALLDATACOPY
 weight_bytes data w CODECOPY
 bias_bytes bias_at out CODECOPY
 out w_first
 row:
   DUP2 MLOAD x_first
   cell:
     DUP1 MLOAD PUSH0 SIGNEXTEND DUP4 MLOAD PUSH0 SIGNEXTEND MUL
     DUP3 ADD SWAP2 POP
     1 ADD SWAP2 1 ADD SWAP2
     x_end DUP2 LT cell JUMPI
   POP DUP3 MSTORE
   SWAP1 32 ADD SWAP1
   out_end DUP3 LT row JUMPI
 bias_bytes out RETURN
"""


def dense_bytecode(weights: npt.NDArray[np.int8], bias: npt.NDArray[np.int32]) -> bytes:
    """Return code that maps K int8 bytes of calldata to N sums as 32-byte words.

    weights : int8 (N, K); bias : int32 (N,).
    """
    rows, inputs = weights.shape
    x, w = 32, 32 + inputs
    out = w + rows * inputs
    symbols = {
        "inputs": inputs,
        "x": x,
        "w": w,
        "out": out,
        "weight_bytes": rows * inputs,
        "bias_bytes": 32 * rows,
        "x_first": x - 31,
        "x_end": x - 31 + inputs,
        "w_first": w - 31,
        "out_end": out + 32 * rows,
    }
    length = len(assemble(PROGRAM, symbols))
    program = assemble(PROGRAM, {**symbols, "bias_at": length + rows * inputs})
    words = b"".join((int(value) % 2**256).to_bytes(32, "big") for value in bias)
    return program + weights.tobytes() + words
