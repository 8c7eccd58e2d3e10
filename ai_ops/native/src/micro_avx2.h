/* Inner loops for AVX2. vpmaddwd multiplies i16 pairs and adds the two products to an i32: exact.
 * (vpmaddubsw, made for bytes, saturates.) Left operands are widened once, in scratch; weights
 * stay bytes in memory and are widened as they are read. */
#include <immintrin.h>

typedef int16_t left8;
enum { NARROW_BYTES = 2, NARROW_OFFSET = 0, TILE_ROWS = 4, TILE_PANELS = 2 };

INLINE __m256i spread4(const char *a) {
    int32_t four;
    memcpy(&four, a, 4);
    return _mm256_set1_epi32(four);
}

INLINE __m256i spread8(const char *a) {
    int64_t eight;
    memcpy(&eight, a, 8);
    return _mm256_set1_epi64x(eight);
}

INLINE __m256i add_pairs(__m256i sums, __m256i x, __m256i w) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(x, w));
}

/* Four columns of one group, widened. */
INLINE __m256i widened(const char *w) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w));
}

/* Add the two halves of each column's sum: columns 0 to 3 and 4 to 7. */
INLINE void store_halves(int32_t *c, __m256i low, __m256i high) {
    __m256i sums = _mm256_hadd_epi32(low, high);
    _mm256_storeu_si256((__m256i *)c, _mm256_permute4x64_epi64(sums, 0xD8));
}

/* `rows` rows by half a panel. */
INLINE void half8(const struct span *span, const char *a, const int rows, const char *b,
                  int32_t *c) {
    __m256i sums[TILE_ROWS][2];
    int64_t row_bytes = span->row_bytes;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    for (int64_t s = 0; s < span->segments; s++) {
        const char *x = a + span->offsets[s];
        for (int64_t k = 0; k < span->groups; k++, b += GROUP_BYTES) {
            __m256i w0 = widened(b), w1 = widened(b + 16);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                __m256i group = spread8(x + r * row_bytes + k * 8);
                sums[r][0] = add_pairs(sums[r][0], group, w0);
                sums[r][1] = add_pairs(sums[r][1], group, w1);
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        store_halves(c + r * TILE_PANELS * PANEL, sums[r][0], sums[r][1]);
}

/* One row by a panel: bound by reading the weights. */
INLINE void row8(const struct span *span, const char *a, const char *b, int32_t *c) {
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    for (int64_t s = 0; s < span->segments; s++) {
        const char *x = a + span->offsets[s];
        for (int64_t k = 0; k < span->groups; k++, b += GROUP_BYTES) {
            __m256i group = spread8(x + k * 8);
            s0 = add_pairs(s0, group, widened(b));
            s1 = add_pairs(s1, group, widened(b + 16));
            s2 = add_pairs(s2, group, widened(b + 32));
            s3 = add_pairs(s3, group, widened(b + 48));
        }
    }
    store_halves(c, s0, s1);
    store_halves(c + 8, s2, s3);
}

static void tile8(const struct span *span, const char *a, int64_t rows, const char *b,
                  int64_t panels, int32_t *c) {
    for (int64_t p = 0; p < panels; p++, b += span->panel_bytes, c += PANEL)
        if (rows == 1)
            row8(span, a, b, c);
        else
            for (int64_t half = 0; half < 2; half++) {
                const char *w = b + half * 32;
                int32_t *to = c + half * 8;
                if (rows == 4)
                    half8(span, a, 4, w, to);
                else if (rows == 3)
                    half8(span, a, 3, w, to);
                else
                    half8(span, a, 2, w, to);
            }
}

/* `rows` rows by a panel of i16 pairs or of i32. */
INLINE void panel_of_words(const struct span *span, const char *a, const int rows, const char *b,
                           int32_t *c, const int pairs) {
    __m256i sums[TILE_ROWS][2];
    int64_t row_bytes = span->row_bytes;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    for (int64_t s = 0; s < span->segments; s++) {
        const char *x = a + span->offsets[s];
        for (int64_t k = 0; k < span->groups; k++, b += GROUP_BYTES) {
            __m256i w0 = _mm256_loadu_si256((const __m256i *)b);
            __m256i w1 = _mm256_loadu_si256((const __m256i *)(b + 32));
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                __m256i group = spread4(x + r * row_bytes + k * 4);
                if (pairs) {
                    sums[r][0] = add_pairs(sums[r][0], group, w0);
                    sums[r][1] = add_pairs(sums[r][1], group, w1);
                } else {
                    sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_mullo_epi32(group, w0));
                    sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_mullo_epi32(group, w1));
                }
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        _mm256_storeu_si256((__m256i *)(c + r * TILE_PANELS * PANEL), sums[r][0]);
        _mm256_storeu_si256((__m256i *)(c + r * TILE_PANELS * PANEL + 8), sums[r][1]);
    }
}

#define WORDS_TILE(name, pairs)                                                                    \
    static void name(const struct span *span, const char *a, int64_t rows, const char *b,          \
                     int64_t panels, int32_t *c) {                                                 \
        for (int64_t p = 0; p < panels; p++, b += span->panel_bytes, c += PANEL)                   \
            if (rows == 4)                                                                         \
                panel_of_words(span, a, 4, b, c, pairs);                                           \
            else                                                                                   \
                for (int64_t r = 0; r < rows; r++)                                                 \
                    panel_of_words(span, a + r * span->row_bytes, 1, b,                            \
                                   c + r * TILE_PANELS * PANEL, pairs);                            \
    }

WORDS_TILE(tile16, 1)
WORDS_TILE(tile32, 0)
#undef WORDS_TILE
