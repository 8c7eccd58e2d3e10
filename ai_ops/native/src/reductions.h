/* SUM, MEAN, MAX, MIN over any dimensions; ARGMAX over one. */
#ifndef ENGRAM_REDUCTIONS_H
#define ENGRAM_REDUCTIONS_H

#include "blocks.h"
#include "kernels.h"

enum reduction { REDUCE_SUM = 0, REDUCE_MEAN = 1, REDUCE_MAX = 2, REDUCE_MIN = 3 };

/* y[0..count) op= x, or y[0] op= all of x. */
#define MERGE(y, v)                                                                                \
    ((y) = kind == REDUCE_MAX ? most(y, v) : kind == REDUCE_MIN ? least(y, v) : (y) + (v))
INLINE void merge_block(int64_t kind, int64_t stride, const int32_t *restrict x, int64_t count,
                        int64_t *restrict y) {
    if (stride) {
        for (int64_t i = 0; i < count; i++)
            MERGE(y[i], (int64_t)x[i]);
        return;
    }
    int64_t total = y[0];
    for (int64_t i = 0; i < count; i++)
        MERGE(total, (int64_t)x[i]);
    y[0] = total;
}
#undef MERGE

INLINE void merge(int64_t kind, int64_t stride, const int32_t *x, int64_t count, int64_t *y) {
    if (kind == REDUCE_MAX)
        merge_block(REDUCE_MAX, stride, x, count, y);
    else if (kind == REDUCE_MIN)
        merge_block(REDUCE_MIN, stride, x, count, y);
    else
        merge_block(REDUCE_SUM, stride, x, count, y);
}

/* Scratch: one i64 per result. `shape` is that of x; operand column 0 marks the dimensions that
 * stay: walking over x, the result's place is found as a repeated operand's would be. */
static void reduce(const void *step, const void *const *in, void *const *out, int64_t n,
                   void *scratch) {
    const struct reduce_step *s = step;
    int64_t *totals = scratch, total = elements_in(s->shape, s->rank, n), results = 1;
    struct walk w;
    int32_t x[BLOCK_ELEMENTS];
    start_walk(&w, NULL, 0, 0, s->shape, s->rank, n);
    for (int64_t d = 0; d < w.rank; d++)
        results *= w.strides[d] ? w.sizes[d] : 1;
    int64_t first = s->kind == REDUCE_MAX ? INT64_MIN : s->kind == REDUCE_MIN ? INT64_MAX : 0;
    for (int64_t i = 0; i < results; i++)
        totals[i] = first;
    for (int64_t at = 0; at < total;) {
        int64_t count = least(least(w.sizes[0] - w.index[0], BLOCK_ELEMENTS), total - at);
        widen(in[0], s->x_dtype, at, count, x);
        merge(s->kind, w.strides[0], x, count, totals + w.at);
        at += count;
        step_walk(&w, count);
    }
    for (int64_t i = 0; i < results; i++) {
        int64_t v = totals[i];
        if (s->kind == REDUCE_MEAN)
            v = divide_half_up(v, total / results);
        if (s->kind == REDUCE_SUM) {
            int64_t c = i % s->channels;
            v = rescale(clamp(v, INT32_MIN, INT32_MAX), s->multiplier[c], s->shift[c]);
            v = clamp(v, s->minimum, s->maximum);
        }
        store_element(out[0], s->dtype, i, v);
    }
}

/* The first of the largest elements along the middle of (outer, size, inner). */
static void argmax(const void *step, const void *const *in, void *const *out, int64_t n,
                   void *scratch) {
    const struct argmax_step *s = step;
    int64_t outer = s->outer_fixed + s->outer_unit * n;
    int64_t inner = s->inner_fixed + s->inner_unit * n;
    int32_t *y = out[0], block[BLOCK_ELEMENTS];
    int32_t best[BLOCK_ELEMENTS];
    (void)scratch;
    for (int64_t o = 0; o < outer; o++, y += inner) {
        if (inner == 1) {
            int64_t largest = INT64_MIN;
            for (int64_t k = 0; k < s->size; k += BLOCK_ELEMENTS) {
                int64_t count = least(s->size - k, BLOCK_ELEMENTS);
                int32_t top = INT32_MIN;
                widen(in[0], s->dtype, o * s->size + k, count, block);
                for (int64_t i = 0; i < count; i++)
                    top = block[i] > top ? block[i] : top;
                if (top <= largest)
                    continue;
                largest = top;
                for (y[0] = 0; block[y[0]] != top;)
                    y[0]++;
                y[0] += (int32_t)k;
            }
            continue;
        }
        for (int64_t j = 0; j < inner; j += BLOCK_ELEMENTS) {
            int64_t count = least(inner - j, BLOCK_ELEMENTS);
            widen(in[0], s->dtype, o * s->size * inner + j, count, best);
            memset(y + j, 0, (size_t)count * 4);
            for (int64_t k = 1; k < s->size; k++) {
                widen(in[0], s->dtype, (o * s->size + k) * inner + j, count, block);
                for (int64_t i = 0; i < count; i++) {
                    y[j + i] = block[i] > best[i] ? (int32_t)k : y[j + i];
                    best[i] = block[i] > best[i] ? block[i] : best[i];
                }
            }
        }
    }
}

#endif
