"""The state transition's public face: build, import, simulate."""

from __future__ import annotations

from vm.building import build_block, draft_header, genesis_block
from vm.importing import import_block
from vm.results import (
    Account,
    BlockContext,
    BlockResult,
    BuildResult,
    CallRequest,
    CallResult,
    Rejection,
)

__all__ = [
    "Account",
    "BlockContext",
    "BlockResult",
    "BuildResult",
    "CallRequest",
    "CallResult",
    "Rejection",
    "build_block",
    "draft_header",
    "genesis_block",
    "import_block",
]
