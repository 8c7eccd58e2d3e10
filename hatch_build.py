"""Put the compiled kernels into a wheel where a C compiler works, and say so where none does."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def load_builder(root: str) -> ModuleType:
    """Load ai_ops/native/build.py, which needs nothing that is not in the standard library."""
    path = Path(root) / "ai_ops" / "native" / "build.py"
    spec = importlib.util.spec_from_file_location("engram_native_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class NativeKernels(BuildHookInterface[Any]):
    """Compile in the source tree, so that a checkout that was installed has the library too."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; a failure costs speed, never the installation."""
        del version
        builder = load_builder(self.root)
        try:
            builder.build()
        except (builder.BuildFailed, OSError) as error:
            self.app.display_warning(f"no kernels in C, numba is used instead: {error}")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["artifacts"].append("/ai_ops/native/_kernels.so")
