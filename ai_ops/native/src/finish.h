/* The end of a product: bias, rescale, clamp, narrow. A tile of sums becomes a tile of results.
 *
 * Where every rescaled sum is known to be an i32 (`fits`), vectors of 32-bit lanes do; elsewhere
 * the plain loop below does. */
#ifndef ENGRAM_FINISH_H
#define ENGRAM_FINISH_H

#include "kernels.h"
#include "micro.h"

/* Where a tile of results goes: element `at` of y is its first, rows are `row_step` elements
 * apart. */
struct target {
    void *y;
    int64_t at, row_step;
};

/* Up to PANEL results of one row, from 32-bit lanes. */
static void finish_plain(const struct epilogue *end, const int32_t *sums, int64_t first,
                         int64_t count, void *y, int64_t at) {
    for (int64_t j = 0; j < count; j++) {
        int64_t c = first + j;
        int32_t v = (int32_t)((uint32_t)sums[j] + (uint32_t)end->bias[c]);
        int64_t r = rescale(v, end->multiplier[c * end->channel_step], end->shift[c * end->channel_step]);
        store_element(y, end->dtype, at + j, clamp(r, end->minimum, end->maximum));
    }
}

#if defined(__AVX512VNNI__)

/* Store the first `count` of 16 results, which are inside their dtype. */
INLINE void store_lanes(__m512i v, int64_t dtype, int64_t count, void *y, int64_t at) {
    __mmask16 kept = (__mmask16)((1u << count) - 1);
    if (dtype == I8 || dtype == U8)
        _mm_mask_storeu_epi8((char *)y + at, kept, _mm512_cvtepi32_epi8(v));
    else if (dtype == I16)
        _mm256_mask_storeu_epi16((int16_t *)y + at, kept, _mm512_cvtepi32_epi16(v));
    else
        _mm512_mask_storeu_epi32((int32_t *)y + at, kept, v);
}

/* Interleave what even and odd lanes became. */
INLINE __m512i joined(__m512i even, __m512i odd) {
    return _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
}

INLINE void finish_panel(const struct epilogue *end, const int32_t *sums, int64_t rows,
                         int64_t first, int64_t count, struct target to) {
    __m512i one = _mm512_set1_epi64(1), low_half = _mm512_set1_epi64(0xFFFFFFFF);
    __m512i bias = _mm512_loadu_si512(end->bias + first);
    __m512i m_even = _mm512_loadu_si512(end->multiplier + first * end->channel_step);
    __m512i m_odd = _mm512_srli_epi64(m_even, 32);
    __m512i shifts = _mm512_loadu_si512(end->shift + first * end->channel_step);
    __m512i s_even = _mm512_and_si512(shifts, low_half), s_odd = _mm512_srli_epi64(shifts, 32);
    __m512i r_even = _mm512_sllv_epi64(one, _mm512_sub_epi64(s_even, one));
    __m512i r_odd = _mm512_sllv_epi64(one, _mm512_sub_epi64(s_odd, one));
    __m512i low = _mm512_set1_epi32((int32_t)end->minimum);
    __m512i high = _mm512_set1_epi32((int32_t)end->maximum);
    for (int64_t r = 0; r < rows; r++) {
        __m512i v = _mm512_load_si512(sums + r * TILE_PANELS * PANEL);
        v = _mm512_add_epi32(v, bias);
        __m512i even = _mm512_mul_epi32(v, m_even);
        __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(v, 32), m_odd);
        even = _mm512_srav_epi64(_mm512_add_epi64(even, r_even), s_even);
        odd = _mm512_srav_epi64(_mm512_add_epi64(odd, r_odd), s_odd);
        v = _mm512_min_epi32(_mm512_max_epi32(joined(even, odd), low), high);
        store_lanes(v, end->dtype, count, to.y, to.at + r * to.row_step);
    }
}

#elif defined(__AVX2__)

/* Store the first `count` of 16 results, which are inside their dtype. */
INLINE void store_lanes(__m256i a, __m256i b, int64_t dtype, int64_t count, void *y, int64_t at) {
    char lanes[64] __attribute__((aligned(32)));
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
    __m128i w0 = _mm256_castsi256_si128(words), w1 = _mm256_extracti128_si256(words, 1);
    int64_t size = size_of(dtype);
    char *to = count == PANEL ? (char *)y + at * size : lanes;
    if (dtype == I8)
        _mm_storeu_si128((__m128i *)to, _mm_packs_epi16(w0, w1));
    else if (dtype == I16)
        _mm256_storeu_si256((__m256i *)to, words);
    else if (dtype == I32) {
        _mm256_storeu_si256((__m256i *)to, a);
        _mm256_storeu_si256((__m256i *)to + 1, b);
    } else
        _mm_storeu_si128((__m128i *)to, _mm_packus_epi16(w0, w1));
    if (to == lanes)
        memcpy((char *)y + at * size, lanes, (size_t)(count * size));
}

