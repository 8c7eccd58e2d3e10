"""Failure codes that the chain adds to the engine's (`ai_ops.errors`); part of the ABI."""

from __future__ import annotations

import enum


class CallFault(enum.IntEnum):
    """Why an inference did not start, as `InferenceFailed(code)`; 5xx codes are the engine's."""

    LAYOUT = 601
    STORAGE_FORM = 602
    DATA_NOT_LISTED = 603


class RegistryFault(enum.IntEnum):
    """Why a complete model was rejected, as `ModelRejected(code)`; 1xx to 4xx are the engine's."""

    CHUNK_LENGTH = 701
    HEAD_LENGTH = 702
    COST = 703
