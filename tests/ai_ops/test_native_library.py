"""The library of kernels: what it exports, which variants run, how its structs are laid out."""

from __future__ import annotations

import platform
import re
import subprocess

import pytest

from ai_ops.backends import select_backend
from ai_ops.errors import BackendFault
from ai_ops.native import build
from ai_ops.native.build import FLAGS, LIBRARY, SOURCES, VARIANTS, WARNINGS, find_compiler
from ai_ops.native.library import open_library, open_variant
from ai_ops.native.steps import PARTS, STRUCTS
from tests.support.backends import compiler_works

needs_compiler = pytest.mark.skipif(not compiler_works(), reason="no C compiler works here")


@needs_compiler
def test_where_a_compiler_works_the_library_is_there_and_current() -> None:
    open_library()


@needs_compiler
@pytest.mark.parametrize("variant", [*VARIANTS, "portable"])
def test_sources_compile_without_a_warning(variant: str) -> None:
    if variant in {"avx2", "vnni"} and platform.machine() != "x86_64":
        pytest.skip("instruction sets of x86-64")
    # What other processors compile: plain C.
    extra = VARIANTS.get(variant, ("-U__SSE2__",))
    command = [*find_compiler(), *FLAGS, *WARNINGS, *extra, f"-DVARIANT={variant}"]
    for source in ("variant.c", "dispatch.c"):
        done = subprocess.run(
            [*command, "-fsyntax-only", str(SOURCES / source)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def members(struct: str) -> list[str]:
    """Read the members of a struct from the header, nested structs spread out."""
    header = re.sub(r"/\*.*?\*/", "", (SOURCES / "kernels.h").read_text("ascii"), flags=re.DOTALL)
    found = re.search(rf"struct {struct} \{{(.*?)\n\}};", header, re.DOTALL)
    assert found is not None
    names = []
    for line in found[1].split(";"):
        if nested := re.match(r"\s*struct (\w+) \w+$", line):
            names += members(nested[1])
        elif line.strip():
            kind, rest = re.match(
                r"\s*(const (?:struct )?\w+ \*|int64_t )(.*)$", line, re.DOTALL
            ).groups()  # type: ignore[union-attr]
            assert kind == "int64_t " or "," not in rest
            names += [name.strip() for name in rest.split(",")]
    return names


def test_structs_have_the_header_s_members_in_its_order() -> None:
    header = (SOURCES / "kernels.h").read_text("ascii")
    structs = set(re.findall(r"struct (\w+) \{", header))
    assert structs == set(STRUCTS) | set(PARTS)
    for name, listed in (PARTS | STRUCTS).items():
        assert members(name) == list(listed), name


@pytest.mark.parametrize("missing", [False, True])
def test_a_library_that_is_missing_or_old_is_not_used(
    monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    if missing:
        monkeypatch.setattr(build, "LIBRARY", SOURCES / "nothing.so")
    else:
        monkeypatch.setattr(build, "source_digest", lambda: "another")
    open_library.cache_clear()
    try:
        with pytest.raises(BackendFault, match=r"python -m ai_ops\.native\.build"):
            select_backend("native")
        assert select_backend("cpu").name == "numba"
    finally:
        open_library.cache_clear()


def test_an_unknown_variant_or_kernel_is_a_fault() -> None:
    if not LIBRARY.exists():
        pytest.skip("the library was not built")
    with pytest.raises(BackendFault, match="does not run"):
        open_variant("sse9")
    with pytest.raises(BackendFault, match="no kernel"):
        open_variant("baseline").address("nothing")
