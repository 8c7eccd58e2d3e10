# pragma version ~=0.4.3
# pragma evm-version prague
# SPDX-License-Identifier: Apache-2.0

import IEngram

# The same call with bounds that fit the model.
interface Small:
    def infer(model: address, input: Bytes[64]) -> Bytes[64]: view

AI: constant(IEngram) = IEngram(0x000000000000000000000000000000000000A110)

last: public(Bytes[64])


@external
def classify(model: address, input: Bytes[64]) -> Bytes[64]:
    self.last = staticcall Small(AI.address).infer(model, input)
    return self.last


@external
@view
def whole(model: address, input: Bytes[64]) -> Bytes[65536]:
    return staticcall AI.infer(model, input)


@external
@view
def price(model: address, size: uint256) -> uint256:
    return staticcall AI.gasOf(model, size)


@external
@view
def data(model: address, dataId: bytes32) -> Bytes[65536]:
    return staticcall AI.inferData(model, dataId)


@external
@view
def tryInfer(model: address, input: Bytes[64]) -> (bool, Bytes[128]):
    return raw_call(
        AI.address,
        abi_encode(model, input, method_id=method_id("infer(address,bytes)")),
        max_outsize=128,
        is_static_call=True,
        revert_on_failure=False,
    )
