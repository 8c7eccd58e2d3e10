/* GEMM: y[r, c] = clamp(R(sum_k x[r, k] * w[c, k] + bias[c])). */
#ifndef ENGRAM_GEMM_H
#define ENGRAM_GEMM_H

#include "product.h"

static void pack_weights(const void *step, const void *const *in, void *const *out, int64_t n,
                         void *scratch) {
    const struct gemm_step *s = step;
    (void)n, (void)scratch;
    pack_panels(in[0], s->w_dtype, s->path, s->units, s->depth, s->depth, 1,
                offset_of(s->path, s->x_dtype), in[1], out[0], out[1]);
}

/* Finish all tiles of `rows` rows in scratch, whose results go to y from row `first_row` on. */
static void multiply_rows(const struct gemm_step *s, const struct epilogue *end, const char *left,
                          int64_t rows, const char *panels, void *y, int64_t first_row) {
    int64_t row_bytes = row_bytes_of(s->path, s->depth);
    int64_t panel_bytes = panel_bytes_of(s->path, s->depth), groups = groups_of(s->path, s->depth);
    int64_t all = panels_of(s->units);
    tile_fn *tile = tile_of(s->path);
    int32_t sums[TILE_ROWS * TILE_PANELS * PANEL] __attribute__((aligned(64)));
    for (int64_t p = 0; p < all; p += TILE_PANELS) {
        int64_t wide = least(TILE_PANELS, all - p), first = p * PANEL;
        int64_t count = least(wide * PANEL, s->units - first);
        for (int64_t r = 0; r < rows; r += TILE_ROWS) {
            int64_t tall = least(TILE_ROWS, rows - r);
            struct target to = {y, (first_row + r) * s->units + first, s->units};
            tile(left + r * row_bytes, row_bytes, tall, panels + p * panel_bytes, panel_bytes, wide,
                 groups, sums);
            finish_tile(end, sums, tall, first, count, to);
        }
    }
}

/* Scratch: block_rows rows, then, where the step has no panels, panels and their bias. */
static void gemm(const void *step, const void *const *in, void *const *out, int64_t n,
                 void *scratch) {
    const struct gemm_step *s = step;
    struct epilogue end = s->end;
    int64_t rows = s->rows_fixed + s->rows_unit * n;
    int64_t row_bytes = row_bytes_of(s->path, s->depth), x_bytes = s->depth * size_of(s->x_dtype);
    const char *panels = s->panels;
    if (!panels) {
        char *packed = (char *)scratch + s->block_rows * row_bytes;
        int32_t *bias =
            (int32_t *)(packed + panels_of(s->units) * panel_bytes_of(s->path, s->depth));
        pack_panels(in[1], s->w_dtype, s->path, s->units, s->depth, s->depth, 1,
                    offset_of(s->path, s->x_dtype), s->raw_bias, packed, bias);
        panels = packed;
        end.bias = bias;
    }
    for (int64_t r = 0; r < rows; r += s->block_rows) {
        int64_t tall = least(s->block_rows, rows - r);
        for (int64_t i = 0; i < tall; i++) {
            char *row = (char *)scratch + i * row_bytes;
            put_run((const char *)in[0] + (r + i) * x_bytes, s->x_dtype, s->path, s->depth, row);
            pad_row(s->path, s->depth, row);
        }
        multiply_rows(s, &end, scratch, tall, panels, out[0], r);
    }
}

#endif
