"""The instructions and precompiles that Engram adds to Ethereum's: the one table of each.

A fork merges them into py-evm's when the chain spec has AI on.
"""

from __future__ import annotations

from collections.abc import Callable

from eth.abc import ComputationAPI, OpcodeAPI
from eth.vm.opcode import as_opcode
from eth_typing import Address

from vm.instructions.contract import inference_precompile
from vm.instructions.infer import infer
from vm.instructions.inferarray import inferarray
from vm.instructions.inferdata import inferdata
from vm.instructions.modelgas import modelgas
from vm.registry.contract import registry_precompile
from vm.registry.layout import INFERENCE_ADDRESS, REGISTRY_ADDRESS

# 0xc3 stays free for GENERATE. All gas is charged inside: prices are genesis parameters.
OPCODES: dict[int, OpcodeAPI] = {
    0xC0: as_opcode(logic_fn=infer, mnemonic="INFER", gas_cost=0),
    0xC1: as_opcode(logic_fn=inferarray, mnemonic="INFERARRAY", gas_cost=0),
    0xC2: as_opcode(logic_fn=inferdata, mnemonic="INFERDATA", gas_cost=0),
    0xC4: as_opcode(logic_fn=modelgas, mnemonic="MODELGAS", gas_cost=0),
}

PRECOMPILES: dict[Address, Callable[[ComputationAPI], ComputationAPI]] = {
    Address(REGISTRY_ADDRESS): registry_precompile,
    Address(INFERENCE_ADDRESS): inference_precompile,
}
