"""Threads that run a block's inferences before its transactions (`vm.ahead`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from ai_ops.inference import Inference
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
        yield partial(run_on_threads, pool, threads)


def run_on_threads(
    pool: ThreadPoolExecutor, threads: int, batches: Sequence[Batch]
) -> list[list[Inference]]:
    """Deal each batch's calls out to all threads; the kernels let go of Python's lock."""
    futures = [
        [
            pool.submit(batch.loaded.run_batch, batch.calls[at::threads], batch.cancellation)
            for at in range(threads)
        ]
        for batch in batches
    ]
    return [
        _in_order([share.result() for share in shares], len(batch.calls))
        for batch, shares in zip(batches, futures, strict=True)
    ]


def _in_order(shares: Sequence[Sequence[Inference]], count: int) -> list[Inference]:
    threads = len(shares)
    return [shares[position % threads][position // threads] for position in range(count)]
