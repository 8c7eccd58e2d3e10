"""What to use in place of an operation that the importer does not read."""

from ai_ops.importers.errors import ImportRefused

# Matched against the lower-case name with underscores removed; the first row that fits speaks.
REPLACEMENTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("lstm", "gru", "rnn"),
        (
            "write the steps out over a fixed length with dense layers, sigmoid and tanh, or use a"
            " convolution over a fixed window"
        ),
    ),
    (
        ("groupnorm", "instancenorm", "rmsnorm"),
        "use BatchNorm, or LayerNorm over the last axis, in place of the normalization",
    ),
    (("attention", "einsum"), "write it as MatMul, Softmax and MatMul, without a mask"),
    (("embedding", "indexselect", "onehot"), "feed the embedded vectors as the input"),
    (
        ("upsample", "resize", "interpolate"),
        "enlarge to nearest pixels by whole factors, or use a transposed convolution",
    ),
    (
        ("conv1d", "conv3d", "maxpool1d", "maxpool3d", "avgpool1d", "avgpool3d"),
        "use the two-dimensional layer, with height 1 where needed",
    ),
    (
        ("prelu", "rrelu", "selu", "celu", "softsign", "sin", "cos"),
        "use ReLU, LeakyReLU, ELU, Sigmoid, Tanh, GELU, SiLU or Hardswish",
    ),
    (
        ("topk", "sort", "nonzero", "nms", "nonmaxsuppression"),
        "end the network before it and choose from the scores in the contract",
    ),
    (("rand", "bernoulli", "multinomial", "normal"), "remove it: an inference has no randomness"),
    (("quantize", "dequantize"), "import the float network; the importer quantizes it itself"),
    (("cond", "while", "loop", "if", "scan"), "unroll it: a graph has no control flow"),
)


def unsupported(source: str, name: str) -> ImportRefused:
    """Make the error for a node without a converter.

    Parameters
    ----------
    source : what the file calls the node
    name : the operation's name, in any framework's spelling
    """
    key = name.lower().replace("_", "")
    hint = next(
        (advice for words, advice in REPLACEMENTS if any(word in key for word in words)),
        "the guide lists what can be imported: docs/guides/models.md",
    )
    return ImportRefused(f"the node {source} is not supported: {hint}")
