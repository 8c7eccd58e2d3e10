/* GEMM: y[r, c] = clamp(R(sum_k x[r, k] * w[c, k] + bias[c])). */
#ifndef ENGRAM_GEMM_H
#define ENGRAM_GEMM_H

#include "product.h"

static const int64_t NO_OFFSET[1] = {0};

INLINE struct span row_span(const struct product *p) {
    return (struct span){row_bytes_of(p->path, p->depth), panel_bytes_of(p), 1,
                         groups_of(p->path, p->depth), NO_OFFSET};
}

/* Put `rows` rows of x into scratch. */
INLINE void put_rows(const struct product *p, const void *x, int64_t rows, char *to) {
    int64_t row_bytes = row_bytes_of(p->path, p->depth), x_bytes = p->depth * size_of(p->x_dtype);
    for (int64_t r = 0; r < rows; r++) {
        put_run((const char *)x + r * x_bytes, p->x_dtype, p->path, p->depth, to + r * row_bytes);
        pad_row(p->path, p->depth, to + r * row_bytes);
    }
}

/* Scratch: block_rows rows, then, where the step has no panels, panels and their bias. */
static void gemm(const void *step, const void *const *in, void *const *out, int64_t n,
                 void *scratch) {
    const struct gemm_step *s = step;
    const struct product *p = &s->product;
    struct epilogue end = s->end;
    struct span span = row_span(p);
    tile_fn *tile = tile_of(p->path);
    char *left = scratch;
    const char *panels =
        panels_for(p, 1, in[1], left + s->block_rows * span.row_bytes, &end);
    int64_t rows = s->rows_fixed + s->rows_unit * n, x_bytes = p->depth * size_of(p->x_dtype);
    int32_t sums[TILE_ROWS * TILE_PANELS * PANEL] __attribute__((aligned(64)));
    for (int64_t block = 0; block < rows; block += s->block_rows) {
        int64_t high = least(s->block_rows, rows - block);
        put_rows(p, (const char *)in[0] + block * x_bytes, high, left);
        for (int64_t c = 0; c < p->units; c += TILE_PANELS * PANEL) {
            int64_t count = least(TILE_PANELS * PANEL, p->units - c);
            for (int64_t r = 0; r < high; r += TILE_ROWS) {
                int64_t tall = least(TILE_ROWS, high - r);
                struct target to = {out[0], (block + r) * p->units + c, p->units};
                tile(&span, left + r * span.row_bytes, tall,
                     panels + c / PANEL * span.panel_bytes, panels_of(count), sums);
                finish_tile(&end, sums, tall, c, count, to);
            }
        }
    }
}

#endif
