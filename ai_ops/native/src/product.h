/* Sums of products, the part that all products share: packing operands, walking over tiles.
 *
 * The left operand's rows are copied into scratch (`put_rows`), widened or offset as the inner
 * loops want them; the right operand is packed into panels once at load, or into scratch. */
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
INLINE int64_t panel_bytes_of(int64_t path, int64_t depth) {
    return groups_of(path, depth) * PANEL * 4;
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

/* Pack w[c * unit_stride + k * depth_stride] into panels; bias[c] = raw[c] less what the left
 * operand's offset adds to the sums. Columns and elements beyond the end are 0. */
static void pack_panels(const void *w, int64_t dtype, int64_t path, int64_t units, int64_t depth,
                        int64_t unit_stride, int64_t depth_stride, int32_t offset,
                        const int32_t *raw, void *panels, int32_t *bias) {
    int64_t group = group_of(path), groups = groups_of(path, depth);
    for (int64_t panel = 0; panel < panels_of(units); panel++) {
        uint32_t sums[PANEL] = {0};
        for (int64_t at = 0; at < groups; at++)
            for (int64_t j = 0; j < PANEL; j++)
                for (int64_t e = 0; e < group; e++) {
                    int64_t c = panel * PANEL + j, k = at * group + e;
                    int64_t v = c < units && k < depth
                                    ? load_element(w, dtype, c * unit_stride + k * depth_stride)
                                    : 0;
                    int64_t to = ((panel * groups + at) * PANEL + j) * group + e;
                    if (path == NARROW)
                        ((int8_t *)panels)[to] = (int8_t)v;
                    else if (path == WIDE)
                        ((int16_t *)panels)[to] = (int16_t)v;
                    else
                        ((int32_t *)panels)[to] = (int32_t)v;
                    sums[j] += (uint32_t)v;
                }
        for (int64_t j = 0; j < PANEL; j++) {
            int64_t c = panel * PANEL + j;
            uint32_t given = raw && c < units ? (uint32_t)raw[c] : 0;
            bias[c] = (int32_t)(given - (uint32_t)offset * sums[j]);
        }
    }
}

/* Copy `count` elements of x to a row in scratch. */
static void put_run(const void *x, int64_t dtype, int64_t path, int64_t count, void *row) {
    if (path == NARROW) {
        left8 *to = row;
        if (dtype == I8)
            for (int64_t k = 0; k < count; k++)
                to[k] = (left8)(((const int8_t *)x)[k] + NARROW_OFFSET);
        else
            for (int64_t k = 0; k < count; k++)
                to[k] = (left8)((const uint8_t *)x)[k];
    } else if (path == WIDE) {
        int16_t *to = row;
        for (int64_t k = 0; k < count; k++)
            to[k] = (int16_t)load_element(x, dtype, k);
    } else {
        int32_t *to = row;
        for (int64_t k = 0; k < count; k++)
            to[k] = (int32_t)load_element(x, dtype, k);
    }
}

/* Fill a row up to a whole group: read by the inner loops, times 0. */
INLINE void pad_row(int64_t path, int64_t depth, char *row) {
    int64_t width = left_bytes_of(path), kept = groups_of(path, depth) * group_of(path);
    memset(row + depth * width, 0, (size_t)((kept - depth) * width));
}

INLINE tile_fn *tile_of(int64_t path) {
    return path == NARROW ? tile8 : path == WIDE ? tile16 : tile32;
}

#endif
