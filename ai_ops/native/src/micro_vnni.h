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
INLINE void tile_of_sums(const char *a, int64_t row_bytes, const int rows, const char *b,
                         int64_t panel_bytes, const int panels, int64_t groups, int32_t *c,
                         const int kind) {
    __m512i sums[TILE_ROWS][TILE_PANELS], w[TILE_PANELS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < panels; p++)
            sums[r][p] = _mm512_setzero_si512();
    for (int64_t k = 0; k < groups; k++) {
#pragma GCC unroll 2
        for (int p = 0; p < panels; p++)
            w[p] = _mm512_loadu_si512(b + p * panel_bytes + k * GROUP_BYTES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            __m512i x = spread(a + r * row_bytes + k * 4);
#pragma GCC unroll 2
            for (int p = 0; p < panels; p++)
                sums[r][p] = add_products(sums[r][p], x, w[p], kind);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < panels; p++)
            _mm512_store_si512(c + (r * TILE_PANELS + p) * PANEL, sums[r][p]);
}

/* One row: bound by reading the weights, which lie one after another. */
INLINE void row_of_sums(const char *a, const char *b, int64_t groups, int32_t *c, const int kind) {
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
    int64_t k = 0;
    for (; k + 4 <= groups; k += 4) {
        const char *w = b + k * GROUP_BYTES;
        s0 = add_products(s0, spread(a + k * 4), _mm512_loadu_si512(w), kind);
        s1 = add_products(s1, spread(a + k * 4 + 4), _mm512_loadu_si512(w + 64), kind);
        s2 = add_products(s2, spread(a + k * 4 + 8), _mm512_loadu_si512(w + 128), kind);
        s3 = add_products(s3, spread(a + k * 4 + 12), _mm512_loadu_si512(w + 192), kind);
    }
    for (; k < groups; k++)
        s0 = add_products(s0, spread(a + k * 4), _mm512_loadu_si512(b + k * GROUP_BYTES), kind);
    _mm512_store_si512(c, _mm512_add_epi32(_mm512_add_epi32(s0, s1), _mm512_add_epi32(s2, s3)));
}

#define TILE(name, kind)                                                                           \
    static void name(const char *a, int64_t row_bytes, int64_t rows, const char *b,                \
                     int64_t panel_bytes, int64_t panels, int64_t groups, int32_t *c) {            \
        if (rows == 1) {                                                                           \
            for (int64_t p = 0; p < panels; p++)                                                   \
                row_of_sums(a, b + p * panel_bytes, groups, c + p * PANEL, kind);                  \
            return;                                                                                \
        }                                                                                          \
        switch (rows * 2 + panels) {                                                               \
            CASE(2, kind) CASE(3, kind) CASE(4, kind) CASE(5, kind)                                \
            CASE(6, kind) CASE(7, kind) CASE(8, kind)                                              \
        }                                                                                          \
    }
#define CASE(rows, kind)                                                                           \
    case (rows) * 2 + 1:                                                                           \
        tile_of_sums(a, row_bytes, rows, b, panel_bytes, 1, groups, c, kind);                      \
        break;                                                                                     \
    case (rows) * 2 + 2:                                                                           \
        tile_of_sums(a, row_bytes, rows, b, panel_bytes, 2, groups, c, kind);                      \
        break;

TILE(tile8, SUM8)
TILE(tile16, SUM16)
TILE(tile32, SUM32)
#undef CASE
#undef TILE
