"""`engram model inspect`: say what is in a model file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ai_ops.graph import Port
    from node.model_file import ModelFile


def add_parser(subparsers: Any) -> None:
    """Add the parser of this command."""
    parser = subparsers.add_parser(
        "inspect",
        help="show a model's inputs, outputs, operators and cost",
        description="Show what is in a model file: identity, inputs, outputs, operators, cost.",
    )
    parser.add_argument("model", type=Path, help="the model file (.egm)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Returns
    -------
    exit code 0

    Raises
    ------
    CliError : E-MODEL-001, -002
    """
    import json

    from node.errors import DONE
    from node.model_file import read_model

    described = describe(read_model(args.model))
    print(json.dumps(described, indent=2) if args.json else as_text(described))
    return DONE


def describe(file: ModelFile) -> dict[str, Any]:
    """Return everything that `inspect` shows, as plain values; sizes are bytes, work is at n = 1."""
    from ai_ops.merkle import chunk_count, model_id

    manifest, facts = file.model.manifest, file.facts
    return {
        "name": manifest.name,
        "modelId": "0x" + model_id(file.data).hex(),
        "format": manifest.format,
        "operatorSet": manifest.operator_set,
        "bytes": len(file.data),
        "chunks": chunk_count(len(file.data)),
        "weightBytes": file.model.graph.weight_bytes,
        "liveBytes": facts.live_bytes,
        "macs": facts.macs,
        "maximumUnits": facts.maximum_units,
        "inputBytes": facts.input_bytes(1),
        "outputBytes": facts.output_bytes(1),
        "inputs": [_port(port) for port in manifest.inputs],
        "outputs": [_port(port) for port in manifest.outputs],
        "operators": _operators(file),
    }


def _port(port: Port) -> dict[str, Any]:
    return {
        "name": port.name,
        "dtype": port.dtype.name.lower(),
        "shape": list(port.shape),
        "scaleMantissa": str(port.scale_mantissa),
        "scaleExponent": port.scale_exponent,
        "minimum": port.minimum,
        "maximum": port.maximum,
    }


def _operators(file: ModelFile) -> list[dict[str, Any]]:
    from ai_ops.cost import total
    from ai_ops.operators import OPERATORS

    graph, values = file.model.graph, file.facts.values
    first_weight = len(file.model.manifest.inputs)
    weights = range(first_weight, first_weight + len(graph.weights))
    rows = []
    next_value = weights.stop
    for step, node in enumerate(graph.nodes):
        inputs = tuple(values[value] for value in node.inputs)
        operator = OPERATORS[node.operator]
        outputs = operator.infer(node, inputs)
        next_value += len(outputs)
        rows.append(
            {
                "step": step,
                "operator": node.operator,
                "inputs": list(node.inputs),
                "values": list(range(next_value - len(outputs), next_value)),
                "dtype": outputs[0].type.dtype.name.lower(),
                "shape": list(outputs[0].type.shape),
                "macs": total([operator.work(node, inputs, outputs)]).macs(1),
                "weightBytes": sum(
                    values[value].type.size(1) for value in node.inputs if value in weights
                ),
                "outputBytes": sum(output.type.size(1) for output in outputs),
            }
        )
    return rows


def as_text(described: dict[str, Any]) -> str:
    """Lay the description out for a terminal."""
    from node.model_values import shape_text

    lines = [
        f"{described['name']}  (format {described['format']}, operator set {described['operatorSet']})",
        f"  model id  {described['modelId']}",
        f"  size      {size_text(described)}, {described['weightBytes']:,} of them weights",
        f"  work      {described['macs']:,} MACs, {described['liveBytes']:,} bytes live at once",
    ]
    if described["maximumUnits"] > 1:
        lines.append(f"  units     n = 1 to {described['maximumUnits']}; figures are for n = 1")
    for kind in ("inputs", "outputs"):
        for port in described[kind]:
            scale = int(port["scaleMantissa"]) * 2.0 ** port["scaleExponent"]
            lines.append(
                f"  {kind[:-1]:9} {port['name']}  {port['dtype']}"
                f" {shape_text(tuple(port['shape']))}"
                f"  {port['minimum']} to {port['maximum']}, one step is {scale:.6g}"
            )
    header = ("step", "operator", "dtype", "shape", "macs", "weights", "output")
    rows = [
        (
            str(row["step"]),
            row["operator"],
            row["dtype"],
            shape_text(tuple(row["shape"])),
            f"{row['macs']:,}",
            f"{row['weightBytes']:,}",
            f"{row['outputBytes']:,}",
        )
        for row in described["operators"]
    ]
    return "\n".join([*lines, "", *table(header, rows)])


def size_text(described: dict[str, Any]) -> str:
    """Write bytes and chunks."""
    plural = "" if described["chunks"] == 1 else "s"
    return f"{described['bytes']:,} bytes in {described['chunks']} chunk{plural}"


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lay rows out in columns; columns of figures are set to the right."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    figures = [all(cell[:1].isdigit() or cell[:1] == "-" for cell in c[1:]) for c in columns]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, figures, strict=True)
        ).rstrip()
        for row in [header, *rows]
    ]
