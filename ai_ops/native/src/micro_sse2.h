/* Inner loops for any x86-64. pmaddwd multiplies i16 pairs and adds the two products to an i32:
 * exact. Left operands are widened once, in scratch, weights as they are read. */
#include <emmintrin.h>

#include "micro_portable.h"

typedef int16_t left8;
enum { NARROW_BYTES = 2, NARROW_OFFSET = 0, TILE_ROWS = 4, TILE_PANELS = 2 };

INLINE __m128i add_pairs(__m128i sums, __m128i x, __m128i w) {
    return _mm_add_epi32(sums, _mm_madd_epi16(x, w));
}

INLINE __m128i spread8(const char *a) {
    __m128i x = _mm_loadl_epi64((const __m128i *)a);
    return _mm_unpacklo_epi64(x, x);
}

INLINE __m128i spread4(const char *a) {
    int32_t four;
    memcpy(&four, a, 4);
    return _mm_set1_epi32(four);
}

/* Add the two halves of each column's sum: columns 0 and 1, 2 and 3. */
INLINE void store_halves(int32_t *c, __m128i low, __m128i high) {
    __m128 a = _mm_castsi128_ps(low), b = _mm_castsi128_ps(high);
    __m128i even = _mm_castps_si128(_mm_shuffle_ps(a, b, 0x88));
    __m128i odd = _mm_castps_si128(_mm_shuffle_ps(a, b, 0xDD));
    _mm_storeu_si128((__m128i *)c, _mm_add_epi32(even, odd));
}

/* `rows` rows by a quarter of a panel. */
INLINE void quarter8(const char *a, int64_t row_bytes, const int rows, const char *b,
                     int64_t groups, int32_t *c) {
    __m128i sums[TILE_ROWS][2];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        sums[r][0] = sums[r][1] = _mm_setzero_si128();
    for (int64_t k = 0; k < groups; k++) {
        __m128i w = _mm_loadu_si128((const __m128i *)(b + k * GROUP_BYTES));
        __m128i w0 = _mm_srai_epi16(_mm_unpacklo_epi8(w, w), 8);
        __m128i w1 = _mm_srai_epi16(_mm_unpackhi_epi8(w, w), 8);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            __m128i x = spread8(a + r * row_bytes + k * 8);
            sums[r][0] = add_pairs(sums[r][0], x, w0);
            sums[r][1] = add_pairs(sums[r][1], x, w1);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        store_halves(c + r * TILE_PANELS * PANEL, sums[r][0], sums[r][1]);
}

static void tile8(const char *a, int64_t row_bytes, int64_t rows, const char *b,
                  int64_t panel_bytes, int64_t panels, int64_t groups, int32_t *c) {
    for (int64_t p = 0; p < panels; p++, b += panel_bytes, c += PANEL)
        for (int64_t quarter = 0; quarter < 4; quarter++) {
            const char *w = b + quarter * 16;
            int32_t *to = c + quarter * 4;
            if (rows == 4)
                quarter8(a, row_bytes, 4, w, groups, to);
            else
                for (int64_t r = 0; r < rows; r++)
                    quarter8(a + r * row_bytes, row_bytes, 1, w, groups,
                             to + r * TILE_PANELS * PANEL);
        }
}

static void tile16(const char *a, int64_t row_bytes, int64_t rows, const char *b,
                   int64_t panel_bytes, int64_t panels, int64_t groups, int32_t *c) {
    for (int64_t p = 0; p < panels; p++, b += panel_bytes, c += PANEL)
        for (int64_t r = 0; r < rows; r++) {
            __m128i sums[4] = {{0}};
            for (int64_t k = 0; k < groups; k++) {
                const __m128i *w = (const __m128i *)(b + k * GROUP_BYTES);
                __m128i x = spread4(a + r * row_bytes + k * 4);
                for (int q = 0; q < 4; q++)
                    sums[q] = add_pairs(sums[q], x, _mm_loadu_si128(w + q));
            }
            for (int q = 0; q < 4; q++)
                _mm_storeu_si128((__m128i *)(c + r * TILE_PANELS * PANEL) + q, sums[q]);
        }
}

PORTABLE_TILE(tile32, int32_t, int32_t, 1)
