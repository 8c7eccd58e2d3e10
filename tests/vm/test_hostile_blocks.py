"""Random damage to a block: a verdict, or another valid block, and nothing else."""

from __future__ import annotations

import random
from dataclasses import fields

from tests.spec.block_chain import run, start
from vm.blocks import Block
from vm.errors import InvalidBlock

SEED = 8_181
ROUNDS = 400
# A proposer may choose these as far as this package is concerned; consensus fixes them.
FREE = {"prev_randao", "extra_data", "gas_limit"}


def test_a_damaged_block_gets_a_verdict_and_never_crashes_the_node() -> None:
    print("seed", SEED)
    rng = random.Random(SEED)
    chain = start()
    first = dict(chain.store)
    run(chain)
    chain.store = first
    block = chain.blocks[1].block
    data = block.encode()
    chain.headers = chain.headers[:1]
    verdicts = 0
    for _ in range(ROUNDS):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            place = rng.randrange(len(damaged))
            action = rng.randrange(3)
            if action == 0:
                damaged[place] ^= 1 << rng.randrange(8)
            elif action == 1:
                del damaged[place : place + rng.randrange(1, 9)]
            else:
                damaged[place:place] = rng.randbytes(rng.randrange(1, 9))
        if bytes(damaged) == data:
            continue
        try:
            accepted = chain.import_block(Block.decode(bytes(damaged))).block
        except InvalidBlock:
            verdicts += 1
            continue
        differing = {
            field.name
            for field in fields(accepted.header)
            if getattr(accepted.header, field.name) != getattr(block.header, field.name)
        }
        assert differing <= FREE, damaged.hex()
        assert accepted.hash != block.hash
    assert verdicts > ROUNDS * 9 // 10
