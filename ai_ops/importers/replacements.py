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
    (("einsum",), "write it as MatMul with Transpose or permute"),
    (("attention",), "write it as MatMul, a mask, Softmax and MatMul"),
    (("gatherelements", "gathernd", "gather", "scatter"), "end the network before it"),
    (("onehot",), "feed the embedded vectors as the input, or use an Embedding"),
    (("gridsample", "affinegrid"), "resize with nearest, linear or cubic interpolation"),
    (
        ("conv1d", "conv3d", "maxpool1d", "maxpool3d", "avgpool1d", "avgpool3d"),
        "use the two-dimensional layer, with height 1 where needed",
    ),
    (
        ("prelu", "rrelu", "selu", "celu", "softsign", "sin", "cos"),
        "use ReLU, LeakyReLU, ELU, Sigmoid, Tanh, GELU, SiLU or Hardswish",
    ),
    (
        ("sort", "nonzero", "unique"),
        "use TopK or NonMaxSuppression, or end the network before it and choose in the contract",
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
