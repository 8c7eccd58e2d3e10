"""The inference ledger of a chain without inference: nothing is ever drawn, credited, recorded."""

from __future__ import annotations

from vm.records import InferenceRecord, Sidecar


class NoInference:
    """Stands where `vm.inference.InferenceLedger` stands on a chain with ``ai`` on."""

    drawn = 0
    records: tuple[InferenceRecord, ...] = ()
