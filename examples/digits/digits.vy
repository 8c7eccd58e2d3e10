# pragma version ~=0.4.3
# pragma evm-version prague
"""
@title Reads handwritten digits with a neural network, and acts on what it reads.
@license Apache-2.0
@notice An image is 784 bytes, row by row: round(pixel * 127 / 255) with white ink on black.
"""

interface IInference:
    def infer(model: address, input: Bytes[784]) -> Bytes[10]: view

event DigitRead:
    sender: indexed(address)
    digit: indexed(uint8)
    score: int8
    image: bytes32

AI: constant(IInference) = IInference(0x000000000000000000000000000000000000A110)
model: public(immutable(address))

# The digit that each sender last submitted, and how often each digit came in all.
digitOf: public(HashMap[address, uint8])
tally: public(uint256[10])


@deploy
def __init__(model_: address):
    model = model_


@internal
@view
def _read(image: Bytes[784]) -> (uint8, int8):
    scores: Bytes[10] = staticcall AI.infer(model, image)
    digit: uint8 = 0
    score: int8 = min_value(int8)
    for i: uint256 in range(len(scores), bound=10):
        # A byte above 127 is a negative score.
        candidate: int256 = convert(slice(scores, i, 1), int256)
        if candidate > 127:
            candidate -= 256
        if candidate > convert(score, int256):
            digit = convert(i, uint8)
            score = convert(candidate, int8)
    return digit, score


@external
@view
def classify(image: Bytes[784]) -> (uint8, int8):
    """
    @notice Read an image; free when called by `eth_call`.
    @return The class with the highest score (of equal ones the lowest), and its score.
    """
    return self._read(image)


@external
def submit(image: Bytes[784]) -> (uint8, int8):
    """
    @notice Read an image in a transaction: remember the digit, count it, tell the world.
    """
    digit: uint8 = 0
    score: int8 = 0
    digit, score = self._read(image)
    self.digitOf[msg.sender] = digit
    self.tally[digit] += 1
    log DigitRead(sender=msg.sender, digit=digit, score=score, image=keccak256(image))
    return digit, score
