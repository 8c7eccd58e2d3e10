"""Write the vectors of instructions, registry and records: `python -m tests.spec.write_vectors`.

Run it only after a deliberate change of a rule, and read the difference before committing it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.spec import instruction_cases, record_cases, registry_cases
from tests.spec.scenario import run

VECTORS = Path(__file__).resolve().parents[2] / "docs" / "spec" / "vectors"


def write_scenarios(page: str, folder: str, tables: dict[str, Any]) -> None:
    """Run every case and write what it did beside what it was."""
    models = {name: data.hex() for name, data in instruction_cases.MODELS.items()}
    for name, cases in tables.items():
        made = cases()
        for case in made:
            results = run(case, models)
            for call, result in zip(case["calls"], results, strict=True):
                call["expect"] = result
        used = {model: models[model] for case in made for model in case["models"]}
        write(folder, name, {"page": page, "models": used, "cases": made})


def write(folder: str, name: str, content: dict[str, Any]) -> None:
    """Write one file with one line per case."""
    cases = ",\n  ".join(json.dumps(case, sort_keys=True) for case in content.pop("cases"))
    head = "".join(f' "{key}": {json.dumps(value)},\n' for key, value in content.items())
    target = VECTORS / folder / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f'{{\n{head} "cases": [\n  {cases}\n ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    write_scenarios("04-instructions.md", "instructions", instruction_cases.CASES)
    write_scenarios("06-registry.md", "registry", registry_cases.CASES)
    write("registry", "layout", {"page": "06-registry.md", "cases": record_cases.layout_cases()})
    write("registry", "price", {"page": "06-registry.md", "cases": record_cases.price_cases()})
    write_scenarios("07-records.md", "records", {"made": record_cases.scenario_cases})
    write("records", "records", {"page": "07-records.md", "cases": record_cases.record_cases()})
