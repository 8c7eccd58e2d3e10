"""What `benchmarks.full_block` fills blocks with: loops of instructions, and models.

Each case is a contract that goes on until less gas is left than one more round needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ai_ops.backends.base import Backend
from ai_ops.graph import Model
from ai_ops.merkle import model_id
from ai_ops.model import encode_model
from benchmarks.gas import gas_of, operators
from benchmarks.gas_cases import all_cases, input_of, model_of
from benchmarks.networks import minilm, mobilenet, resnet20
from tests.ai_ops.models import lenet, mlp
from tests.support.chain import Chain
from tests.support.inference import asm
from vm.config import VmConfig
from vm.prices import InferencePrices
from vm.registry.layout import REGISTRY_ADDRESS, STUB_CODE, model_address
from vm.registry.preload import preload
from vm.results import Account

AUTHOR = b"\xa1" * 20
CONTRACT = b"\xc1" * 20
LENET_UNITS = 16
ENOUGH = 2**24
SLACK = 60_000


@dataclass(frozen=True, slots=True)
class Inferences:
    """A model, and the input that it is run on again and again."""

    name: str
    model: Model
    content: bytes
    units: int = 1


def _repeated(*body: object, times: int = 20) -> bytes:
    return asm("JUMPDEST", *body * times, 1_000 * times, "GAS", b"\x11", 0, "JUMPI", "STOP")


def instructions() -> dict[str, bytes]:
    """Loops of cheap instructions of different kinds, by name."""
    return {
        "multiplications": _repeated(3, 5, "MUL", "POP"),
        "pushes": _repeated(3, "POP"),
        "labels": _repeated("JUMPDEST", times=200),
        "jumps": asm("JUMPDEST", 200, "GAS", b"\x11", 0, "JUMPI", "STOP"),
        "hashes": _repeated(32, 0, b"\x20", "POP"),
        "subtractions": _repeated(7, 3, b"\x03", "POP"),
        "words of memory": _repeated(3, 0, "MSTORE", 0, "MLOAD", "POP"),
        "copies in memory": _repeated(32, 0, 0, "MCOPY"),
        "copies of code": _repeated(32, 0, 0, b"\x39"),
        "balances": _repeated(3, "BALANCE", "POP"),
        "storage": _repeated("GAS", 0, "SSTORE", 0, "SLOAD", "POP", times=5),
        "calls": _repeated(0, 0, 0, 0, 0x1234, "GAS", "STATICCALL", "POP", times=5),
    }


def networks() -> Iterator[Inferences]:
    """Networks of the usual kinds, and the smallest one: there the call costs more than the run."""
    yield Inferences("mlp", mlp(), bytes(8))
    yield Inferences("lenet", lenet(), _random(lenet(), LENET_UNITS), LENET_UNITS)
    for build in (resnet20, mobilenet, minilm):
        model = build()
        yield Inferences(model.manifest.name, model, _random(model, 1))


def costliest(backend: Backend, count: int) -> list[Inferences]:
    """Measure every case of `benchmarks.gas` and return the worst of as many operators."""
    prices = dict(InferencePrices().cost_class_q16)
    worst: dict[str, tuple[float, str]] = {}
    for operator, shape, spent, counts in operators(backend, set()):
        rate = spent / gas_of(counts, prices)
        worst[operator] = max(worst.get(operator, (0.0, "")), (rate, shape))
    chosen = sorted(worst.items(), key=lambda item: -item[1][0])[:count]
    return [_case(operator, shape) for operator, (_, shape) in chosen]


def _case(operator: str, shape: str) -> Inferences:
    model = next(model_of(case) for case in all_cases() if case[:2] == (operator, shape))
    return Inferences(f"{operator} {shape}", model, input_of(model))


def _random(model: Model, units: int) -> bytes:
    random = np.random.default_rng(3)
    return b"".join(
        random.integers(port.minimum, port.maximum, port.type.elements(units), endpoint=True)
        .astype(port.dtype.numpy)
        .tobytes()
        for port in model.manifest.inputs
    )


def instruction_chain(code: bytes) -> Chain:
    """Return a chain with a contract of this code."""
    return Chain({CONTRACT: Account(code=code, nonce=1)})


def inference_chain(config: VmConfig, case: Inferences) -> Chain:
    """Return a chain with the model active since genesis and a contract that runs it."""
    data = encode_model(case.model)
    made = preload(config, ((AUTHOR, data),))
    model = model_address(AUTHOR, model_id(data))
    output = sum(port.type.size(case.units) for port in case.model.manifest.outputs)

    def chain(need: int) -> Chain:
        code = infer_loop(model, case.content, output, need)
        result = Chain(
            {
                REGISTRY_ADDRESS: Account(code=STUB_CODE, storage=made.storage),
                CONTRACT: Account(code=code, nonce=1),
            },
            limits=config.limits,
            prices=config.prices,
        )
        result.store.update(made.chunks)
        return result

    return chain(_need(chain))


def _need(chain: Callable[[int], Chain]) -> int:
    """Return what one run takes at most: the first one, with its cold load."""
    (record,) = chain(2**40).call(to=CONTRACT, gas=ENOUGH).inferences
    return record.gas + SLACK


def infer_loop(model: bytes, content: bytes, output: int, need: int) -> bytes:
    """Copy the input from the code to memory and run the model on it while `need` gas is left.

    An import without results from ahead runs each call, though all have one input.
    """
    size = len(content)
    number = int.from_bytes(model, "big")

    def head(start: int) -> bytes:
        return asm(size, b"\x62" + start.to_bytes(3, "big"), 0, b"\x39")

    label = len(head(0))
    loop = asm(
        "JUMPDEST", output, size, size, 0, number, "INFER", "POP",
        need, "GAS", b"\x11", label, "JUMPI", "STOP",
    )  # fmt: skip
    return head(label + len(loop)) + loop + content
