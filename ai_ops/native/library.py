"""Load the compiled kernels and call them one by one (the ABI is src/abi.h).

ctypes lets go of the interpreter's lock during a call, so calls in several threads run side by
side.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array
from ai_ops.errors import BackendFault
from ai_ops.graph import SYMBOLIC, TensorType
from ai_ops.native.build import LIBRARY, VARIANTS, is_current

ALIGNMENT = 64
REBUILD = "run `python -m ai_ops.native.build`"

Entry = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_int64,
    ctypes.c_void_p,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The kernels of one instruction set that this machine runs.

    Parameters
    ----------
    name : str
        A key of `VARIANTS`.
    narrow_bytes : int
        Bytes that one i8 of a product's left operand takes in scratch.
    library : ctypes.CDLL
    """

    name: str
    narrow_bytes: int
    library: ctypes.CDLL

    def address(self, kernel: str) -> int:
        """Return the address of a kernel; the name must be in src/variant.c."""
        address: int | None = self.library.engram_kernel(self.name.encode(), kernel.encode())
        if not address:
            raise BackendFault(f"the library holds no kernel {kernel} for {self.name}")
        return address


@cache
def open_library() -> ctypes.CDLL:
    """Load the library and declare what it exports.

    Raises
    ------
    BackendFault
        It was not built, or from other sources than those beside it.
    """
    if not is_current():
        raise BackendFault(f"the kernels in C were not built here from these sources; {REBUILD}")
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise BackendFault(f"the kernels in C do not load: {error}; {REBUILD}") from error
    library.engram_supports.argtypes = [ctypes.c_char_p]
    library.engram_supports.restype = ctypes.c_int64
    library.engram_kernel.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    library.engram_kernel.restype = ctypes.c_void_p
    library.engram_narrow_bytes.argtypes = [ctypes.c_char_p]
    library.engram_narrow_bytes.restype = ctypes.c_int64
    return library


def open_variant(name: str) -> Variant:
    """Return a variant's kernels.

    Raises
    ------
    BackendFault
        The library does not load, or this machine does not run the variant.
    """
    library = open_library()
    if name not in VARIANTS or not library.engram_supports(name.encode()):
        raise BackendFault(f"this machine does not run the kernels for {name}")
    return Variant(
        name=name, narrow_bytes=library.engram_narrow_bytes(name.encode()), library=library
    )


def supported() -> tuple[str, ...]:
    """Return the variants that this machine runs, best first; empty where none was built."""
    try:
        library = open_library()
    except BackendFault:
        return ()
    return tuple(name for name in reversed(VARIANTS) if library.engram_supports(name.encode()))


def aligned(size: int) -> Array:
    """Allocate bytes at an address that kernels like."""
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -address_of(memory) % ALIGNMENT
    return memory[start : start + size]


def address_of(array: Array) -> int:
    """Return where an array's elements lie."""
    address: int = array.__array_interface__["data"][0]
    return address


def given(array: Array) -> Array:
    """Give a kernel what it may read: contiguous, at an address its element size divides."""
    if array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.array(array, order="C")


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeKernel:
    """One node made ready: a `Kernel` that also shows a whole-graph runner its parts.

    Parameters
    ----------
    address : int
        Of the C function.
    step : int64 (S,)
        The kernel's struct of src/kernels.h.
    inputs, outputs : tuple of TensorType
    scratch_fixed, scratch_unit : int
        Scratch is `scratch_fixed + scratch_unit * n` bytes.
    keeps : tuple
        Memory that `step` points into.
    """

    address: int
    step: Wide
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    scratch_fixed: int = 0
    scratch_unit: int = 0
    keeps: tuple[Array, ...] = field(default=(), repr=False)

    def scratch(self, n: int) -> int:
        """Return the bytes of scratch that a call needs."""
        return self.scratch_fixed + self.scratch_unit * n

    def __call__(self, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        """Compute the node; see `ai_ops.backends.base.Kernel`."""
        n = _units(self.inputs, arrays)
        results = tuple(np.empty(out.concrete(n), out.dtype.numpy) for out in self.outputs)
        owned = [given(array) for array in arrays]
        call(self.address, self.step, owned, results, n, self.scratch(n))
        return results


def call(
    address: int,
    step: Wide,
    inputs: list[Array],
    outputs: tuple[Array, ...],
    n: int = 1,
    scratch: int = 0,
) -> None:
    """Call a kernel; see src/abi.h."""
    memory = aligned(scratch)
    Entry(address)(
        address_of(step),
        (ctypes.c_void_p * len(inputs))(*(address_of(array) for array in inputs)),
        (ctypes.c_void_p * len(outputs))(*(address_of(array) for array in outputs)),
        n,
        address_of(memory),
    )


def _units(types: tuple[TensorType, ...], arrays: tuple[Array, ...]) -> int:
    for tensor, array in zip(types, arrays, strict=True):
        if tensor.symbolic:
            return int(array.shape[tensor.shape.index(SYMBOLIC)])
    return 1
