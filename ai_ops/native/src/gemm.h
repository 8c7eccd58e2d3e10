/* GEMM: y[r, c] = clamp(R(sum_k x[r, k] * w[c, k] + bias[c])). */
#ifndef ENGRAM_GEMM_H
#define ENGRAM_GEMM_H

#include "finish_dynamic.h"
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

/* How sums become results. With `factors`, one for each row, as in GEMM_DYNAMIC. */
struct ending {
    const struct epilogue *epilogue;
    const int32_t *factors, *fine_bias;
};

/* Multiply `high` rows in scratch; their results go to rows of y from `first_row` on. */
static void multiply_rows(const struct product *p, const struct ending *end, const char *left,
                          int64_t high, const char *panels, void *y, int64_t first_row) {
    struct span span = row_span(p);
    tile_fn *tile = tile_of(p->path);
    int32_t sums[TILE_ROWS * TILE_PANELS * PANEL] __attribute__((aligned(64)));
    for (int64_t c = 0; c < p->units; c += TILE_PANELS * PANEL) {
        int64_t count = least(TILE_PANELS * PANEL, p->units - c);
        for (int64_t r = 0; r < high; r += TILE_ROWS) {
            int64_t tall = least(TILE_ROWS, high - r);
            struct target to = {y, (first_row + r) * p->units + c, p->units};
            tile(&span, left + r * span.row_bytes, tall, panels + c / PANEL * span.panel_bytes,
                 panels_of(count), sums);
            if (end->factors)
                finish_dynamic(end->epilogue, end->fine_bias, sums, end->factors + first_row + r,
                               tall, c, count, to);
            else
                finish_tile(end->epilogue, sums, tall, c, count, to);
        }
    }
}

/* Multiply `rows` rows of x, block by block. */
static void multiply(const struct product *p, const struct ending *end, const void *x,
                     int64_t rows, int64_t block_rows, char *left, const char *panels, void *y) {
    int64_t x_bytes = p->depth * size_of(p->x_dtype);
    for (int64_t r = 0; r < rows; r += block_rows) {
        int64_t high = least(block_rows, rows - r);
        put_rows(p, (const char *)x + r * x_bytes, high, left);
        multiply_rows(p, end, left, high, panels, y, r);
    }
}

/* Scratch: block_rows rows, then, where the step has no panels, panels and their bias. */
INLINE void run_gemm(const struct gemm_step *s, const void *x, const void *w,
                     const int32_t *factors, const int32_t *fine_bias, void *y, int64_t n,
                     char *left) {
    struct epilogue epilogue = s->end;
    char *memory = left + s->block_rows * row_span(&s->product).row_bytes;
    const char *panels = panels_for(&s->product, 1, w, memory, &epilogue);
    struct ending end = {&epilogue, factors, fine_bias};
    multiply(&s->product, &end, x, s->rows_fixed + s->rows_unit * n, s->block_rows, left, panels,
             y);
}

static void gemm(const void *step, const void *const *in, void *const *out, int64_t n,
                 void *scratch) {
    run_gemm(step, in[0], in[1], NULL, NULL, out[0], n, scratch);
}

static void gemm_dynamic(const void *step, const void *const *in, void *const *out, int64_t n,
                         void *scratch) {
    const struct dynamic_step *s = step;
    run_gemm(&s->gemm, in[0], in[2], in[1], s->fine_bias, out[0], n, scratch);
}

#endif
