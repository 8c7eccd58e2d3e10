/* The end of GEMM_DYNAMIC: the row's factor first, then the channel's, the bias in 1/256.
 *
 *   e = 15 - bits of a; t = (acc * (a << e) + 2^14) >> 15
 *   y = clamp((R(t, multiplier[c], shift[c] + e - 8) + bias[c] + 128) >> 8)
 *
 * The epilogue's `bias` is what puts the sums of an offset operand right; the node's own bias is
 * `fine_bias`. `fits`: the second line's R stays within 2^38. */
#ifndef ENGRAM_FINISH_DYNAMIC_H
#define ENGRAM_FINISH_DYNAMIC_H

#include "finish.h"

enum { ROW_BITS = 15, BIAS_BITS = 8 };

/* Shift that brings 1 <= a < 2^15 to 15 bits. */
INLINE int64_t headroom(int32_t a) { return ROW_BITS - (32 - __builtin_clz((uint32_t)a)); }

static void dynamic_plain(const struct epilogue *end, const int32_t *fine_bias,
                          const int32_t *sums, int32_t factor, int64_t first, int64_t count,
                          void *y, int64_t at) {
    int64_t e = headroom(factor);
    for (int64_t j = 0; j < count; j++) {
        int64_t c = first + j;
        int32_t v = (int32_t)((uint32_t)sums[j] + (uint32_t)end->bias[c]);
        int64_t t = rescale(v, (int64_t)factor << e, ROW_BITS);
        int64_t fine = rescale(t, end->multiplier[c * end->channel_step], end->shift[c * end->channel_step] + e - BIAS_BITS);
        int64_t r = (fine + fine_bias[c] + (1 << (BIAS_BITS - 1))) >> BIAS_BITS;
        store_element(y, end->dtype, at + j, clamp(r, end->minimum, end->maximum));
    }
}

#if defined(__AVX512VNNI__)

INLINE void dynamic_panel(const struct epilogue *end, const int32_t *fine_bias,
                          const int32_t *sums, const int32_t *factors, int64_t rows,
                          int64_t first, int64_t count, struct target to) {
    __m512i one = _mm512_set1_epi64(1), low_half = _mm512_set1_epi64(0xFFFFFFFF);
    __m512i half = _mm512_set1_epi64(1 << (ROW_BITS - 1));
    __m512i bias = _mm512_loadu_si512(end->bias + first);
    __m512i m_even = _mm512_loadu_si512(end->multiplier + first * end->channel_step);
    __m512i m_odd = _mm512_srli_epi64(m_even, 32);
    __m512i shifts = _mm512_loadu_si512(end->shift + first * end->channel_step), eight = _mm512_set1_epi64(BIAS_BITS);
    __m512i s_even = _mm512_sub_epi64(_mm512_and_si512(shifts, low_half), eight);
    __m512i s_odd = _mm512_sub_epi64(_mm512_srli_epi64(shifts, 32), eight);
    __m512i r_even = _mm512_sllv_epi64(one, _mm512_sub_epi64(s_even, one));
    __m512i r_odd = _mm512_sllv_epi64(one, _mm512_sub_epi64(s_odd, one));
    __m512i b = _mm512_loadu_si512(fine_bias + first);
    __m512i rounding = _mm512_set1_epi64(1 << (BIAS_BITS - 1));
    __m512i b_even =
        _mm512_add_epi64(_mm512_srai_epi64(_mm512_slli_epi64(b, 32), 32), rounding);
    __m512i b_odd = _mm512_add_epi64(_mm512_srai_epi64(b, 32), rounding);
    __m512i low = _mm512_set1_epi32((int32_t)end->minimum);
    __m512i high = _mm512_set1_epi32((int32_t)end->maximum);
    for (int64_t r = 0; r < rows; r++) {
        int64_t e = headroom(factors[r]);
        __m128i by = _mm_cvtsi64_si128(e);
        __m512i more = _mm512_set1_epi64(e), factor = _mm512_set1_epi64((int64_t)factors[r] << e);
        __m512i v = _mm512_add_epi32(_mm512_load_si512(sums + r * TILE_PANELS * PANEL), bias);
        __m512i even = _mm512_mul_epi32(v, factor);
        __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(v, 32), factor);
        even = _mm512_srli_epi64(_mm512_add_epi64(even, half), ROW_BITS);
        odd = _mm512_srli_epi64(_mm512_add_epi64(odd, half), ROW_BITS);
        even = _mm512_add_epi64(_mm512_mul_epi32(even, m_even), _mm512_sll_epi64(r_even, by));
        odd = _mm512_add_epi64(_mm512_mul_epi32(odd, m_odd), _mm512_sll_epi64(r_odd, by));
        even = _mm512_srav_epi64(even, _mm512_add_epi64(s_even, more));
        odd = _mm512_srav_epi64(odd, _mm512_add_epi64(s_odd, more));
        even = _mm512_srli_epi64(_mm512_add_epi64(even, b_even), BIAS_BITS);
        odd = _mm512_srli_epi64(_mm512_add_epi64(odd, b_odd), BIAS_BITS);
        v = _mm512_min_epi32(_mm512_max_epi32(joined(even, odd), low), high);
        store_lanes(v, end->dtype, count, to.y, to.at + r * to.row_step);
    }
}

#elif defined(__AVX2__)

/* Constants of eight channels; b_* is the node's bias with its rounding. */
struct dynamic_lanes {
    struct lanes l;
    __m256i b_even, b_odd;
};

