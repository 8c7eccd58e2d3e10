// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.4;

/// @title Runs models of the registry inside a call.
/// @notice At 0x000000000000000000000000000000000000a110. A failure reverts with one of the errors
/// and returns the unused gas; running out of gas consumes the gas of the call. A call costs gas
/// only: it moves no value, and `eth_call` runs it for free.
interface IInference {
    /// @notice The model is unknown (0), in creation (1) or rejected (4).
    error ModelNotCallable(address model, uint8 status);
    /// @notice The input has a length that the model does not take; `want` is the length for n = 1.
    error InputSize(uint256 got, uint256 want);
    /// @notice The input was refused: 503 value out of range, 603 data object not listed.
    error InferenceFailed(uint16 code);

    /// @param input The model's inputs one after another, little-endian, row by row.
    /// @return output Its outputs in the same form.
    function infer(address model, bytes calldata input) external view returns (bytes memory output);

    /// @notice One `infer` after another; the first that fails reverts all.
    function inferBatch(address model, bytes[] calldata inputs)
        external
        view
        returns (bytes[] memory outputs);

    /// @notice The input is a data object put on chain with `IModelRegistry.putData`.
    function inferData(address model, bytes32 dataId) external view returns (bytes memory output);

    /// @notice Gas that `infer` needs now, author fee included, without the 1/64 that calls hold
    /// back; 0 when the model is not callable or takes no input of that size.
    function gasOf(address model, uint256 inputSize) external view returns (uint256);
}

/// @title Keeps the models and their weights.
/// @notice At 0x000000000000000000000000000000000000a100.
/// Status: 0 unknown, 1 created, 2 active, 3 deprecated (still callable), 4 rejected.
interface IModelRegistry {
    event ModelCreated(
        address indexed model, bytes32 indexed modelId, address indexed author, uint256 size
    );
    event ModelActivated(address indexed model, uint256 macs);
    event ModelRejected(address indexed model, uint16 code);
    event FeeChanged(address indexed model, uint256 feeGas, uint256 effectiveBlock);
    event PayeeChanged(address indexed model, address payee, uint256 effectiveBlock);
    event AuthorTransferred(address indexed model, address indexed from, address indexed to);
    event ModelDeprecated(address indexed model);

    /// @param header modelId (32 bytes), size (8 bytes, big-endian), leaf digests (32 bytes each).
    function createModel(bytes calldata header) external returns (address model);
    function putChunk(address model, uint256 index, bytes calldata data) external;
    function activate(address model) external;
    function putData(bytes calldata data) external returns (bytes32 dataId);

    function missing(address model, uint256 start, uint256 limit)
        external
        view
        returns (uint256[] memory indexes);
    function info(address model)
        external
        view
        returns (
            bytes32 modelId,
            address author,
            address payee,
            uint8 status,
            uint256 size,
            uint256 chunks,
            uint256 feeGas,
            uint256 macs
        );
    function io(address model)
        external
        view
        returns (uint256 inputSize, uint256 outputSize, uint256 inputPerUnit, uint256 maxUnits);
    function manifest(address model) external view returns (bytes memory);
    function chunkDigest(address model, uint256 index) external view returns (bytes32);
    function modelCount() external view returns (uint256);
    function modelAt(uint256 index) external view returns (address);

    function setFee(address model, uint256 feeGas) external;
    function setPayee(address model, address payee) external;
    function transferAuthor(address model, address to) external;
    function deprecate(address model) external;
}

IInference constant INFERENCE = IInference(0x000000000000000000000000000000000000A110);
IModelRegistry constant MODEL_REGISTRY = IModelRegistry(0x000000000000000000000000000000000000A100);
