// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.4;

/// @title Reads the bytes that a model answers.
/// @notice Tensors are little-endian; a model's manifest says which type its output has.
library EngramLib {
    error OutOfBounds(uint256 index, uint256 length);

    /// @notice Element `index` of an int8 tensor.
    function int8At(bytes memory tensor, uint256 index) internal pure returns (int8) {
        if (index >= tensor.length) revert OutOfBounds(index, tensor.length);
        return int8(uint8(tensor[index]));
    }

    /// @notice Element `index` of an int32 tensor.
    function int32At(bytes memory tensor, uint256 index) internal pure returns (int32) {
        uint256 start = index * 4;
        if (start + 4 > tensor.length) revert OutOfBounds(index, tensor.length / 4);
        uint32 value = uint32(uint8(tensor[start])) | uint32(uint8(tensor[start + 1])) << 8
            | uint32(uint8(tensor[start + 2])) << 16 | uint32(uint8(tensor[start + 3])) << 24;
        return int32(value);
    }

    /// @notice Index of the largest element of an int8 tensor; of equal ones the lowest.
    function argmax(bytes memory tensor) internal pure returns (uint256 best) {
        for (uint256 i = 1; i < tensor.length; i++) {
            if (int8At(tensor, i) > int8At(tensor, best)) best = i;
        }
    }

    /// @notice Index of the largest element of an int32 tensor; of equal ones the lowest.
    function argmax32(bytes memory tensor) internal pure returns (uint256 best) {
        for (uint256 i = 1; i * 4 < tensor.length; i++) {
            if (int32At(tensor, i) > int32At(tensor, best)) best = i;
        }
    }

    /// @notice An int8 tensor as an array.
    function toInt8(bytes memory tensor) internal pure returns (int8[] memory values) {
        values = new int8[](tensor.length);
        for (uint256 i = 0; i < tensor.length; i++) values[i] = int8(uint8(tensor[i]));
    }
}
