"""Threads that run a block's inferences before its transactions (`vm.ahead`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from ai_ops.executor import Inference
from vm.transition import Batch, Runner, run_in_turn


@contextmanager
def ahead_runner(wanted: bool = True, workers: int | None = None) -> Iterator[Runner | None]:
    """Give a runner that spreads calls over threads, or None when it is not wanted.

    Parameters
    ----------
    wanted : bool
    workers : int, optional
        Threads; one for each core that this process may use, by default.
    """
    if not wanted:
        yield None
        return
    threads = workers or len(os.sched_getaffinity(0))
    if threads == 1:
        yield run_in_turn
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="inference") as pool:
        yield partial(run_on_threads, pool)


def run_on_threads(pool: ThreadPoolExecutor, batches: Sequence[Batch]) -> list[list[Inference]]:
    """Run all inputs of all batches, each on one thread; a kernel lets go of Python's lock."""
    futures = [
        [
            pool.submit(batch.loaded.run, content, n)
            for content, n in zip(batch.inputs, batch.units, strict=True)
        ]
        for batch in batches
    ]
    return [[future.result() for future in batch] for batch in futures]
