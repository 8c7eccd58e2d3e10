/* Operators that only move elements: TRANSPOSE, SLICE, PAD, UPSAMPLE, TILE, REPEAT, CONCAT,
 * GATHER, UPDATE_ROWS. */
#ifndef ENGRAM_MOVES_H
#define ENGRAM_MOVES_H

#include "arithmetic.h"
#include "kernels.h"

enum { MOVE_RANK = 16, MOVE_COLUMNS = 6, TILE_SIDE = 16 };

/* A copy between two places of different strides, in elements. */
struct move {
    int64_t rank;
    int64_t sizes[MOVE_RANK], from[MOVE_RANK], to[MOVE_RANK]; /* innermost first */
};

#define COPY_RUN(type)                                                                             \
    for (int64_t i = 0; i < count; i++)                                                            \
        ((type *)y)[i * to] = ((const type *)x)[i * from];                                         \
    break;
INLINE void copy_run(const char *x, int64_t from, char *y, int64_t to, int64_t count,
                     int64_t bytes) {
    if (from == 1 && to == 1) {
        memcpy(y, x, (size_t)(count * bytes));
        return;
    }
    switch (bytes) {
    case 1:
        COPY_RUN(uint8_t)
    case 2:
        COPY_RUN(uint16_t)
    default:
        COPY_RUN(uint32_t)
    }
}
#undef COPY_RUN

/* The two innermost dimensions in square tiles, so that both sides stay in the cache. */
INLINE void copy_plane(const struct move *m, const char *x, char *y, int64_t bytes) {
    int64_t rows = m->rank > 1 ? m->sizes[1] : 1, from = m->rank > 1 ? m->from[1] : 0;
    int64_t to = m->rank > 1 ? m->to[1] : 0;
    if (m->from[0] == 1 || rows < 4) {
        for (int64_t r = 0; r < rows; r++)
            copy_run(x + r * from * bytes, m->from[0], y + r * to * bytes, m->to[0], m->sizes[0],
                     bytes);
        return;
    }
    for (int64_t r = 0; r < rows; r += TILE_SIDE)
        for (int64_t c = 0; c < m->sizes[0]; c += TILE_SIDE) {
            int64_t tall = least(TILE_SIDE, rows - r), wide = least(TILE_SIDE, m->sizes[0] - c);
            for (int64_t i = r; i < r + tall; i++)
                copy_run(x + (i * from + c * m->from[0]) * bytes, m->from[0],
                         y + (i * to + c * m->to[0]) * bytes, m->to[0], wide, bytes);
        }
}

static void run_move(const struct move *m, const char *x, char *y, int64_t bytes) {
    int64_t index[MOVE_RANK] = {0};
    for (;;) {
        copy_plane(m, x, y, bytes);
        int64_t d = 2;
        for (; d < m->rank; d++) {
            x += m->from[d] * bytes, y += m->to[d] * bytes;
            if (++index[d] < m->sizes[d])
                break;
            x -= m->sizes[d] * m->from[d] * bytes, y -= m->sizes[d] * m->to[d] * bytes;
            index[d] = 0;
        }
        if (d >= m->rank)
            return;
    }
}

#define FILL(type)                                                                                 \
    for (int64_t i = 0; i < count; i++)                                                            \
        ((type *)y)[i] = (type)v;                                                                  \
    break;
INLINE void fill(void *y, int64_t bytes, int64_t count, int64_t v) {
    switch (bytes) {
    case 1:
        FILL(uint8_t)
    case 2:
        FILL(uint16_t)
    default:
        FILL(uint32_t)
    }
}
#undef FILL

/* Rows of `shape`, outermost first: size, stride of x and stride of y, each fixed + unit * n. A
 * stride of 0 reads an element again. Neighbours that lie together on both sides are joined. */
static void move(const void *step, const void *const *in, void *const *out, int64_t n,
                 void *scratch) {
    const struct move_step *s = step;
    struct move m = {0};
    (void)scratch;
    for (int64_t d = s->rank - 1; d >= 0; d--) {
        const int64_t *row = s->shape + d * MOVE_COLUMNS;
        int64_t size = row[0] + row[1] * n, from = row[2] + row[3] * n, to = row[4] + row[5] * n;
        if (size == 1)
            continue;
        int64_t last = m.rank - 1;
        if (m.rank && from == m.from[last] * m.sizes[last] && to == m.to[last] * m.sizes[last]) {
            m.sizes[last] *= size;
        } else {
            m.sizes[m.rank] = size;
            m.from[m.rank] = from;
            m.to[m.rank++] = to;
        }
    }
    if (!m.rank)
        m.sizes[0] = m.from[0] = m.to[0] = m.rank = 1;
    if (s->fills)
        fill(out[0], s->bytes, s->fill_fixed + s->fill_unit * n, s->value);
    run_move(&m, (const char *)in[0] + (s->from_fixed + s->from_unit * n) * s->bytes,
             (char *)out[0] + (s->to_fixed + s->to_unit * n) * s->bytes, s->bytes);
}

/* CONCAT: `runs` holds bytes per outer row of each operand, as fixed and unit. */
static void concat(const void *step, const void *const *in, void *const *out, int64_t n,
                   void *scratch) {
    const struct concat_step *s = step;
    int64_t outer = s->outer_fixed + s->outer_unit * n, row = 0, at = 0;
    (void)scratch;
    for (int64_t i = 0; i < s->count; i++)
        row += s->runs[2 * i] + s->runs[2 * i + 1] * n;
    for (int64_t i = 0; i < s->count; i++) {
        int64_t run = s->runs[2 * i] + s->runs[2 * i + 1] * n;
        for (int64_t r = 0; r < outer; r++)
            memcpy((char *)out[0] + r * row + at, (const char *)in[i] + r * run, (size_t)run);
        at += run;
    }
}

static void gather(const void *step, const void *const *in, void *const *out, int64_t n,
                   void *scratch) {
    const struct gather_step *s = step;
    int64_t outer = s->outer_fixed + s->outer_unit * n;
    int64_t count = s->count_fixed + s->count_unit * n;
    int64_t bytes = s->inner_fixed + s->inner_unit * n;
    char *y = out[0];
    (void)scratch;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < count; i++, y += bytes) {
            int64_t index = clamp(load_element(in[1], s->index_dtype, i), 0, s->size - 1);
            memcpy(y, (const char *)in[0] + (o * s->size + index) * bytes, (size_t)bytes);
        }
}

/* UPDATE_ROWS: in cache, rows, position. */
static void update_rows(const void *step, const void *const *in, void *const *out, int64_t n,
                        void *scratch) {
    const struct update_step *s = step;
    int64_t start = clamp(load_element(in[2], I32, 0), 0, s->rows - s->new_rows);
    int64_t stop = start + s->new_rows;
    char *y = out[0];
    const char *cache = in[0];
    (void)n, (void)scratch;
    memcpy(y, cache, (size_t)(start * s->row_bytes));
    memcpy(y + start * s->row_bytes, in[1], (size_t)(s->new_rows * s->row_bytes));
    memcpy(y + stop * s->row_bytes, cache + stop * s->row_bytes,
           (size_t)((s->rows - stop) * s->row_bytes));
}

#endif
