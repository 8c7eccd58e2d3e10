/* The inner loops: a tile of sums from a few rows of a left operand and a few panels of a right
 * one. One file for each instruction set; this is the portable one. All have
 *
 *   NARROW_BYTES, left8   how an i8 or u8 of the left operand is kept
 *   NARROW_OFFSET         what is added to an i8 to keep it so (the sums are put right by the bias)
 *   TILE_ROWS, TILE_PANELS the largest tile
 *   tile8, tile16, tile32 c[r * TILE_PANELS * PANEL + p * PANEL + j] = sum_k a[r][k] * b[p][k][j]
 *
 * A panel holds PANEL columns: groups of 4, 2 or 1 elements along k (tile8, tile16, tile32), for
 * each group the columns one after another. Sums wrap modulo 2^32; where validation proved a bound
 * the final sum is exact.
 */
#ifndef ENGRAM_MICRO_H
#define ENGRAM_MICRO_H

#include "arithmetic.h"

enum { PANEL = 16 };

typedef void tile_fn(const void *a, int64_t row_bytes, int64_t rows, const void *b,
                     int64_t panel_bytes, int64_t panels, int64_t groups, int32_t *c);

typedef int16_t left8;
enum { NARROW_BYTES = 2, NARROW_OFFSET = 0, TILE_ROWS = 4, TILE_PANELS = 2 };

#define PORTABLE_TILE(name, left, right, group)                                                    \
    static void name(const void *a, int64_t row_bytes, int64_t rows, const void *b,                \
                     int64_t panel_bytes, int64_t panels, int64_t groups, int32_t *c) {            \
        for (int64_t p = 0; p < panels; p++)                                                       \
            for (int64_t r = 0; r < rows; r++) {                                                   \
                const left *x = (const left *)((const char *)a + r * row_bytes);                   \
                const right *w = (const right *)((const char *)b + p * panel_bytes);               \
                uint32_t sums[PANEL] = {0};                                                        \
                for (int64_t k = 0; k < groups; k++)                                               \
                    for (int j = 0; j < PANEL; j++)                                                \
                        for (int e = 0; e < group; e++)                                            \
                            sums[j] += (uint32_t)x[k * group + e] *                                \
                                       (uint32_t)w[(k * PANEL + j) * group + e];                   \
                memcpy(c + (r * TILE_PANELS + p) * PANEL, sums, sizeof sums);                      \
            }                                                                                      \
    }

PORTABLE_TILE(tile8, left8, int8_t, 4)
PORTABLE_TILE(tile16, int16_t, int16_t, 2)
PORTABLE_TILE(tile32, int32_t, int32_t, 1)

#endif
