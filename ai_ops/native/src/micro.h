/* The inner loops: a tile of sums from a few rows of a left operand and a few panels of a right
 * one. There is one file for each instruction set; all of them define
 *
 *   left8, NARROW_BYTES    how an i8 or u8 of the left operand is kept
 *   NARROW_OFFSET          what is added to an i8 to keep it so (the bias puts the sums right)
 *   TILE_ROWS, TILE_PANELS the largest tile
 *   tile8, tile16, tile32  c[r][p * PANEL + j] = sum_k a[r][k] * b[p][k][j]
 *
 * A panel holds PANEL columns: groups of 4, 2 or 1 elements along k (tile8, tile16, tile32), for
 * each group the columns one after another; so a group is 64 bytes of a panel in all three. Sums
 * wrap modulo 2^32; where validation proved a bound the final sum is exact, in any order.
 */
#ifndef ENGRAM_MICRO_H
#define ENGRAM_MICRO_H

#include "arithmetic.h"

enum { PANEL = 16, GROUP_BYTES = 64 };

/* What is summed over: `segments` runs of `groups` groups each. Segment s of row r of the left
 * operand begins at a + r * row_bytes + offsets[s] (a dense layer has one segment, a convolution
 * one for each row of its kernel); in a panel the segments follow each other. */
struct span {
    int64_t row_bytes;
    int64_t panel_bytes;
    int64_t segments, groups;
    const int64_t *offsets;
};

/* Rows of `c` are TILE_PANELS * PANEL entries apart; `c` is at a 64-byte address. */
typedef void tile_fn(const struct span *span, const char *a, int64_t rows, const char *b,
                     int64_t panels, int32_t *c);

#if defined(__AVX512VNNI__)
#include "micro_vnni.h"
#elif defined(__AVX2__)
#include "micro_avx2.h"
#elif defined(__SSE2__)
#include "micro_sse2.h"
#else
#include "micro_plain.h"
#endif

#endif
