/* Sums of products, the part that all products share: packing operands.
 *
 * Rows of the left operand are copied into scratch, widened or offset as the inner loops want
 * them; the right operand is packed into panels once at load, or into scratch at each call. */
#ifndef ENGRAM_PRODUCT_H
#define ENGRAM_PRODUCT_H

#include "arithmetic.h"
#include "finish.h"

/* Chosen from the operands' dtypes (ai_ops/backends/native_products.py). */
enum path {
    NARROW = 0, /* i8 or u8 times i8 */
    WIDE = 1,   /* i8, u8, i16 times the same */
    FULL = 2,   /* anything */
};

/* Elements along k that lie together in a panel. Four bytes of a panel are always one column. */
INLINE int64_t group_of(int64_t path) { return path == NARROW ? 4 : path == WIDE ? 2 : 1; }
INLINE int64_t groups_of(int64_t path, int64_t depth) {
    return (depth + group_of(path) - 1) / group_of(path);
}
INLINE int64_t panels_of(int64_t units) { return (units + PANEL - 1) / PANEL; }
INLINE int64_t panel_bytes_of(const struct product *p) {
    return p->segments * groups_of(p->path, p->depth) * GROUP_BYTES;
}
INLINE int64_t packed_bytes_of(const struct product *p) {
    return panels_of(p->units) * panel_bytes_of(p);
}
INLINE int64_t left_bytes_of(int64_t path) {
    return path == NARROW ? NARROW_BYTES : path == WIDE ? 2 : 4;
}
/* Bytes of a row in scratch: an odd number of cache lines, so that rows do not evict each other. */
INLINE int64_t row_bytes_of(int64_t path, int64_t depth) {
    int64_t lines = (groups_of(path, depth) * group_of(path) * left_bytes_of(path) + 63) / 64;
    return (lines | 1) * 64;
}
INLINE int32_t offset_of(int64_t path, int64_t left_dtype) {
    return path == NARROW && left_dtype == I8 ? NARROW_OFFSET : 0;
}
INLINE tile_fn *tile_of(int64_t path) {
    return path == NARROW ? tile8 : path == WIDE ? tile16 : tile32;
}

/* Store one element of a column; `to` is where the column's first lies in its panel. */
INLINE void pack_element(const int64_t path, char *to, int64_t k, int64_t v) {
    if (path == NARROW)
        to[k / 4 * GROUP_BYTES + k % 4] = (char)v;
    else if (path == WIDE)
        ((int16_t *)(to + k / 2 * GROUP_BYTES))[k % 2] = (int16_t)v;
    else
        *(int32_t *)(to + k * GROUP_BYTES) = (int32_t)v;
}

/* Pack one segment of `columns` columns, 1 or PANEL; sums of the columns' elements are added to
 * `sums`. The path and the dtype are constants where this is inlined. */
INLINE void pack_run(const struct product *p, const int64_t path, const int64_t dtype,
                     const int64_t columns, const void *w, int64_t from, char *to,
                     uint32_t *sums) {
    int64_t padded = round_up(p->depth, group_of(path));
    for (int64_t k = 0; k < p->depth; k++)
        for (int64_t j = 0; j < columns; j++) {
            int64_t at = from + j * p->unit_stride + k * p->depth_stride;
            int64_t v = load_element(w, dtype, at);
            pack_element(path, to + j * 4, k, v);
            sums[j] += (uint32_t)v;
        }
    for (int64_t k = p->depth; k < padded; k++)
        for (int64_t j = 0; j < columns; j++)
            pack_element(path, to + j * 4, k, 0);
}

/* Columns that lie side by side are packed together, others one by one. */
INLINE void pack_segment(const struct product *p, const int64_t path, const int64_t dtype,
                         int64_t columns, const void *w, int64_t from, char *to,
                         uint32_t *sums) {
    if (columns == PANEL && p->unit_stride == 1) {
        pack_run(p, path, dtype, PANEL, w, from, to, sums);
        return;
    }
    for (int64_t j = 0; j < columns; j++)
        pack_run(p, path, dtype, 1, w, from + j * p->unit_stride, to + j * 4, sums + j);
}

