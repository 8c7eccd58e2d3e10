"""The registry's words and chunks for models and data objects that are present at genesis.

The same functions run as for transactions, only nobody pays: a model preloaded and a model
deployed leave the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from ai_ops import merkle
from ai_ops.errors import InvalidModel
from vm.config import VmConfig
from vm.registry import calls, facts, layout, lifecycle
from vm.registry.facts import Registry, Status
from vm.registry.frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Preload:
    """Registry storage by slot, and the chunk store's values by key."""

    storage: Mapping[int, int]
    chunks: Mapping[bytes, bytes]


def preload(
    config: VmConfig, models: Sequence[tuple[bytes, bytes]], objects: Sequence[bytes] = ()
) -> Preload:
    """Return what the registry holds once these models are active and these objects listed.

    Parameters
    ----------
    config : VmConfig
    models : sequence of (bytes, bytes)
        Author (20 bytes) and model bytes, in the order of the registry's list.
    objects : sequence of bytes
        Data objects of 1 to 65,536 bytes, in the order of the registry's list.

    Raises
    ------
    InvalidModel
        When the registry would reject a model; its code says why.
    Refusal
        When a model is there twice, or a size is out of bounds.
    """
    storage: dict[int, int] = {}
    store: dict[bytes, bytes] = {}
    registry = Registry(
        read=lambda slot: storage.get(slot, 0),
        write=storage.__setitem__,
        read_chunk=store.get,
        write_chunk=store.__setitem__,
        block=0,
    )
    for author, data in models:
        _deploy(_frame(config, registry, author), data)
    for content in objects:
        lifecycle.put_data(_frame(config, registry, bytes(20)), content)
    return Preload(storage=storage, chunks=store)


def _deploy(frame: Frame, data: bytes) -> None:
    model_id = merkle.model_id(data)
    header = calls.model_header(model_id, len(data), merkle.leaf_digests(data))
    lifecycle.create_model(frame, header)
    model = layout.model_address(frame.sender, model_id)
    for index, chunk in enumerate(merkle.chunks(data)):
        lifecycle.put_chunk(frame, model, index, chunk)
    lifecycle.activate(frame, model)
    if facts.status(frame.registry, model) == Status.REJECTED:
        report = frame.registry.word(model, layout.REPORT)
        code = layout.unpack(layout.REPORT_FIELDS, report)["code"]
        raise InvalidModel(code, f"the registry rejects the model with code {code}")


def _frame(config: VmConfig, registry: Registry, author: bytes) -> Frame:
    nobody_pays = SimpleNamespace(
        msg=SimpleNamespace(sender=author),
        consume_gas=lambda amount, reason: None,  # noqa: ARG005
        add_log_entry=lambda account, topics, data: None,  # noqa: ARG005
    )
    return Frame(computation=cast("Any", nobody_pays), registry=registry, config=config)
