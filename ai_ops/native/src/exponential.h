/* Weights of scores: docs/spec/02-operators.md O-50. */
#ifndef ENGRAM_EXPONENTIAL_H
#define ENGRAM_EXPONENTIAL_H

#include "blocks.h"

#if defined(__AVX512BW__)
#include <immintrin.h>
#endif

/* Entry k is 2^15 * 2^(-k / 256), rounded to the nearest integer. */
static const uint16_t exponential[256] = {
    32768, 32679, 32591, 32503, 32415, 32327, 32240, 32153, 32066, 31979, 31893, 31806,
    31720, 31635, 31549, 31464, 31379, 31294, 31209, 31125, 31041, 30957, 30873, 30790,
    30706, 30623, 30541, 30458, 30376, 30293, 30212, 30130, 30048, 29967, 29886, 29805,
    29725, 29644, 29564, 29484, 29405, 29325, 29246, 29167, 29088, 29009, 28931, 28852,
    28774, 28697, 28619, 28542, 28464, 28388, 28311, 28234, 28158, 28082, 28006, 27930,
    27855, 27779, 27704, 27629, 27554, 27480, 27406, 27332, 27258, 27184, 27110, 27037,
    26964, 26891, 26818, 26746, 26674, 26601, 26530, 26458, 26386, 26315, 26244, 26173,
    26102, 26031, 25961, 25891, 25821, 25751, 25681, 25612, 25543, 25474, 25405, 25336,
    25268, 25199, 25131, 25063, 24995, 24928, 24860, 24793, 24726, 24659, 24593, 24526,
    24460, 24394, 24328, 24262, 24196, 24131, 24066, 24001, 23936, 23871, 23806, 23742,
    23678, 23614, 23550, 23486, 23423, 23359, 23296, 23233, 23170, 23108, 23045, 22983,
    22921, 22859, 22797, 22735, 22674, 22613, 22552, 22491, 22430, 22369, 22309, 22248,
    22188, 22128, 22068, 22009, 21949, 21890, 21831, 21772, 21713, 21654, 21595, 21537,
    21479, 21421, 21363, 21305, 21247, 21190, 21133, 21076, 21019, 20962, 20905, 20849,
    20792, 20736, 20680, 20624, 20568, 20513, 20457, 20402, 20347, 20292, 20237, 20182,
    20127, 20073, 20019, 19965, 19911, 19857, 19803, 19750, 19696, 19643, 19590, 19537,
    19484, 19431, 19379, 19326, 19274, 19222, 19170, 19118, 19066, 19015, 18963, 18912,
    18861, 18810, 18759, 18708, 18658, 18607, 18557, 18507, 18457, 18407, 18357, 18308,
    18258, 18209, 18160, 18110, 18061, 18013, 17964, 17915, 17867, 17819, 17770, 17722,
    17674, 17627, 17579, 17531, 17484, 17437, 17390, 17343, 17296, 17249, 17202, 17156,
    17109, 17063, 17017, 16971, 16925, 16879, 16834, 16788, 16743, 16697, 16652, 16607,
    16562, 16518, 16473, 16428,
};

enum { SCORE_LIMIT = 1 << 30 };

/* A score in 1/256 of a power of two; never decreases in v. */
INLINE int32_t score_of(int32_t v, int64_t multiplier, int64_t shift) {
    return (int32_t)clamp(rescale_vector(v * multiplier, shift), -SCORE_LIMIT, SCORE_LIMIT);
}

/* The weight of a score `top - t` below the largest: at most 2^31, hence unsigned. */
INLINE int32_t weight_of(int32_t top, int32_t t) {
    uint32_t below = (uint32_t)top - (uint32_t)t, far = below >> 8;
    return exponential[below & 255] >> (far < 31 ? far : 31);
}

#if defined(__AVX512BW__)
/* 32 probabilities at once, in 16-bit lanes. The table of weights is eight vectors; what lies more
 * than 65,535 below the largest has weight 0, as has anything from 4,096 on. */
struct weigher {
    __m512i table[8];
    __m512i multiplier, half, shift, top, most_p;
};

INLINE struct weigher weigher_of(int64_t multiplier, int64_t shift, int32_t top,
                                 int32_t most_p) {
    struct weigher w;
    for (int i = 0; i < 8; i++)
        w.table[i] = _mm512_loadu_si512(exponential + 32 * i);
    w.multiplier = _mm512_set1_epi64(multiplier);
    w.half = _mm512_set1_epi64((int64_t)1 << (shift - 1));
    w.shift = _mm512_set1_epi64(shift);
    w.top = _mm512_set1_epi32(top);
    w.most_p = _mm512_set1_epi16((int16_t)most_p);
    return w;
}

