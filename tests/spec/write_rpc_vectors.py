"""Write the answers of page 11's `models` vectors again: `python -m tests.spec.write_rpc_vectors`.

For a change of default prices: read the difference before it is committed; gas and what commits to
it are all that may differ.
"""

from __future__ import annotations

import json

from tests.spec.test_rpc_vectors import FOLDER, submit
from tests.support.rpc import Rpc


def main() -> None:
    rpc = Rpc(demo=True)
    submitted = submit(rpc)
    path = FOLDER / "models.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for case in content["cases"]:
        if "code" in case:
            continue
        params = [submitted if item == "SUBMITTED" else item for item in case["params"]]
        case["result"] = rpc.answer(case["method"], *params)["result"]
        for name in case.get("omitted", ()):
            del case["result"][name]
    cases = ",\n".join("  " + json.dumps(case) for case in content["cases"])
    text = f'{{\n "page": "{content["page"]}",\n "cases": [\n{cases}\n ]\n}}\n'
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
