"""Kernels of the `numba` backend that only move elements, all of them NumPy's."""

from __future__ import annotations

import numpy as np

from ai_ops.backends.base import Kernel
from ai_ops.backends.site import Site
from ai_ops.dtype import Array
from ai_ops.ops.pad import surrounded
from ai_ops.ops.slice import selection

# NumPy's inner loop runs over the last dimension. Up to so many elements it costs more to begin
# than to run, and one pass over the rest for each of them is faster (measured; 8 is even).
SHORT_RUN = 4
SMALL = 4_096


def copy_into(target: Array, source: Array) -> None:
    """Write `source` into a `target` of its shape, whatever their strides are."""
    first, run = target.ndim, 1
    while first > 0 and run * target.shape[first - 1] <= SHORT_RUN:
        first -= 1
        run *= target.shape[first]
    if run == 1 or target.size < SMALL:
        target[...] = source
        return
    for index in np.ndindex(target.shape[first:]):
        target[(..., *index)] = source[(..., *index)]


def make_slice(site: Site) -> Kernel:
    """Make SLICE."""
    node = site.node

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        cut = arrays[0][selection(node, arrays[0].shape)]
        y = np.empty(cut.shape, cut.dtype)
        copy_into(y, cut)
        return (y,)

    return run


def make_pad(site: Site) -> Kernel:
    """Make PAD."""
    node, value = site.node, site.node.integer("value")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        shape, inside = surrounded(node, arrays[0].shape)
        y = np.full(shape, value, arrays[0].dtype)
        copy_into(y[inside], arrays[0])
        return (y,)

    return run


def make_gather(site: Site) -> Kernel:
    """Make GATHER with NumPy's own clamping, which is that of the rule."""
    axis = site.node.integer("axis")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return (np.take(arrays[0], arrays[1].astype(np.intp), axis=axis, mode="clip"),)

    return run


def make_reshape(site: Site) -> Kernel:
    """Make RESHAPE, which moves nothing."""
    shape = site.node.integers("shape")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return (arrays[0].reshape(shape),)

    return run
