"""Random valid models: every operator, every dtype, odd shapes, extreme constants.

To add an operator: a proposal in the file of its group and a row in that file's `PROPOSALS`.
"""

from __future__ import annotations

from tests.ai_ops.random_graphs.builder import UNITS
from tests.ai_ops.random_graphs.model import PROPOSALS, node_count, random_input, random_model

__all__ = ["PROPOSALS", "UNITS", "node_count", "random_input", "random_model"]
