"""A card through CuPy: the only module that imports it.

Only CuPy's thin layers are used: NVRTC, the driver's launch call, memory, streams. None of its
array functions is: its integer products wrap to 8 bits.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import cupy
import numpy as np
from cupy.cuda import driver, function, nvrtc, runtime

from ai_ops.backends.gpu.device import Memory, Prepared
from ai_ops.backends.gpu.source import OPTIONS, kernel_source
from ai_ops.errors import BackendFault


def compile_kernels(architecture: str) -> bytes:
    """Compile the kernels; needs no card.

    Parameters
    ----------
    architecture : str
        For example "sm_90".

    Returns
    -------
    bytes
        A cubin.

    Raises
    ------
    BackendFault
        With the compiler's first words.
    """
    program = nvrtc.createProgram(kernel_source(), "engram.cu", (), ())
    try:
        nvrtc.compileProgram(program, [f"--gpu-architecture={architecture}", *OPTIONS])
        # CuPy drops the image's last byte, a zero.
        return bytes(nvrtc.getCUBIN(program)) + b"\0"
    except nvrtc.NVRTCError as error:
        log = " ".join(nvrtc.getProgramLog(program).split())[:500]
        raise BackendFault(f"the kernels do not compile for {architecture}: {log}") from error
    finally:
        nvrtc.destroyProgram(program)


class CupyMemory:
    """Memory of CuPy's pool."""

    def __init__(self, size: int) -> None:
        try:
            self._pointer = cupy.cuda.alloc(size)
        except cupy.cuda.memory.OutOfMemoryError as error:
            raise BackendFault(f"the card has no {size} bytes left") from error
        self.address = int(self._pointer.ptr)
        self.size = size


class CupyQueue:
    """A stream."""

    def __init__(self, device: CupyDevice) -> None:
        self._device = device
        self._stream = cupy.cuda.Stream(non_blocking=True)

    def upload(self, address: int, data: bytes | memoryview) -> None:
        """Copy and wait: the host's memory may change afterwards."""
        source = np.frombuffer(data, np.uint8)
        runtime.memcpyAsync(
            address,
            source.ctypes.data,
            source.nbytes,
            runtime.memcpyHostToDevice,
            self._stream.ptr,
        )
        self._stream.synchronize()

    def download(self, address: int, size: int) -> bytes:
        """Wait and copy."""
        target = np.empty(size, np.uint8)
        runtime.memcpyAsync(
            target.ctypes.data, address, size, runtime.memcpyDeviceToHost, self._stream.ptr
        )
        self._stream.synchronize()
        return target.tobytes()

    def launch(self, work: Prepared, calls: int) -> None:
        """Launch through the driver, which copies the argument before it returns."""
        argument = ctypes.create_string_buffer(work.arguments, len(work.arguments))
        parameters = (ctypes.c_void_p * 1)(ctypes.addressof(argument))
        driver.launchKernel(
            self._device.function(work.kernel),
            *(work.blocks, 1, calls),
            *(work.threads, 1, 1),
            0,
            self._stream.ptr,
            ctypes.addressof(parameters),
            0,
        )

    def wait(self) -> None:
        """Wait for the stream."""
        self._stream.synchronize()

    def record(self, work: Sequence[Prepared]) -> Callable[[], None]:
        """Capture the launches as a CUDA graph."""
        self._stream.begin_capture()
        try:
            for item in work:
                self.launch(item, 1)
        finally:
            graph = self._stream.end_capture()
        return lambda: graph.launch(self._stream)


class CupyDevice:
    """The current card.

    Raises
    ------
    BackendFault
        There is none that CuPy can use.
    """

    def __init__(self) -> None:
        try:
            if not cupy.cuda.is_available():
                raise BackendFault("CuPy sees no NVIDIA card (or no driver for it)")
            card = cupy.cuda.Device()
            major, minor = divmod(int(card.compute_capability), 10)
            properties = runtime.getDeviceProperties(card.id)
            self.architecture = f"sm_{major}{minor}"
            self.name = properties["name"].decode()
            runtime.free(0)  # makes the context that the driver's calls need
            module = function.Module()
            module.load(compile_kernels(self.architecture))
        except (runtime.CUDARuntimeError, driver.CUDADriverError) as error:
            raise BackendFault(f"the card does not start: {error}") from error
        self._module = module
        self._functions: dict[str, function.Function] = {}

    def function(self, name: str) -> int:
        """Return the driver's handle of a kernel."""
        found = self._functions.get(name)
        if found is None:
            found = self._functions.setdefault(name, self._module.get_function(name))
        return int(found.ptr)

    def allocate(self, size: int) -> Memory:
        """Allocate from CuPy's pool, whose addresses are multiples of 512."""
        return CupyMemory(size)

    def queue(self) -> CupyQueue:
        """Make a stream."""
        return CupyQueue(self)
