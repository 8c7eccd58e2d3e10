"""The state transition's public face: build, import, simulate, trace."""

from __future__ import annotations

from vm.ahead import Batch, Runner, run_in_turn
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
from vm.simulation import call, estimate_gas
from vm.tracing import InferenceTrace, trace_inference

__all__ = [
    "Account",
    "Batch",
    "BlockContext",
    "BlockResult",
    "BuildResult",
    "CallRequest",
    "CallResult",
    "InferenceTrace",
    "Rejection",
    "Runner",
    "build_block",
    "call",
    "draft_header",
    "estimate_gas",
    "genesis_block",
    "import_block",
    "run_in_turn",
    "trace_inference",
]
