"""Products of activations, transposed convolution and box selection in plain Python integers."""

from __future__ import annotations

from tests.spec.plain import Attributes, Tensor, Typed, at, build, finish, indexes

I32 = 3


def matmul(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    (_, x), (_, y) = inputs
    lead_x, lead_y = x[0][:-2], y[0][:-2]
    rank = max(len(lead_x), len(lead_y))
    sizes = [(1,) * (rank - len(lead)) + lead for lead in (lead_x, lead_y)]
    lead = tuple(max(p, q) for p, q in zip(*sizes, strict=True))
    columns = y[0][-2] if a["transpose_b"] else y[0][-1]

    def element(index: tuple[int, ...]) -> int:
        i, j = index[-2:]
        own_x, own_y = (
            tuple(
                0 if size == 1 else p
                for size, p in zip(own, index[rank - len(own) : rank], strict=True)
            )
            for own in (lead_x, lead_y)
        )
        total = 0
        for k in range(x[0][-1]):
            place = (j, k) if a["transpose_b"] else (k, j)
            total += at(x, (*own_x, i, k)) * at(y, (*own_y, *place))
        return finish(total, j, a)

    return [(a["dtype"], build((*lead, x[0][-2], columns), element))]


def conv_transpose2d(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    """Scatter: each element of x adds to the places of the result that its window covers."""
    (_, x), (_, w) = inputs
    batch, height, width, _ = x[0]
    filters, kh, kw, depth = w[0]
    (si, sj), (di, dj) = a["strides"], a["dilations"]
    top, left, bottom, right = a["padding"]
    rows = (height - 1) * si - top - bottom + (kh - 1) * di + 1 + a["output_padding"][0]
    columns = (width - 1) * sj - left - right + (kw - 1) * dj + 1 + a["output_padding"][1]
    totals = dict.fromkeys(indexes((batch, rows, columns, filters)), 0)
    for n, i, j in indexes((batch, height, width)):
        for c, p, q, k in indexes((filters, kh, kw, depth)):
            place = (n, i * si + p * di - top, j * sj + q * dj - left, c)
            if place in totals:
                group = c // (filters // a["groups"])
                totals[place] += at(x, (n, i, j, group * depth + k)) * at(w, (c, p, q, k))
    data = [finish(total, index[-1], a) for index, total in totals.items()]
    return [(a["dtype"], ((batch, rows, columns, filters), data))]


def corners(boxes: Tensor, row: int) -> list[int]:
    return [at(boxes, (row, column)) for column in range(4)]


def size(box: list[int]) -> int:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def suppresses(a: Attributes, kept: list[int], other: list[int]) -> bool:
    common = [max(p, q) for p, q in zip(kept[:2], other[:2], strict=True)]
    common += [min(p, q) for p, q in zip(kept[2:], other[2:], strict=True)]
    shared = size(common)
    union = size(kept) + size(other) - shared
    limit: int = a["iou_threshold"]
    return shared * 65536 > limit * union


def non_max_suppression(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    boxes, scores = inputs[0][1], inputs[1][1][1]
    classes = inputs[2][1][1] if len(inputs) == 3 else [0] * len(scores)
    order = sorted(range(len(scores)), key=lambda row: (-scores[row], row))
    kept: list[int] = []
    for row in order:
        if scores[row] < a["score_threshold"] or len(kept) == a["maximum_outputs"]:
            continue
        if not any(
            classes[row] == classes[other]
            and suppresses(a, corners(boxes, other), corners(boxes, row))
            for other in kept
        ):
            kept.append(row)
    kept += [-1] * (a["maximum_outputs"] - len(kept))
    return [(I32, ((len(kept),), kept))]


def valid_rows(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    ((dtype, (shape, data)),) = inputs
    rows, width = shape
    lines = [data[row * width : (row + 1) * width] for row in range(rows)]
    valid = [line for line in lines if line[a["column"]] > a["threshold"]]
    filled = valid + [[-1] * width] * (rows - len(valid))
    flat = [v for line in filled for v in line]
    return [(dtype, (shape, flat)), (I32, ((1,), [len(valid)]))]


TYPED = {
    "MATMUL": matmul,
    "CONV_TRANSPOSE2D": conv_transpose2d,
    "NON_MAX_SUPPRESSION": non_max_suppression,
    "VALID_ROWS": valid_rows,
}
