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
INLINE void quarter8(const struct span *span, const char *a, const int rows, const char *b,
                     int32_t *c) {
    __m128i sums[TILE_ROWS][2];
    int64_t row_bytes = span->row_bytes;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        sums[r][0] = sums[r][1] = _mm_setzero_si128();
    for (int64_t s = 0; s < span->segments; s++) {
        const char *x = a + span->offsets[s];
        for (int64_t k = 0; k < span->groups; k++, b += GROUP_BYTES) {
            __m128i w = _mm_loadu_si128((const __m128i *)b);
            __m128i w0 = _mm_srai_epi16(_mm_unpacklo_epi8(w, w), 8);
            __m128i w1 = _mm_srai_epi16(_mm_unpackhi_epi8(w, w), 8);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                __m128i group = spread8(x + r * row_bytes + k * 8);
                sums[r][0] = add_pairs(sums[r][0], group, w0);
                sums[r][1] = add_pairs(sums[r][1], group, w1);
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        store_halves(c + r * TILE_PANELS * PANEL, sums[r][0], sums[r][1]);
}

static void tile8(const struct span *span, const char *a, int64_t rows, const char *b,
                  int64_t panels, int32_t *c) {
    for (int64_t p = 0; p < panels; p++, b += span->panel_bytes, c += PANEL)
        for (int64_t quarter = 0; quarter < 4; quarter++) {
            const char *w = b + quarter * 16;
            int32_t *to = c + quarter * 4;
            if (rows == 4)
                quarter8(span, a, 4, w, to);
            else
                for (int64_t r = 0; r < rows; r++)
                    quarter8(span, a + r * span->row_bytes, 1, w, to + r * TILE_PANELS * PANEL);
        }
}

/* `rows` rows by half a panel of i16 pairs. */
INLINE void half16(const struct span *span, const char *a, const int rows, const char *b,
                   int32_t *c) {
    __m128i sums[TILE_ROWS][2];
    int64_t row_bytes = span->row_bytes;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        sums[r][0] = sums[r][1] = _mm_setzero_si128();
    for (int64_t s = 0; s < span->segments; s++) {
        const char *x = a + span->offsets[s];
        for (int64_t k = 0; k < span->groups; k++, b += GROUP_BYTES) {
            __m128i w0 = _mm_loadu_si128((const __m128i *)b);
            __m128i w1 = _mm_loadu_si128((const __m128i *)(b + 16));
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                __m128i group = spread4(x + r * row_bytes + k * 4);
                sums[r][0] = add_pairs(sums[r][0], group, w0);
                sums[r][1] = add_pairs(sums[r][1], group, w1);
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        _mm_storeu_si128((__m128i *)(c + r * TILE_PANELS * PANEL), sums[r][0]);
        _mm_storeu_si128((__m128i *)(c + r * TILE_PANELS * PANEL + 4), sums[r][1]);
    }
}

static void tile16(const struct span *span, const char *a, int64_t rows, const char *b,
                   int64_t panels, int32_t *c) {
    for (int64_t p = 0; p < panels; p++, b += span->panel_bytes, c += PANEL)
        for (int64_t half = 0; half < 2; half++) {
            const char *w = b + half * 32;
            int32_t *to = c + half * 8;
            if (rows == 4)
                half16(span, a, 4, w, to);
            else
                for (int64_t r = 0; r < rows; r++)
                    half16(span, a + r * span->row_bytes, 1, w, to + r * TILE_PANELS * PANEL);
        }
}

PORTABLE_TILE(tile32, int32_t, int32_t, 1)
