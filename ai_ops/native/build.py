"""Compile the kernels: ``python -m ai_ops.native.build``, and when a wheel is built.

Every variant is the same C, compiled for another instruction set; the library chooses by CPUID.
Nothing is compiled when the package is imported or run, and without a compiler nothing is lost but
speed. Uses the standard library only: hatch_build.py loads this file in an environment of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SOURCES = FOLDER.joinpath("src")
LIBRARY = FOLDER.joinpath("_kernels.so")

VARIANTS: dict[str, tuple[str, ...]] = {
    "baseline": (),
    "avx2": ("-mavx2", "-mpopcnt"),
    "vnni": (
        "-mavx2",
        "-mpopcnt",
        "-mavx512f",
        "-mavx512bw",
        "-mavx512dq",
        "-mavx512vl",
        "-mavx512vnni",
    ),
}
"""Compiler flags of each variant; those but the first are for x86-64 only."""

FLAGS = (
    "-std=gnu11",
    "-O3",
    "-fPIC",
    "-fwrapv",
    "-fno-strict-aliasing",
    "-fvisibility=hidden",
)
WARNINGS = ("-Wall", "-Wextra", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
COMPILE_SECONDS = 300


class BuildFailed(Exception):
    """There is no compiler here, or it cannot compile the kernels."""


def source_digest() -> str:
    """Return a digest of the sources; a library tells from which it was made."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.iterdir()):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def is_current() -> bool:
    """Tell whether `LIBRARY` is there and was made from these sources.

    Its bytes are searched: a library that was once loaded cannot be loaded anew.
    """
    return LIBRARY.exists() and source_digest().encode() in LIBRARY.read_bytes()


def find_compiler() -> list[str]:
    """Return the command of the C compiler: $CC, or the first of cc, gcc and clang.

    Raises
    ------
    BuildFailed
        There is none.
    """
    if command := shlex.split(os.environ.get("CC", "")):
        return command
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    raise BuildFailed("no C compiler was found (cc, gcc, clang or $CC)")


def build(*, strict: bool = False, sanitize: bool = False) -> tuple[str, ...]:
    """Compile `LIBRARY` and return the names of the variants in it.

    Parameters
    ----------
    strict : bool
        Every warning is an error, and every variant must compile.
    sanitize : bool
        Check addresses and undefined behaviour at run time; needs the sanitizer preloaded.

    Raises
    ------
    BuildFailed
        `LIBRARY` is as it was before.
    """
    compiler = find_compiler()
    flags = (*FLAGS, *(WARNINGS if strict else ()), *(SANITIZERS if sanitize else ()))
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="build-") as folder:
        built: dict[str, str] = {}
        for name, extra in VARIANTS.items():
            target = f"{folder}/{name}.o"
            source = str(SOURCES.joinpath("variant.c"))
            try:
                _run([*compiler, *flags, *extra, f"-DVARIANT={name}", "-c", source, "-o", target])
            except BuildFailed:
                # A compiler without this instruction set; the portable variant must compile.
                if strict or name == "baseline":
                    raise
            else:
                built[name] = target
        macros = [f"-DHAVE_{name.upper()}" for name in built]
        macros.append(f'-DENGRAM_SOURCE="{source_digest()}"')
        library = f"{folder}/kernels.so"
        dispatch = str(SOURCES.joinpath("dispatch.c"))
        _run([*compiler, *flags, *macros, "-shared", dispatch, *built.values(), "-o", library])
        Path(library).replace(LIBRARY)
    return tuple(built)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603  the command is the compiler's, chosen by whoever builds
            command, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildFailed(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise BuildFailed(f"{shlex.join(command)}\n{done.stderr.strip()}")


def main() -> int:
    """Build for a checkout; return 1 when there is no library then."""
    parser = argparse.ArgumentParser(description="Compile the kernels in C.")
    parser.add_argument("--strict", action="store_true", help="warnings are errors")
    parser.add_argument("--sanitize", action="store_true", help="check addresses at run time")
    arguments = parser.parse_args()
    try:
        variants = build(strict=arguments.strict, sanitize=arguments.sanitize)
    except BuildFailed as error:
        sys.stderr.write(f"no kernels in C, numba is used instead: {error}\n")
        return 1
    sys.stdout.write(f"{LIBRARY}: {', '.join(variants)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