INLINE struct dynamic_lanes dynamic_lanes_of(const struct epilogue *end, const int32_t *fine_bias,
                                             int64_t first) {
    __m256i eight = _mm256_set1_epi64x(BIAS_BITS);
    __m128i b_low = _mm_loadu_si128((const __m128i *)(fine_bias + first));
    __m128i b_high = _mm_loadu_si128((const __m128i *)(fine_bias + first + 4));
    __m256i first_half = _mm256_cvtepi32_epi64(b_low), last_half = _mm256_cvtepi32_epi64(b_high);
    __m256i rounding = _mm256_set1_epi64x(1 << (BIAS_BITS - 1));
    struct dynamic_lanes d = {.l = lanes_of(end, first)};
    d.l.s_even = _mm256_sub_epi64(d.l.s_even, eight);
    d.l.s_odd = _mm256_sub_epi64(d.l.s_odd, eight);
    /* 64-bit lanes 0 1 2 3 and 4 5 6 7 to 0 2 4 6 and 1 3 5 7 */
    first_half = _mm256_permute4x64_epi64(first_half, 0xD8);
    last_half = _mm256_permute4x64_epi64(last_half, 0xD8);
    d.b_even = _mm256_permute2x128_si256(first_half, last_half, 0x20);
    d.b_odd = _mm256_permute2x128_si256(first_half, last_half, 0x31);
    d.b_even = _mm256_add_epi64(d.b_even, rounding);
    d.b_odd = _mm256_add_epi64(d.b_odd, rounding);
    return d;
}

/* Even or odd lanes of t, in the low halves of 64 bits, to results before the clamp. */
INLINE __m256i dynamic_half(__m256i v, __m256i factor, __m256i m, __m256i s, __m256i b) {
    __m256i one = _mm256_set1_epi64x(1), top = _mm256_slli_epi64(one, 63);
    __m256i half = _mm256_set1_epi64x(1 << (ROW_BITS - 1));
    __m256i t = _mm256_srli_epi64(_mm256_add_epi64(_mm256_mul_epi32(v, factor), half), ROW_BITS);
    __m256i rounding = _mm256_sllv_epi64(one, _mm256_sub_epi64(s, one));
    __m256i fine = _mm256_add_epi64(_mm256_mul_epi32(t, m), _mm256_add_epi64(rounding, top));
    fine = _mm256_sub_epi64(_mm256_srlv_epi64(fine, s), _mm256_srlv_epi64(top, s));
    return _mm256_srli_epi64(_mm256_add_epi64(fine, b), BIAS_BITS);
}

INLINE __m256i dynamic_results(const struct epilogue *end, __m256i v, int64_t e, __m256i factor,
                               const struct dynamic_lanes *d) {
    __m256i more = _mm256_set1_epi64x(e);
    v = _mm256_add_epi32(v, d->l.bias);
    __m256i even = dynamic_half(v, factor, d->l.m_even, _mm256_add_epi64(d->l.s_even, more),
                                d->b_even);
    __m256i odd = dynamic_half(_mm256_srli_epi64(v, 32), factor, d->l.m_odd,
                               _mm256_add_epi64(d->l.s_odd, more), d->b_odd);
    v = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
    v = _mm256_max_epi32(v, _mm256_set1_epi32((int32_t)end->minimum));
    return _mm256_min_epi32(v, _mm256_set1_epi32((int32_t)end->maximum));
}

INLINE void dynamic_panel(const struct epilogue *end, const int32_t *fine_bias,
                          const int32_t *sums, const int32_t *factors, int64_t rows,
                          int64_t first, int64_t count, struct target to) {
    struct dynamic_lanes d0 = dynamic_lanes_of(end, fine_bias, first);
    struct dynamic_lanes d1 = dynamic_lanes_of(end, fine_bias, first + 8);
    for (int64_t r = 0; r < rows; r++) {
        int64_t e = headroom(factors[r]);
        __m256i factor = _mm256_set1_epi64x((int64_t)factors[r] << e);
        const __m256i *row = (const __m256i *)(sums + r * TILE_PANELS * PANEL);
        __m256i a = dynamic_results(end, _mm256_load_si256(row), e, factor, &d0);
        __m256i b = dynamic_results(end, _mm256_load_si256(row + 1), e, factor, &d1);
        store_lanes(a, b, end->dtype, count, to.y, to.at + r * to.row_step);
    }
}

#else

INLINE void dynamic_panel(const struct epilogue *end, const int32_t *fine_bias,
                          const int32_t *sums, const int32_t *factors, int64_t rows,
                          int64_t first, int64_t count, struct target to) {
    for (int64_t r = 0; r < rows; r++)
        dynamic_plain(end, fine_bias, sums + r * TILE_PANELS * PANEL, factors[r], first, count,
                      to.y, to.at + r * to.row_step);
}

#endif

/* As finish_tile; `factors` has one entry for each row of the tile. */
static void finish_dynamic(const struct epilogue *end, const int32_t *fine_bias,
                           const int32_t *sums, const int32_t *factors, int64_t rows,
                           int64_t first, int64_t count, struct target to) {
    for (int64_t j = 0; j < count; j += PANEL) {
        int64_t some = least(PANEL, count - j);
        struct target part = {to.y, to.at + j, to.row_step};
        if (end->fits)
            dynamic_panel(end, fine_bias, sums + j, factors, rows, first + j, some, part);
        else
            for (int64_t r = 0; r < rows; r++)
                dynamic_plain(end, fine_bias, sums + j + r * TILE_PANELS * PANEL, factors[r],
                              first + j, some, to.y, part.at + r * to.row_step);
    }
}

#endif
