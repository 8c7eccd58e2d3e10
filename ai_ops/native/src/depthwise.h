/* CONV2D with one filter for each channel: i16 lanes are channels, taps go in pairs. */
#ifndef ENGRAM_DEPTHWISE_H
#define ENGRAM_DEPTHWISE_H

#include "conv.h"

/* A vector of i16 channels; two taps are interleaved, so that one instruction multiplies both and
 * adds the products to i32 sums. `low` and `high` sums hold the channels in the order in which
 * interleaving left them; `store_sums` puts them right. */
#if defined(__AVX512VNNI__)
typedef __m512i channels_v;
enum { LANES = 32 };
INLINE channels_v load_v(const char *x) { return _mm512_loadu_si512(x); }
INLINE channels_v zero_v(void) { return _mm512_setzero_si512(); }
INLINE channels_v low_v(channels_v a, channels_v b) { return _mm512_unpacklo_epi16(a, b); }
INLINE channels_v high_v(channels_v a, channels_v b) { return _mm512_unpackhi_epi16(a, b); }
INLINE channels_v add_v(channels_v sums, channels_v x, channels_v w) {
    return _mm512_dpwssd_epi32(sums, x, w);
}
INLINE void store_sums(int32_t *c, channels_v low, channels_v high) {
    __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    __m512i last = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    _mm512_store_si512(c, _mm512_permutex2var_epi64(low, first, high));
    _mm512_store_si512(c + 16, _mm512_permutex2var_epi64(low, last, high));
}
#elif defined(__AVX2__)
typedef __m256i channels_v;
enum { LANES = 16 };
INLINE channels_v load_v(const char *x) { return _mm256_loadu_si256((const __m256i *)x); }
INLINE channels_v zero_v(void) { return _mm256_setzero_si256(); }
INLINE channels_v low_v(channels_v a, channels_v b) { return _mm256_unpacklo_epi16(a, b); }
INLINE channels_v high_v(channels_v a, channels_v b) { return _mm256_unpackhi_epi16(a, b); }
INLINE channels_v add_v(channels_v sums, channels_v x, channels_v w) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(x, w));
}
INLINE void store_sums(int32_t *c, channels_v low, channels_v high) {
    _mm256_store_si256((__m256i *)c, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_store_si256((__m256i *)c + 1, _mm256_permute2x128_si256(low, high, 0x31));
}
#elif defined(__SSE2__)
typedef __m128i channels_v;
enum { LANES = 8 };
INLINE channels_v load_v(const char *x) { return _mm_loadu_si128((const __m128i *)x); }
INLINE channels_v zero_v(void) { return _mm_setzero_si128(); }
INLINE channels_v low_v(channels_v a, channels_v b) { return _mm_unpacklo_epi16(a, b); }
INLINE channels_v high_v(channels_v a, channels_v b) { return _mm_unpackhi_epi16(a, b); }
INLINE channels_v add_v(channels_v sums, channels_v x, channels_v w) {
    return _mm_add_epi32(sums, _mm_madd_epi16(x, w));
}
INLINE void store_sums(int32_t *c, channels_v low, channels_v high) {
    _mm_store_si128((__m128i *)c, low);
    _mm_store_si128((__m128i *)c + 1, high);
}
#else
enum { LANES = 8 };
#endif

struct taps {
    int64_t count;          /* even */
    const int64_t *offsets; /* of each tap from a window's corner, in bytes */
    const char *weights;    /* of the first tap; the next tap's are `weight_bytes` on */
    int64_t weight_bytes;
    int64_t column_bytes; /* from one window to the next */
};

/* Sums of `rows` neighbouring windows for LANES channels. */
#if defined(__SSE2__)
INLINE void depthwise_tile(const struct taps *t, const char *x, const int rows, int32_t *c) {
    channels_v low[TILE_ROWS], high[TILE_ROWS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        low[r] = high[r] = zero_v();
    for (int64_t tap = 0; tap < t->count; tap += 2) {
        channels_v w0 = load_v(t->weights + tap * t->weight_bytes);
        channels_v w1 = load_v(t->weights + (tap + 1) * t->weight_bytes);
        channels_v w_low = low_v(w0, w1), w_high = high_v(w0, w1);
        const char *x0 = x + t->offsets[tap], *x1 = x + t->offsets[tap + 1];
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            channels_v a = load_v(x0 + r * t->column_bytes), b = load_v(x1 + r * t->column_bytes);
            low[r] = add_v(low[r], low_v(a, b), w_low);
            high[r] = add_v(high[r], high_v(a, b), w_high);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        store_sums(c + r * TILE_PANELS * PANEL, low[r], high[r]);
}
#else
INLINE void depthwise_tile(const struct taps *t, const char *x, const int rows, int32_t *c) {
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < LANES; j++) {
            uint32_t sum = 0;
            for (int64_t tap = 0; tap < t->count; tap++)
                sum += (uint32_t)((const int16_t *)(x + t->offsets[tap] +
                                                    r * t->column_bytes))[j] *
                       (uint32_t)((const int16_t *)(t->weights + tap * t->weight_bytes))[j];
            c[r * TILE_PANELS * PANEL + j] = (int32_t)sum;
        }
}
#endif

/* One row of results; `to` is where its first goes. */
static void depthwise_row(const struct depthwise_step *s, const char *row, int64_t first,
                          struct target to) {
    const struct window *w = &s->window;
    int64_t count = least(PANEL * TILE_PANELS, w->channels - first);
    int32_t sums[TILE_ROWS * TILE_PANELS * PANEL] __attribute__((aligned(64)));
    struct taps taps = {s->taps, w->offsets, NULL, round_up(w->channels, 32) * 2,
                        w->stride_columns * w->channels * 2};
    for (int64_t j = 0; j < w->out_width; j += TILE_ROWS) {
        int64_t tall = least(TILE_ROWS, w->out_width - j);
        const char *x = row + j * taps.column_bytes;
        for (int64_t c = first; c < first + count; c += LANES) {
            taps.weights = (const char *)(s->weights + c);
            if (tall == TILE_ROWS)
                depthwise_tile(&taps, x + c * 2, TILE_ROWS, sums + c - first);
            else
                for (int64_t r = 0; r < tall; r++)
                    depthwise_tile(&taps, x + c * 2 + r * taps.column_bytes, 1,
                                   sums + c - first + r * TILE_PANELS * PANEL);
        }
        finish_tile(&s->end, sums, tall, first, count,
                    (struct target){to.y, to.at + j * w->y_column, w->y_column});
    }
}

/* Scratch: a band. */
static void depthwise(const void *step, const void *const *in, void *const *out, int64_t n,
                      void *scratch) {
    const struct depthwise_step *s = step;
    const struct window *w = &s->window;
    int64_t row_bytes = w->stride_rows * w->band_width * w->channels * 2;
    for (int64_t image = 0; image < images_of(w, n); image++) {
        const char *x = (const char *)in[0] + image * image_bytes_of(w, s->x_dtype);
        for (int64_t i = 0; i < w->out_height; i += w->band_rows) {
            int64_t rows = least(w->band_rows, w->out_height - i);
            put_band(w, x, s->x_dtype, WIDE, i * w->stride_rows - w->top,
                     (rows - 1) * w->stride_rows + w->reach, scratch);
            for (int64_t r = 0; r < rows; r++)
                for (int64_t c = 0; c < w->channels; c += TILE_PANELS * PANEL) {
                    int64_t y = w->y_first + image * w->y_image + (i + r) * w->y_row + c;
                    depthwise_row(s, (const char *)scratch + r * row_bytes, c,
                                  (struct target){out[0], y, w->y_column});
                }
        }
    }
}

#endif