/* Constants of eight channels. AVX2 has no arithmetic shift of 64 bits: 2^63 is added before a
 * logical one, and what it became is taken off again. */
struct lanes {
    __m256i bias, m_even, m_odd, s_even, s_odd, r_even, r_odd, t_even, t_odd;
};

INLINE struct lanes lanes_of(const struct epilogue *end, int64_t first) {
    __m256i one = _mm256_set1_epi64x(1), top = _mm256_slli_epi64(one, 63);
    __m256i shifts = _mm256_loadu_si256((const __m256i *)(end->shift + first * end->channel_step));
    struct lanes l;
    l.bias = _mm256_loadu_si256((const __m256i *)(end->bias + first));
    l.m_even = _mm256_loadu_si256((const __m256i *)(end->multiplier + first * end->channel_step));
    l.m_odd = _mm256_srli_epi64(l.m_even, 32);
    l.s_even = _mm256_and_si256(shifts, _mm256_set1_epi64x(0xFFFFFFFF));
    l.s_odd = _mm256_srli_epi64(shifts, 32);
    l.r_even = _mm256_add_epi64(top, _mm256_sllv_epi64(one, _mm256_sub_epi64(l.s_even, one)));
    l.r_odd = _mm256_add_epi64(top, _mm256_sllv_epi64(one, _mm256_sub_epi64(l.s_odd, one)));
    l.t_even = _mm256_srlv_epi64(top, l.s_even);
    l.t_odd = _mm256_srlv_epi64(top, l.s_odd);
    return l;
}

INLINE __m256i rescaled_lanes(__m256i v, const struct lanes *l) {
    v = _mm256_add_epi32(v, l->bias);
    __m256i even = _mm256_mul_epi32(v, l->m_even);
    __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(v, 32), l->m_odd);
    even = _mm256_srlv_epi64(_mm256_add_epi64(even, l->r_even), l->s_even);
    odd = _mm256_srlv_epi64(_mm256_add_epi64(odd, l->r_odd), l->s_odd);
    even = _mm256_sub_epi64(even, l->t_even);
    odd = _mm256_sub_epi64(odd, l->t_odd);
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
}

INLINE void finish_panel(const struct epilogue *end, const int32_t *sums, int64_t rows,
                         int64_t first, int64_t count, struct target to) {
    struct lanes l0 = lanes_of(end, first), l1 = lanes_of(end, first + 8);
    __m256i low = _mm256_set1_epi32((int32_t)end->minimum);
    __m256i high = _mm256_set1_epi32((int32_t)end->maximum);
    for (int64_t r = 0; r < rows; r++) {
        const __m256i *row = (const __m256i *)(sums + r * TILE_PANELS * PANEL);
        __m256i a = rescaled_lanes(_mm256_load_si256(row), &l0);
        __m256i b = rescaled_lanes(_mm256_load_si256(row + 1), &l1);
        a = _mm256_min_epi32(_mm256_max_epi32(a, low), high);
        b = _mm256_min_epi32(_mm256_max_epi32(b, low), high);
        store_lanes(a, b, end->dtype, count, to.y, to.at + r * to.row_step);
    }
}

#else

INLINE void finish_panel(const struct epilogue *end, const int32_t *sums, int64_t rows,
                         int64_t first, int64_t count, struct target to) {
    for (int64_t r = 0; r < rows; r++)
        finish_plain(end, sums + r * TILE_PANELS * PANEL, first, count, to.y,
                     to.at + r * to.row_step);
}

#endif

/* Finish `rows` rows of sums for `count` channels from `first` on (a multiple of PANEL). */
static void finish_tile(const struct epilogue *end, const int32_t *sums, int64_t rows,
                        int64_t first, int64_t count, struct target to) {
    for (int64_t j = 0; j < count; j += PANEL) {
        int64_t some = least(PANEL, count - j);
        struct target part = {to.y, to.at + j, to.row_step};
        if (end->fits)
            finish_panel(end, sums + j, rows, first + j, some, part);
        else
            for (int64_t r = 0; r < rows; r++)
                finish_plain(end, sums + j + r * TILE_PANELS * PANEL, first + j, some, to.y,
                             part.at + r * to.row_step);
    }
}

#endif
