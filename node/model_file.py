"""Model files and arrays on disk, read strictly, with a sentence for each thing that is wrong."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.errors import InvalidModel
from ai_ops.graph import Model
from ai_ops.model import decode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, Limits, ModelFacts, validate
from node.errors import CliError

MAXIMUM_ARRAY_BYTES = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A decoded and validated model file."""

    data: bytes
    model: Model
    facts: ModelFacts


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a whole file of at most `limit` bytes.

    Raises
    ------
    CliError : E-MODEL-001, the file is missing, unreadable or too large
    """
    try:
        with path.open("rb") as file:
            # A pipe or a device has no size, and may never end.
            data = file.read(limit + 1) if path.stat().st_size <= limit else None
    except OSError as error:
        raise CliError(
            "E-MODEL-001", f"{path} cannot be read ({error.strerror}); check the path."
        ) from error
    if data is None or len(data) > limit:
        raise CliError("E-MODEL-001", f"{path} has more than {limit:,} bytes; name a model file.")
    return data


def read_model(path: Path, limits: Limits = DEFAULT_LIMITS) -> ModelFile:
    """Read, decode and validate a model file.

    Parameters
    ----------
    limits : Limits
        Of the chain that the model is for.

    Raises
    ------
    CliError : E-MODEL-001 unreadable, E-MODEL-002 no acceptable model
    """
    data = read_bytes(path, limits.model_bytes)
    try:
        model = decode_model(data)
        facts = validate(head_of(model), len(data), limits)
    except InvalidModel as error:
        raise CliError(
            "E-MODEL-002",
            f"{path} is not a valid model: {error.reason} (code {error.code});"
            " make one with `engram model import`.",
        ) from error
    return ModelFile(data=data, model=model, facts=facts)


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read a `.npy` (one array, named "") or `.npz` file; never unpickles.

    Raises
    ------
    CliError : E-MODEL-001 unreadable, E-MODEL-005 not an array file
    """
    try:
        if path.stat().st_size > MAXIMUM_ARRAY_BYTES:
            raise CliError("E-MODEL-005", f"{path} is larger than 4 GiB; save fewer samples.")
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as bundle:
                unpacked = sum(entry.file_size for entry in bundle.infolist())
            if unpacked > MAXIMUM_ARRAY_BYTES:
                raise CliError("E-MODEL-005", f"{path} unpacks to more than 4 GiB.")
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except OSError as error:
        reason = error.strerror or "not an array file"
        raise CliError(
            "E-MODEL-001", f"{path} cannot be read ({reason}); check the path."
        ) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _no_arrays(path) from error
    # numpy reads any zip, and gives bytes for what is no array.
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise _no_arrays(path)
    return arrays


def _no_arrays(path: Path) -> CliError:
    return CliError(
        "E-MODEL-005",
        f"{path} is not an array file: write it with numpy.save (one array)"
        " or numpy.savez (several).",
    )


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    CliError : E-MODEL-007, the file cannot be written
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CliError(
            "E-MODEL-007", f"{path} cannot be written ({error.strerror}); choose another place."
        ) from error


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write one array as `.npy`, several as `.npz`.

    Raises
    ------
    CliError : E-MODEL-007, the file cannot be written
    """
    import io

    buffer = io.BytesIO()
    if len(arrays) == 1:
        np.save(buffer, next(iter(arrays.values())))
    else:
        np.savez(buffer, allow_pickle=False, **dict(arrays))
    write_atomically(path, buffer.getvalue())
