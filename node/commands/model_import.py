"""`engram model import`: turn a trained float network into an integer model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ai_ops.importers.convert import Imported
    from ai_ops.importers.report import Report

EPILOG = """\
FILE is a .pt2 file (torch.export.save), an .onnx file, or a language model: a folder with
config.json and model.safetensors, or a .gguf file. SAMPLES is a .npz file with one array for each
input, named like it, samples along the first axis, as the float network takes them; a few hundred
of the data it was trained on are enough. For a language model it is one array of token ids,
(tokens,) or (texts, tokens), padded with -1. Reading ONNX, safetensors and GGUF needs packages:
pip install 'engram-node[import]'."""


def add_parser(subparsers: Any) -> None:
    """Add the parser of this command."""
    parser = subparsers.add_parser(
        "import",
        help="turn a PyTorch or ONNX network into a model file",
        description="Quantize a float network to integers and report how near it stays.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="the network (.pt2, .onnx, .gguf, or a folder)"
    )
    parser.add_argument(
        "--calibration", metavar="SAMPLES", type=Path, required=True, help="sample inputs (.npz)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="the model file (.egm)")
    parser.add_argument("--name", help="name in the manifest (default: the file's)")
    _add_quantization(parser)
    parser.add_argument(
        "--maximum-batch",
        metavar="N",
        type=int,
        default=1,
        help="accept up to N samples in one call (default: 1)",
    )
    parser.add_argument(
        "--channels-last", action="store_true", help="take and give images as (H, W, C)"
    )
    parser.add_argument(
        "--outputs",
        metavar="NAMES",
        default="",
        help="end the network at these values, separated by commas (names as in the report)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        action="append",
        default=[],
        help="write the accuracy report here: .json, or .svg for a picture; may be repeated",
    )
    _add_language_options(parser)


def _add_quantization(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        choices=("max", "percentile", "mse"),
        default="max",
        help="how ranges are found: the largest value, the 99.99th percentile, or the bound with"
        " the least squared error (default: max)",
    )
    parser.add_argument(
        "--rounding",
        choices=("compensated", "nearest"),
        default="compensated",
        help="round weights so that errors cancel on the samples, or to nearest"
        " (default: compensated)",
    )
    parser.add_argument(
        "--output-bits",
        type=int,
        choices=(8, 16),
        default=8,
        help="bits of each output number (default: 8)",
    )
    parser.add_argument(
        "--residual-bits",
        type=int,
        choices=(8, 16),
        default=16,
        help="bits of sums that no ReLU follows, and of global means (default: 16)",
    )
    parser.add_argument(
        "--wide-products",
        action="store_true",
        help="let layers read such 16-bit sums as they are, not rescaled to 8 bits",
    )


def _add_language_options(parser: argparse.ArgumentParser) -> None:
    """Add what only language models have."""
    group = parser.add_argument_group("language models")
    group.add_argument(
        "--maximum-tokens",
        metavar="N",
        type=int,
        default=256,
        help="longest text, or rows of a step's caches (default: 256)",
    )
    group.add_argument(
        "--activation-bits",
        type=int,
        choices=(8, 16),
        help="bits of what matrices multiply (default: 8 for encoders, 16 for decoders)",
    )
    group.add_argument(
        "--pooling",
        choices=("none", "mean", "first"),
        default="none",
        help="of an encoder's states: all of them, their mean, or the first (default: none)",
    )
    group.add_argument(
        "--form",
        choices=("score", "step"),
        default="score",
        help="a decoder takes a text, or one token and its caches (default: score)",
    )
    group.add_argument(
        "--last-only", action="store_true", help="give a decoder's logits of the last token only"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Returns
    -------
    exit code 0

    Raises
    ------
    CliError : E-MODEL-001, -003, -004, -005, -007
    """
    from ai_ops.errors import InvalidModel
    from ai_ops.importers.errors import ExtraMissing, ImportRefused
    from node.errors import DONE, CliError
    from node.model_file import read_arrays, write_atomically

    try:
        readable = args.file.is_file() or args.file.is_dir()
    except OSError as error:
        raise CliError(
            "E-MODEL-001", f"{args.file} cannot be read ({error.strerror}); check the path."
        ) from error
    if not readable:
        raise CliError("E-MODEL-001", f"{args.file} is not a file or folder; check the path.")
    if not 1 <= args.maximum_batch < 2**31:
        raise CliError("E-MODEL-003", "--maximum-batch must be 1 or more.")
    samples = read_arrays(args.calibration)
    name = args.name or args.file.resolve().stem
    try:
        imported = _import(args, name, samples)
    except ExtraMissing as error:
        raise CliError("E-MODEL-004", f"{error}.") from error
    except ImportRefused as error:
        raise CliError("E-MODEL-003", f"{error}.") from error
    except InvalidModel as error:
        raise CliError(
            "E-MODEL-003", f"the engine does not accept {args.file}: {error.reason}."
        ) from error
    write_atomically(args.output, imported.data)
    _write_reports(args.report, name, imported)
    print(f"{args.file} -> {args.output}")
    print("\n".join(_text(imported)))
    return DONE


