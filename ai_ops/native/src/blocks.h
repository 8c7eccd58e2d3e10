/* Element-wise kernels work block by block: operands are widened to i32 in a block that stays in
 * the first-level cache, computed there, and narrowed on the way out. So one loop serves all
 * dtypes, and shapes that repeat an operand are settled while it is read. */
#ifndef ENGRAM_BLOCKS_H
#define ENGRAM_BLOCKS_H

#include "arithmetic.h"

enum { BLOCK_ELEMENTS = 512, MAX_RANK = 8 };

/* to[0..count) = x[at..] */
INLINE void widen(const void *x, int64_t dtype, int64_t at, int64_t count, int32_t *restrict to) {
    switch (dtype) {
    case I8:
        for (int64_t i = 0; i < count; i++)
            to[i] = ((const int8_t *)x)[at + i];
        break;
    case I16:
        for (int64_t i = 0; i < count; i++)
            to[i] = ((const int16_t *)x)[at + i];
        break;
    case U8:
        for (int64_t i = 0; i < count; i++)
            to[i] = ((const uint8_t *)x)[at + i];
        break;
    default:
        memcpy(to, (const int32_t *)x + at, (size_t)count * 4);
    }
}

/* y[at..] = from[0..count), which fits. */
INLINE void narrow(const int32_t *restrict from, int64_t count, void *y, int64_t dtype,
                   int64_t at) {
    switch (dtype) {
    case I8:
    case U8:
        for (int64_t i = 0; i < count; i++)
            ((uint8_t *)y)[at + i] = (uint8_t)from[i];
        break;
    case I16:
        for (int64_t i = 0; i < count; i++)
            ((int16_t *)y)[at + i] = (int16_t)from[i];
        break;
    default:
        memcpy((int32_t *)y + at, from, (size_t)count * 4);
    }
}

/* Arithmetic v >> s. Where vectors of 64 bits only have the logical shift, 2^63 is added before it
 * and what became of it taken off again. */
INLINE int64_t shift_down(int64_t v, int64_t s) {
#if defined(__AVX512F__)
    return v >> s;
#else
    const uint64_t sign = (uint64_t)1 << 63;
    return (int64_t)((((uint64_t)v + sign) >> s) - (sign >> s));
#endif
}

/* (v + 2^(s-1)) >> s */
INLINE int64_t rescale_vector(int64_t product, int64_t s) {
    return shift_down(product + ((int64_t)1 << (s - 1)), s);
}

INLINE int32_t clamp_narrow(int32_t v, int32_t low, int32_t high) {
    v = v < low ? low : v;
    return v > high ? high : v;
}

/* (2n + d) // (2d) for d > 0: the quotient, rounded half up. */
INLINE int64_t divide_half_up(int64_t numerator, int64_t d) {
    int64_t v = 2 * numerator + d, q = v / (2 * d);
    return q - (v % (2 * d) < 0);
}

/* One operand of an element-wise node, read in the order of the result. A dimension of stride 0
 * is repeated; neighbours that are contiguous, or repeated, are one dimension. */
struct walk {
    const void *data;
    int64_t dtype;
    int64_t rank;
    int64_t sizes[MAX_RANK], strides[MAX_RANK], index[MAX_RANK]; /* innermost first */
    int64_t at;
};

/* A row of `shape` for each dimension: size = fixed + unit * n, then for each operand whether it
 * has the dimension or repeats it. */
enum { SHAPE_COLUMNS = 5, SHAPE_OPERANDS = 2 };

static void start_walk(struct walk *w, const void *data, int64_t dtype, int64_t operand,
                       const int64_t *shape, int64_t rank, int64_t n) {
    *w = (struct walk){.data = data, .dtype = dtype};
    int64_t elements = 1;
    for (int64_t d = rank - 1; d >= 0; d--) {
        const int64_t *row = shape + d * SHAPE_COLUMNS;
        int64_t size = row[0] + row[1] * n, stride = row[SHAPE_OPERANDS + operand] ? elements : 0;
        if (stride)
            elements *= size;
        if (size == 1)
            continue;
        if (w->rank && (stride != 0) == (w->strides[w->rank - 1] != 0)) {
            w->sizes[w->rank - 1] *= size;
        } else {
            w->sizes[w->rank] = size;
            w->strides[w->rank++] = stride;
        }
    }
    if (!w->rank)
        w->sizes[0] = 1, w->strides[0] = 1, w->rank = 1;
}

/* Go `count` elements on, which do not leave the innermost dimension. */
INLINE void step_walk(struct walk *w, int64_t count) {
    w->index[0] += count, w->at += count * w->strides[0];
    for (int64_t d = 0; w->index[d] == w->sizes[d];) {
        w->at -= w->sizes[d] * w->strides[d];
        w->index[d] = 0;
        if (++d == w->rank)
            return;
        w->index[d]++;
        w->at += w->strides[d];
    }
}

/* The next `count` elements, widened. */
static void next_block(struct walk *w, int64_t count, int32_t *to) {
    while (count > 0) {
        int64_t taken = least(count, w->sizes[0] - w->index[0]);
        if (w->strides[0]) {
            widen(w->data, w->dtype, w->at, taken, to);
        } else {
            int32_t v = (int32_t)load_element(w->data, w->dtype, w->at);
            for (int64_t i = 0; i < taken; i++)
                to[i] = v;
        }
        to += taken, count -= taken;
        step_walk(w, taken);
    }
}

INLINE int64_t elements_in(const int64_t *shape, int64_t rank, int64_t n) {
    int64_t count = 1;
    for (int64_t d = 0; d < rank; d++)
        count *= shape[d * SHAPE_COLUMNS] + shape[d * SHAPE_COLUMNS + 1] * n;
    return count;
}

#endif
