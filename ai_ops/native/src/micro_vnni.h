/* Inner loops for AVX-512 with VNNI. vpdpbusd multiplies u8 by i8 and adds four products to an
 * i32 without saturation (the instruction whose name ends in s would saturate); an i8 on the left
 * becomes unsigned by adding 128. Four bytes of a row are broadcast to meet 16 columns. */
#include <immintrin.h>

typedef uint8_t left8;
enum { NARROW_BYTES = 1, NARROW_OFFSET = 128, TILE_ROWS = 8, TILE_PANELS = 2 };

enum { SUM8, SUM16, SUM32 };

INLINE __m512i add_products(__m512i sums, __m512i x, __m512i w, const int kind) {
    if (kind == SUM8)
        return _mm512_dpbusd_epi32(sums, x, w);
    if (kind == SUM16)
        return _mm512_dpwssd_epi32(sums, x, w);
    return _mm512_add_epi32(sums, _mm512_mullo_epi32(x, w));
}

INLINE __m512i spread(const char *a) {
    int32_t four;
    memcpy(&four, a, 4);
    return _mm512_set1_epi32(four);
}

/* `rows` and `panels` are constants where this is inlined: the sums stay in registers. */
INLINE void tile_of_sums(const struct span *span, const char *a, const int rows, const char *b,
                         const int panels, int32_t *c, const int kind) {
    __m512i sums[TILE_ROWS][TILE_PANELS], w[TILE_PANELS];
    int64_t row_bytes = span->row_bytes, panel_bytes = span->panel_bytes, groups = span->groups;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < panels; p++)
            sums[r][p] = _mm512_setzero_si512();
    for (int64_t s = 0; s < span->segments; s++, b += groups * GROUP_BYTES) {
        const char *x = a + span->offsets[s];
        for (int64_t k = 0; k < groups; k++) {
#pragma GCC unroll 2
            for (int p = 0; p < panels; p++)
                w[p] = _mm512_loadu_si512(b + p * panel_bytes + k * GROUP_BYTES);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                __m512i group = spread(x + r * row_bytes + k * 4);
#pragma GCC unroll 2
                for (int p = 0; p < panels; p++)
                    sums[r][p] = add_products(sums[r][p], group, w[p], kind);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < panels; p++)
            _mm512_store_si512(c + (r * TILE_PANELS + p) * PANEL, sums[r][p]);
}

/* One row by a panel: bound by reading the weights, which lie one after another. */
INLINE void row_of_sums(const struct span *span, const char *a, const char *b, int32_t *c,
                        const int kind) {
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
    for (int64_t s = 0; s < span->segments; s++) {
        const char *x = a + span->offsets[s];
        int64_t k = 0;
        for (; k + 4 <= span->groups; k += 4, b += 4 * GROUP_BYTES) {
            s0 = add_products(s0, spread(x + k * 4), _mm512_loadu_si512(b), kind);
            s1 = add_products(s1, spread(x + k * 4 + 4), _mm512_loadu_si512(b + 64), kind);
            s2 = add_products(s2, spread(x + k * 4 + 8), _mm512_loadu_si512(b + 128), kind);
            s3 = add_products(s3, spread(x + k * 4 + 12), _mm512_loadu_si512(b + 192), kind);
        }
        for (; k < span->groups; k++, b += GROUP_BYTES)
            s0 = add_products(s0, spread(x + k * 4), _mm512_loadu_si512(b), kind);
    }
    _mm512_store_si512(c, _mm512_add_epi32(_mm512_add_epi32(s0, s1), _mm512_add_epi32(s2, s3)));
}

#define CASE(rows, kind)                                                                           \
    case (rows) * 2 + 1:                                                                           \
        tile_of_sums(span, a, rows, b, 1, c, kind);                                                \
        break;                                                                                     \
    case (rows) * 2 + 2:                                                                           \
        tile_of_sums(span, a, rows, b, 2, c, kind);                                                \
        break;
#define TILE(name, kind)                                                                           \
    static void name(const struct span *span, const char *a, int64_t rows, const char *b,          \
                     int64_t panels, int32_t *c) {                                                 \
        if (rows == 1)                                                                             \
            for (int64_t p = 0; p < panels; p++)                                                   \
                row_of_sums(span, a, b + p * span->panel_bytes, c + p * PANEL, kind);              \
        switch (rows * 2 + panels) {                                                               \
            CASE(2, kind) CASE(3, kind) CASE(4, kind) CASE(5, kind)                                \
            CASE(6, kind) CASE(7, kind) CASE(8, kind)                                              \
        }                                                                                          \
    }

TILE(tile8, SUM8)
TILE(tile16, SUM16)
TILE(tile32, SUM32)
#undef CASE
#undef TILE