def _import(args: argparse.Namespace, name: str, samples: dict[str, Any]) -> Imported:
    """Import by the kind of file."""
    from ai_ops.importers.convert import import_network
    from ai_ops.importers.language.convert import import_language, is_language_model
    from ai_ops.importers.language.options import USUAL_BITS, LanguageOptions
    from ai_ops.importers.lowering import Options

    if is_language_model(args.file):
        language = LanguageOptions(
            name=name,
            maximum_tokens=args.maximum_tokens,
            bits=args.activation_bits or USUAL_BITS,
            form=args.form,
            last_only=args.last_only,
            pooling=args.pooling,
        )
        return import_language(args.file, samples, language, progress(sys.stderr))
    options = Options(
        name=name,
        maximum_batch=args.maximum_batch,
        channels_last=args.channels_last,
        output_bits=args.output_bits,
        residual_bits=args.residual_bits,
        wide_products=args.wide_products,
    )
    return import_network(
        args.file,
        samples,
        options,
        args.method,
        args.rounding,
        tuple(name for name in args.outputs.split(",") if name),
        progress(sys.stderr),
    )


def _write_reports(paths: list[Path], name: str, imported: Imported) -> None:
    import json

    from ai_ops.importers.report_plot import plot
    from node.model_file import write_atomically

    for path in paths:
        if path.suffix == ".svg":
            text = plot(name, imported.report)
        else:
            text = json.dumps({**_summary(imported), **imported.report.as_json()}, indent=2) + "\n"
        write_atomically(path, text.encode())


def progress(stream: TextIO) -> Callable[[str], None]:
    """Return what shows the stage of a long import on one line of a terminal."""

    def show(stage: str) -> None:
        # Escape code K clears the rest of the line, so a shorter stage leaves nothing behind.
        stream.write(f"\r{stage}\x1b[K" if stage else "\r\x1b[K")
        stream.flush()

    return show if stream.isatty() else lambda _: None


def _summary(imported: Imported) -> dict[str, Any]:
    from ai_ops.merkle import chunk_count, model_id

    return {
        "modelId": "0x" + model_id(imported.data).hex(),
        "bytes": len(imported.data),
        "chunks": chunk_count(len(imported.data)),
        "steps": imported.facts.steps,
        "macs": imported.facts.macs,
        "liveBytes": imported.facts.live_bytes,
    }


def _text(imported: Imported) -> list[str]:
    from node.commands.model_inspect import size_text

    summary = _summary(imported)
    return [
        f"  model id  {summary['modelId']}",
        f"  size      {size_text(summary)}",
        f"  work      {summary['macs']:,} multiply-accumulates in {summary['steps']} steps",
        *_report_text(imported.report),
    ]


def _report_text(report: Report) -> list[str]:
    from node.commands.model_inspect import table

    lines = ["", f"beside the float network, {report.outputs[0].samples} samples:"]
    rows = [
        (
            output.name,
            "-" if output.top1_agreement is None else f"{100 * output.top1_agreement:.1f} %",
            f"{output.cosine_mean:.5f}",
            f"{output.cosine_minimum:.5f}",
            f"{output.maximum_error:.4g}",
            f"{output.step:.4g}",
        )
        for output in report.outputs
    ]
    header = ("output", "same top class", "cosine", "lowest", "largest error", "one step")
    lines += table(header, rows)
    layers = [
        (
            str(layer.step),
            layer.operator,
            layer.value,
            str(layer.shape),
            f"{layer.cosine:.5f}",
            f"{layer.decibels:.1f}",
            f"{layer.maximum_error:.4g}",
            f"{layer.largest:.4g}",
        )
        for layer in report.layers
    ]
    columns = ("step", "operator", "float value", "shape", "cosine", "dB", "largest error", "of")
    lines += ["", "layer by layer:", *table(columns, layers)]
    return lines + [f"note: {note}" for note in report.notes]