static void pack_panel(const struct product *p, int64_t columns, const void *w, int64_t from,
                       char *to, uint32_t *sums) {
    int64_t run_bytes = groups_of(p->path, p->depth) * GROUP_BYTES;
    for (int64_t s = 0; s < p->segments; s++, to += run_bytes) {
        int64_t at = from + p->w_offsets[s];
        if (p->path == NARROW)
            pack_segment(p, NARROW, I8, columns, w, at, to, sums);
        else if (p->path == WIDE && p->w_dtype == I8)
            pack_segment(p, WIDE, I8, columns, w, at, to, sums);
        else if (p->path == WIDE && p->w_dtype == I16)
            pack_segment(p, WIDE, I16, columns, w, at, to, sums);
        else
            pack_segment(p, p->path, p->w_dtype, columns, w, at, to, sums);
    }
}

/* Pack w into panels; bias[c] = raw[c] less what the left operand's offset adds to the sums.
 * Columns that fill the last panel are 0. */
static void pack_panels(const struct product *p, const void *w, const int32_t *raw, void *panels,
                        int32_t *bias) {
    uint32_t offset = (uint32_t)offset_of(p->path, p->x_dtype);
    char *to = panels;
    for (int64_t c = 0; c < p->units; c += PANEL, to += panel_bytes_of(p)) {
        uint32_t sums[PANEL] = {0};
        int64_t columns = least(PANEL, p->units - c);
        if (columns < PANEL)
            memset(to, 0, (size_t)panel_bytes_of(p));
        pack_panel(p, columns, w, c * p->unit_stride, to, sums);
        for (int64_t j = 0; j < PANEL; j++) {
            uint32_t given = raw && j < columns ? (uint32_t)raw[c + j] : 0;
            bias[c + j] = (int32_t)(given - offset * sums[j]);
        }
    }
}

/* Pack the panels of every group, one after another. */
static void pack_groups(const struct product *p, int64_t groups, const void *w,
                        const int32_t *raw, void *panels, int32_t *bias) {
    int64_t padded = panels_of(p->units) * PANEL;
    int64_t w_bytes = p->units * p->unit_stride * size_of(p->w_dtype);
    for (int64_t g = 0; g < groups; g++)
        pack_panels(p, (const char *)w + g * w_bytes, raw ? raw + g * p->units : NULL,
                    (char *)panels + g * packed_bytes_of(p), bias + g * padded);
}

static void pack_weights(const void *step, const void *const *in, void *const *out, int64_t n,
                         void *scratch) {
    const struct pack_step *s = step;
    (void)n, (void)scratch;
    pack_groups(&s->product, s->groups, in[0], in[1], out[0], out[1]);
}

/* Use the step's panels, or pack those of `w` into memory: panels, then their bias. */
INLINE const char *panels_for(const struct product *p, int64_t groups, const void *w,
                              char *memory, struct epilogue *end) {
    if (p->panels)
        return p->panels;
    int32_t *bias = (int32_t *)(memory + groups * packed_bytes_of(p));
    pack_groups(p, groups, w, p->raw_bias, memory, bias);
    end->bias = bias;
    return memory;
}

/* Copy `count` elements of x to `to` as a left operand. */
static void put_run(const void *x, int64_t dtype, int64_t path, int64_t count, void *to) {
    if (path == NARROW) {
        left8 *narrow = to;
        if (dtype == I8)
            for (int64_t k = 0; k < count; k++)
                narrow[k] = (left8)(((const int8_t *)x)[k] + NARROW_OFFSET);
        else
            for (int64_t k = 0; k < count; k++)
                narrow[k] = (left8)((const uint8_t *)x)[k];
    } else if (path == WIDE) {
        int16_t *wide = to;
        if (dtype == I16)
            memcpy(wide, x, (size_t)count * 2);
        else if (dtype == I8)
            for (int64_t k = 0; k < count; k++)
                wide[k] = ((const int8_t *)x)[k];
        else
            for (int64_t k = 0; k < count; k++)
                wide[k] = (int16_t)load_element(x, dtype, k);
    } else {
        int32_t *full = to;
        for (int64_t k = 0; k < count; k++)
            full[k] = (int32_t)load_element(x, dtype, k);
    }
}

/* Fill a row up to a whole group: read by the inner loops, times 0. */
INLINE void pad_row(int64_t path, int64_t depth, char *row) {
    int64_t width = left_bytes_of(path), kept = groups_of(path, depth) * group_of(path);
    memset(row + depth * width, 0, (size_t)((kept - depth) * width));
}

#endif
