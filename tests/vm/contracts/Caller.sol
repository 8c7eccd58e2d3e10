// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {EngramLib} from "EngramLib.sol";
import {IInference, INFERENCE, MODEL_REGISTRY} from "IEngram.sol";

/// @notice Every way in which a stock Solidity contract meets a model.
contract Caller {
    using EngramLib for bytes;

    uint256 public last;
    bytes public stored;
    int8[] public packed;
    bytes32 private guard;

    function classify(address model, bytes calldata input) external returns (uint256) {
        last = INFERENCE.infer(model, input).argmax();
        return last;
    }

    function values(address model, bytes calldata input) external view returns (int8[] memory) {
        return INFERENCE.infer(model, input).toInt8();
    }

    function batch(address model, bytes[] calldata inputs) external view returns (bytes[] memory) {
        return INFERENCE.inferBatch(model, inputs);
    }

    function data(address model, bytes32 dataId) external view returns (bytes memory) {
        return INFERENCE.inferData(model, dataId);
    }

    /// @notice Catches each error; answers its name, two numbers, and 0 when none came.
    function tryInfer(address model, bytes calldata input)
        external
        view
        returns (bytes32 name, uint256 one, uint256 two)
    {
        try INFERENCE.infer(model, input) returns (bytes memory) {
            return ("", 0, 0);
        } catch (bytes memory reason) {
            bytes4 selector = bytes4(reason);
            if (selector == IInference.InputSize.selector) {
                (one, two) = abi.decode(_tail(reason), (uint256, uint256));
                return ("InputSize", one, two);
            }
            if (selector == IInference.ModelNotCallable.selector) {
                (address who, uint8 status) = abi.decode(_tail(reason), (address, uint8));
                return ("ModelNotCallable", uint160(who), status);
            }
            if (selector == IInference.InferenceFailed.selector) {
                return ("InferenceFailed", abi.decode(_tail(reason), (uint16)), 0);
            }
            return ("halt", reason.length, 0);
        }
    }

    function exactGas(address model, bytes calldata input) external view returns (bytes memory) {
        return INFERENCE.infer{gas: INFERENCE.gasOf(model, input.length)}(model, input);
    }

    function shortGas(address model, bytes calldata input) external view returns (bool success) {
        uint256 short = INFERENCE.gasOf(model, input.length) - 1;
        (success,) = address(INFERENCE).staticcall{gas: short}(
            abi.encodeCall(IInference.infer, (model, input))
        );
    }

    function inferThenRevert(address model, bytes calldata input) external view {
        INFERENCE.infer(model, input);
        revert("after the inference");
    }

    /// @notice Runs a model, calls back into the caller, and runs it again.
    function reenter(address model, bytes calldata input, bytes calldata callback)
        external
        returns (bool same)
    {
        bytes memory before = INFERENCE.infer(model, input);
        (bool called,) = msg.sender.call(callback);
        require(called, "callback failed");
        return keccak256(before) == keccak256(INFERENCE.infer(model, input));
    }

    function store(bytes calldata content) external {
        stored = content;
        delete packed;
        for (uint256 i = 0; i < content.length; i++) packed.push(int8(uint8(content[i])));
    }

    /// @notice INFERARRAY on this contract's own storage, as solc lays it out.
    function inferStored(address opcodes, address model, bool usePacked) external returns (bytes memory) {
        uint256 slot;
        if (usePacked) {
            assembly { slot := packed.slot }
        } else {
            assembly { slot := stored.slot }
        }
        return _opcode(opcodes, abi.encodePacked(hex"c1", abi.encode(model, slot, usePacked ? 1 : 0)));
    }

    function opcode(address opcodes, bytes calldata call) external returns (bytes memory) {
        return _opcode(opcodes, call);
    }

    function stubs() external view returns (uint256, uint256) {
        return (address(INFERENCE).code.length, address(MODEL_REGISTRY).code.length);
    }

    function upload(bytes calldata header, bytes calldata chunk) external returns (address model) {
        model = MODEL_REGISTRY.createModel(header);
        MODEL_REGISTRY.putChunk(model, 0, chunk);
        MODEL_REGISTRY.activate(model);
        INFERENCE.infer(model, new bytes(8));
    }

    function _opcode(address opcodes, bytes memory call) private returns (bytes memory) {
        (bool success, bytes memory output) = opcodes.delegatecall(call);
        if (!success) {
            assembly { revert(add(output, 32), mload(output)) }
        }
        return output;
    }

    function _tail(bytes memory reason) private pure returns (bytes memory tail) {
        tail = new bytes(reason.length - 4);
        for (uint256 i = 0; i < tail.length; i++) tail[i] = reason[i + 4];
    }
}
