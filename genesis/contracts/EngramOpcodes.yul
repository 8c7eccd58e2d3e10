// SPDX-License-Identifier: Apache-2.0
//
// The inference opcodes for contracts in Solidity or Vyper, which have no inline access to them:
// DELEGATECALL this contract, and INFERARRAY reads the caller's storage.
//
// Call data: one byte that names the opcode, then its operands as 32-byte words:
//
//   c0  model, input bytes to the end of the call data
//   c1  model, slot, layout
//   c2  model, data id
//   c4  model, input size
//
// Answer: the output (c4: the gas as a word); a failure reverts with the opcode's error.
object "EngramOpcodes" {
    code {
        datacopy(0, dataoffset("runtime"), datasize("runtime"))
        return(0, datasize("runtime"))
    }
    object "runtime" {
        code {
            let model := calldataload(1)
            let success := 0
            switch byte(0, calldataload(0))
            case 0xc0 {
                let size := sub(calldatasize(), 33)
                calldatacopy(0, 33, size)
                success := verbatim_5i_1o(hex"c0", model, 0, size, 0, 0)
            }
            case 0xc1 {
                success := verbatim_5i_1o(
                    hex"c1", model, calldataload(33), calldataload(65), 0, 0
                )
            }
            case 0xc2 {
                success := verbatim_4i_1o(hex"c2", model, calldataload(33), 0, 0)
            }
            case 0xc4 {
                mstore(0, verbatim_2i_1o(hex"c4", model, calldataload(33)))
                return(0, 32)
            }
            returndatacopy(0, 0, returndatasize())
            if success { return(0, returndatasize()) }
            revert(0, returndatasize())
        }
    }
}
