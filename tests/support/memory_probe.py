"""Measure the peak memory of every case on one backend: one line of JSON each.

`python -m tests.support.memory_probe BACKEND SCALE`, in a process of its own.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable

from ai_ops.backends import select_backend
from ai_ops.backends.base import Backend
from ai_ops.executor import load
from ai_ops.graph import Model
from ai_ops.memory import memory_bound
from ai_ops.model import decode_model, encode_model, head_of
from ai_ops.native.memory import POOL
from ai_ops.validate import DEFAULT_LIMITS, validate
from tests.support.memory import resident_peak, traced_peak
from tests.support.memory_cases import input_at, memory_cases


def whole_life(data: bytes, backend: Backend, given: bytes, n: int) -> Callable[[], object]:
    """Decode, validate, load and run: what a node does from a model's bytes on."""

    def work() -> object:
        model = decode_model(data)
        facts = validate(head_of(model), len(data), DEFAULT_LIMITS)
        return load(model, facts, backend).run(given, n)

    return work


def forget_arenas() -> None:
    POOL._idle.clear()
    POOL._kept = 0


def measure(name: str, model: Model, n: int, backend: Backend, bound: str) -> dict[str, object]:
    data, given = encode_model(model), input_at(model, n)
    facts = validate(head_of(model), len(data), DEFAULT_LIMITS)
    work = whole_life(data, backend, given, n)
    traced = traced_peak(work)  # it compiles the loops too
    forget_arenas()
    return {
        "case": name,
        "live": facts.live_bytes,
        "bound": memory_bound(bound, model, facts),
        "traced": traced,
        "resident": resident_peak(work),
    }


def main() -> None:
    name, scale = sys.argv[1], int(sys.argv[2])
    backend = select_backend(name)
    gc.freeze()  # a compiler's objects need not be looked through before every case
    bound = "native" if backend.name.startswith("native") else backend.name
    for case, model, n in memory_cases(scale):
        print(json.dumps(measure(case, model, n, backend, bound)), flush=True)


if __name__ == "__main__":
    main()
