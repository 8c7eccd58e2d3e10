"""Check the float graph against ONNX Runtime, when that is installed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.importers.float_graph import FloatArray, FloatGraph
from ai_ops.importers.float_run import run_float

CHECKED_SAMPLES = 4
TOLERANCE = 1e-3
TYPES = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(uint8)": np.uint8,
}


def onnx_runtime_difference(
    path: Path, graph: FloatGraph, samples: Mapping[str, FloatArray]
) -> str | None:
    """Return a sentence on how far our reading of the file is from ONNX Runtime's, if installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            _ending_at(path, graph.outputs), options, providers=["CPUExecutionProvider"]
        )
        worst = _worst(session, graph, samples)
    except Exception as error:  # noqa: BLE001 - ONNX Runtime has no common error type
        first_line = str(error).partition("\n")[0]
        return f"ONNX Runtime could not run the file beside us: {first_line}"
    verdict = "agrees" if worst <= TOLERANCE else "DISAGREES"
    return f"the float network {verdict} with ONNX Runtime: relative difference {worst:.2g}"


def _ending_at(path: Path, outputs: Sequence[str]) -> bytes:
    """Return the file with the values `outputs` among its outputs."""
    import onnx

    model = onnx.load_model(str(path), load_external_data=False)
    known = {entry.name for entry in model.graph.output}
    for name in outputs:
        if name not in known:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return bytes(model.SerializeToString())


def _worst(session: Any, graph: FloatGraph, samples: Mapping[str, FloatArray]) -> float:
    """Return the largest difference, relative to each output's largest value."""
    worst = 0.0
    for i in range(min(CHECKED_SAMPLES, len(next(iter(samples.values()))))):
        one = {name: array[i : i + 1] for name, array in samples.items()}
        ours = run_float(graph, one)
        fed: dict[str, Any] = {
            entry.name: one[entry.name].astype(TYPES.get(entry.type, np.float32))
            for entry in session.get_inputs()
        }
        theirs = session.run(list(graph.outputs), fed)
        for name, value in zip(graph.outputs, theirs, strict=True):
            scale = max(1.0, float(np.abs(value).max()))
            worst = max(worst, float(np.abs(ours[name] - value).max()) / scale)
    return worst