/* How far 16 scores are below the largest, cut off at 65,535. */
INLINE __m256i below_16(const struct weigher *w, const int32_t *c) {
    __m512i v = _mm512_loadu_si512(c);
    __m512i even = _mm512_mul_epi32(v, w->multiplier);
    __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(v, 32), w->multiplier);
    even = _mm512_srav_epi64(_mm512_add_epi64(even, w->half), w->shift);
    odd = _mm512_srav_epi64(_mm512_add_epi64(odd, w->half), w->shift);
    __m512i t = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
    return _mm512_cvtusepi32_epi16(_mm512_sub_epi32(w->top, t));
}

INLINE __m512i probabilities_32(const struct weigher *w, const int32_t *c) {
    __m512i u = _mm512_inserti64x4(_mm512_castsi256_si512(below_16(w, c)), below_16(w, c + 16), 1);
    /* Bits 0 to 5 of u choose among 64 words, bits 6 and 7 among four such tables. */
    __m512i z0 = _mm512_permutex2var_epi16(w->table[0], u, w->table[1]);
    __m512i z1 = _mm512_permutex2var_epi16(w->table[2], u, w->table[3]);
    __m512i z2 = _mm512_permutex2var_epi16(w->table[4], u, w->table[5]);
    __m512i z3 = _mm512_permutex2var_epi16(w->table[6], u, w->table[7]);
    __mmask32 bit6 = _mm512_test_epi16_mask(u, _mm512_set1_epi16(64));
    __mmask32 bit7 = _mm512_test_epi16_mask(u, _mm512_set1_epi16(128));
    __m512i z = _mm512_mask_blend_epi16(bit7, _mm512_mask_blend_epi16(bit6, z0, z1),
                                        _mm512_mask_blend_epi16(bit6, z2, z3));
    z = _mm512_srlv_epi16(z, _mm512_srli_epi16(u, 8));
    /* (z * most_p + 2^14) >> 15 of signed words; 2^15 passes for its negative. */
    return _mm512_abs_epi16(_mm512_mulhrs_epi16(z, w->most_p));
}

INLINE int64_t sum_of_lanes(__m512i lanes) {
    int32_t parts[16];
    int64_t sum = 0;
    _mm512_storeu_si512(parts, lanes);
    for (int i = 0; i < 16; i++)
        sum += parts[i];
    return sum;
}
#endif

/* Scores of a row become probabilities (most_p * weight + 2^14) >> 15 in place; returns their sum.
 * Where the largest and the smallest score are inside the limit, none has to be clamped. */
INLINE int64_t probabilities(int32_t *restrict c, int64_t count, int64_t multiplier,
                             int64_t shift, int32_t most_p) {
    int32_t high = INT32_MIN, low = INT32_MAX;
    int64_t total = 0, i = 0;
    for (int64_t j = 0; j < count; j++) {
        high = c[j] > high ? c[j] : high;
        low = c[j] < low ? c[j] : low;
    }
    int32_t top = score_of(high, multiplier, shift);
#if defined(__AVX512BW__)
    if (top < SCORE_LIMIT && score_of(low, multiplier, shift) > -SCORE_LIMIT) {
        struct weigher w = weigher_of(multiplier, shift, top, most_p);
        __m512i sums = _mm512_setzero_si512();
        for (; i + 32 <= count; i += 32) {
            __m512i p = probabilities_32(&w, c + i);
            __m512i p0 = _mm512_cvtepi16_epi32(_mm512_castsi512_si256(p));
            __m512i p1 = _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(p, 1));
            _mm512_storeu_si512(c + i, p0);
            _mm512_storeu_si512(c + i + 16, p1);
            sums = _mm512_add_epi32(sums, _mm512_add_epi32(p0, p1));
            if (i % 65536 == 65536 - 32) { /* 2,048 * 2 * 4,095 < 2^31 */
                total += sum_of_lanes(sums);
                sums = _mm512_setzero_si512();
            }
        }
        total += sum_of_lanes(sums);
    }
#endif
    for (; i < count; i++) {
        int32_t z = weight_of(top, score_of(c[i], multiplier, shift));
        c[i] = (most_p * z + (1 << 14)) >> 15;
        total += c[i];
    }
    return total;
}

#endif
