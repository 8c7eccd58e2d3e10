// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {EngramLib} from "../../genesis/contracts/EngramLib.sol";
import {IInference} from "../../genesis/contracts/IEngram.sol";

/// @title Reads handwritten digits with a neural network, and acts on what it reads.
/// @notice An image is 784 bytes, row by row: round(pixel * 127 / 255) with white ink on black.
contract Digits {
    IInference constant AI = IInference(0x000000000000000000000000000000000000A110);
    address public immutable model;

    /// @notice The digit that each sender last submitted, and how often each digit came in all.
    mapping(address => uint8) public digitOf;
    uint256[10] public tally;

    event DigitRead(address indexed sender, uint8 indexed digit, int8 score, bytes32 image);

    constructor(address model_) {
        model = model_;
    }

    /// @notice Read an image; free when called by `eth_call`.
    /// @return digit The class with the highest score; of equal ones the lowest.
    /// @return score Its score, -128 to 127, in steps of the model's output scale.
    function classify(bytes calldata image) public view returns (uint8 digit, int8 score) {
        bytes memory scores = AI.infer(model, image);
        digit = uint8(EngramLib.argmax(scores));
        score = EngramLib.int8At(scores, digit);
    }

    /// @notice Read an image in a transaction: remember the digit, count it, tell the world.
    function submit(bytes calldata image) external returns (uint8 digit, int8 score) {
        (digit, score) = classify(image);
        digitOf[msg.sender] = digit;
        tally[digit] += 1;
        emit DigitRead(msg.sender, digit, score, keccak256(image));
    }
}
