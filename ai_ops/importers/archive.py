"""The `.pt2` archive that `torch.export.save` writes, read without PyTorch.

An archive is an uncompressed zip: a JSON graph, and one raw little-endian file per tensor. PyTorch's
own loader evaluates symbolic shape strings, unpickles constants and may load shared objects; this
one reads the graph as data and the tensors as bytes, and refuses everything else.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatArray
from ai_ops.nesting import deeper_than

MAXIMUM_BYTES = 2 << 30
MAXIMUM_GRAPH_BYTES = 64 << 20
MAXIMUM_ENTRIES = 20_000
MAXIMUM_DEPTH = 100
# A string (an open one reaches to the end, so that scanning stays linear) or a bracket.
SCHEMA_MAJOR = 8
# torch._export.serde.schema.ScalarType; bfloat16 (13) is widened by hand below.
DTYPES = {5: "<i8", 6: "<f2", 7: "<f4", 8: "<f8", 13: "<u2"}
BFLOAT16 = 13
SAVE_AGAIN = "save it with torch.export.save(torch.export.export(model, example), 'model.pt2')"


class Archive:
    """A checked `.pt2` archive: `graph` (the JSON of the program) and `tensors` by name."""

    def __init__(self, path: Path) -> None:
        """Open and check the archive.

        Raises
        ------
        ImportRefused : not a `.pt2` archive, too large, or holding pickled or compiled parts
        """
        if path.stat().st_size > MAXIMUM_BYTES:
            raise ImportRefused(f"{path} is larger than 2 GiB")
        try:
            with zipfile.ZipFile(path) as bundle:
                self._read(bundle, path)
        except zipfile.BadZipFile:
            raise ImportRefused(f"{path} is not a .pt2 archive: {SAVE_AGAIN}") from None
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise ImportRefused(f"{path} is a damaged .pt2 archive ({error!r})") from None

    def _read(self, bundle: zipfile.ZipFile, path: Path) -> None:
        entries = bundle.infolist()
        if len(entries) > MAXIMUM_ENTRIES or sum(e.file_size for e in entries) > MAXIMUM_BYTES:
            raise ImportRefused(f"{path} unpacks to more than 2 GiB or {MAXIMUM_ENTRIES} files")
        files = {entry.filename.partition("/")[2]: entry for entry in entries}
        if any(name.endswith("data.pkl") for name in files):
            raise ImportRefused(
                f"{path} is a pickle (torch.save), which can run code when it is loaded: {SAVE_AGAIN}"
            )
        if any(name.startswith("data/aotinductor") for name in files):
            raise ImportRefused(f"{path} holds compiled code, which is never loaded: {SAVE_AGAIN}")
        models = [n for n in files if n.startswith("models/") and n.endswith(".json")]
        if len(models) != 1:
            raise ImportRefused(
                f"{path} holds {len(models)} exported programs of the current format; one is needed:"
                f" {SAVE_AGAIN} (torch 2.9 or later)"
            )
        if files[models[0]].file_size > MAXIMUM_GRAPH_BYTES:
            raise ImportRefused(f"{path} has a graph description larger than 64 MiB")
        order = bundle.read(files["byteorder"]).strip() if "byteorder" in files else b"little"
        if order != b"little":
            raise ImportRefused(f"{path} was saved on a big-endian machine; save it on another")

        program = parse_json(bundle.read(files[models[0]]))
        if program["schema_version"]["major"] != SCHEMA_MAJOR:
            found = program["schema_version"]["major"]
            raise ImportRefused(
                f"{path} uses version {found} of torch's export format and this release reads"
                f" version {SCHEMA_MAJOR}: save it with torch 2.13"
            )
        self.program: dict[str, Any] = program["graph_module"]
        self.tensors: dict[str, FloatArray] = {}
        stem = models[0].removeprefix("models/").removesuffix(".json")
        for folder, kind in (("weights", "weights"), ("constants", "constants")):
            config = parse_json(bundle.read(files[f"data/{folder}/{stem}_{kind}_config.json"]))
            for name, entry in config["config"].items():
                if entry["use_pickle"]:
                    raise ImportRefused(
                        f"{path} stores {name} as a pickle, which can run code when it is loaded:"
                        " replace that tensor subclass or script object by a plain tensor"
                    )
                raw = bundle.read(files[f"data/{folder}/{entry['path_name']}"])
                self.tensors[name] = _tensor(name, entry["tensor_meta"], raw)


def parse_json(text: bytes) -> Any:
    """Parse JSON of bounded depth: the standard parser recurses, and can end the process.

    Raises
    ------
    ValueError : no JSON, or nested deeper than `MAXIMUM_DEPTH`
    """
    if deeper_than(MAXIMUM_DEPTH, text):
        raise ValueError("its JSON is nested too deeply")
    return json.loads(text)


def _tensor(name: str, meta: Mapping[str, Any], raw: bytes) -> FloatArray:
    """Decode one stored tensor, strides honoured and checked against the bytes there are."""
    if meta["dtype"] not in DTYPES:
        raise ImportRefused(
            f"the tensor {name} has a number type that is not read (ScalarType {meta['dtype']}):"
            " convert the network with model.float() before exporting"
        )
    flat = np.frombuffer(raw, DTYPES[meta["dtype"]])
    if meta["dtype"] == BFLOAT16:
        flat = (flat.astype(np.uint32) << np.uint32(16)).view(np.float32)
    sizes = [int(size["as_int"]) for size in meta["sizes"]]
    strides = [int(stride["as_int"]) for stride in meta["strides"]]
    offset = int(meta["storage_offset"]["as_int"])
    if min([offset, *sizes, *strides]) < 0 or len(sizes) != len(strides):
        raise ImportRefused(f"the tensor {name} has a negative size or stride")
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    if 0 not in sizes and last >= len(flat):
        raise ImportRefused(f"the tensor {name} reaches beyond its stored bytes")
    if 0 in sizes:
        return np.zeros(sizes, np.float32)
    view = np.lib.stride_tricks.as_strided(
        flat[offset:], sizes, [step * flat.itemsize for step in strides], writeable=False
    )
    return np.array(view, np.float32)
