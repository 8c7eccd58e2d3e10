"""The bytes of a model: manifest ‖ graph ‖ weights, one encoding for each model.

Reading is strict: every byte is determined by the model it stands for, so
``encode_model(decode_model(b)) == b``. Nothing is allocated by a size that was not checked against
the bytes at hand. Source: docs/spec/03-models.md M-1 to M-8.
"""

from __future__ import annotations

from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Graph, Manifest, Model, ModelHead, Port
from ai_ops.graph_encoding import count_items, decode_graph, encode_graph
from ai_ops.manifest_encoding import MAXIMUM_MANIFEST_BYTES, decode_manifest, encode_manifest


def build_model(
    *,
    name: str,
    inputs: tuple[Port, ...],
    outputs: tuple[Port, ...],
    graph: Graph,
    weights: bytes,
    maximum_units: int = 1,
) -> Model:
    """Assemble a model, counting the graph's bytes.

    Raises
    ------
    InvalidModel
        A part cannot be encoded.
    """
    manifest = Manifest(
        name=name,
        inputs=inputs,
        outputs=outputs,
        maximum_units=maximum_units,
        graph_bytes=len(encode_graph(graph)),
    )
    return Model(manifest=manifest, graph=graph, weights=weights)


def encode_model(model: Model) -> bytes:
    """Return the canonical bytes.

    Raises
    ------
    InvalidModel
        A part cannot be encoded, or the weights or graph length disagree with the declaration.
    """
    graph = encode_graph(model.graph)
    if len(graph) != model.manifest.graph_bytes:
        raise InvalidModel(
            ModelFault.SIZE_MISMATCH,
            f"the graph has {len(graph)} bytes, the manifest says {model.manifest.graph_bytes}",
        )
    _check_weights(model.graph, len(model.weights))
    return encode_manifest(model.manifest) + graph + model.weights


def decode_model(data: bytes) -> Model:
    """Read a whole model; the inverse of `encode_model`.

    Raises
    ------
    InvalidModel
        The bytes are not the canonical encoding of a model.
    """
    size = head_size(data)
    head = decode_head(data[:size])
    _check_weights(head.graph, len(data) - size)
    return Model(manifest=head.manifest, graph=head.graph, weights=data[size:])


def head_size(prefix: bytes) -> int:
    """Bytes of manifest and graph together, read from the manifest.

    Parameters
    ----------
    prefix : bytes
        The first `MAXIMUM_MANIFEST_BYTES` bytes of a model, or all of a shorter one.

    Raises
    ------
    InvalidModel
        There is no valid manifest.
    """
    manifest, manifest_bytes = decode_manifest(prefix[:MAXIMUM_MANIFEST_BYTES])
    return manifest_bytes + manifest.graph_bytes


def head_items(data: bytes, most: int) -> int:
    """Count weights and operators of a head, of which validation takes time each.

    Parameters
    ----------
    data : bytes
        Manifest and graph.
    most : int
        The chain's limit on operators, which holds for weights too.

    Raises
    ------
    InvalidModel
        `LIMIT_OPERATORS`, or no valid manifest and graph stand there.
    """
    _, manifest_bytes = decode_manifest(data[:MAXIMUM_MANIFEST_BYTES])
    return count_items(data[manifest_bytes:], most)


def decode_head(data: bytes) -> ModelHead:
    """Read manifest and graph, which must be exactly `data`.

    Raises
    ------
    InvalidModel
        The bytes are not the canonical encoding of a manifest and a graph.
    """
    manifest, manifest_bytes = decode_manifest(data[:MAXIMUM_MANIFEST_BYTES])
    expected = manifest_bytes + manifest.graph_bytes
    if len(data) < expected:
        raise InvalidModel(
            ModelFault.TRUNCATED, f"manifest and graph take {expected} bytes; got {len(data)}"
        )
    if len(data) > expected:
        raise InvalidModel(
            ModelFault.SIZE_MISMATCH, f"manifest and graph take {expected} bytes; got {len(data)}"
        )
    graph = decode_graph(data[manifest_bytes:])
    return ModelHead(manifest=manifest, graph=graph, head_bytes=expected)


def head_of(model: Model) -> ModelHead:
    """Return the head of a model in memory."""
    size = len(encode_manifest(model.manifest)) + model.manifest.graph_bytes
    return ModelHead(manifest=model.manifest, graph=model.graph, head_bytes=size)


def _check_weights(graph: Graph, size: int) -> None:
    if graph.weight_bytes != size:
        raise InvalidModel(
            ModelFault.SIZE_MISMATCH,
            f"the graph declares {graph.weight_bytes} bytes of weights; there are {size}",
        )
