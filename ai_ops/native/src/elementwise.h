/* Element-wise operators: RESCALE, ADD, SUB, MUL, CLAMP, TABLE8, TABLE16, NEGATE, ABS, MAXIMUM,
 * MINIMUM, COMPARE, WHERE, DIVIDE, BIT_LENGTH. */
#ifndef ENGRAM_ELEMENTWISE_H
#define ENGRAM_ELEMENTWISE_H

#include "exponential.h"
#include "kernels.h"

/* What computes one block: y[0..count) from the operands' blocks; `at` is the first element. */
typedef void block_fn(const struct elementwise_step *s, int32_t *const *x, int64_t at,
                      int64_t count, int32_t *y);

INLINE void run_blocks(const struct elementwise_step *s, const void *const *in, void *const *out,
                       int64_t n, int64_t operands, block_fn *compute) {
    int32_t x[3][BLOCK_ELEMENTS] __attribute__((aligned(64)));
    int32_t y[BLOCK_ELEMENTS] __attribute__((aligned(64)));
    int32_t *blocks[3] = {x[0], x[1], x[2]};
    const int64_t dtypes[3] = {s->dtype_0, s->dtype_1, s->dtype_2};
    struct walk walks[3];
    for (int64_t i = 0; i < operands; i++)
        start_walk(&walks[i], in[i], dtypes[i], i, s->shape, s->rank, n);
    int64_t total = elements_in(s->shape, s->rank, n);
    for (int64_t at = 0; at < total; at += BLOCK_ELEMENTS) {
        int64_t count = least(total - at, BLOCK_ELEMENTS);
        for (int64_t i = 0; i < operands; i++)
            next_block(&walks[i], count, x[i]);
        compute(s, blocks, at, count, y);
        narrow(y, count, out[0], s->dtype, at);
    }
}

#define ELEMENTWISE(name, operands)                                                                \
    INLINE void name##_block(const struct elementwise_step *s, int32_t *const *x, int64_t at,      \
                             int64_t count, int32_t *restrict y);                                  \
    static void name(const void *step, const void *const *in, void *const *out, int64_t n,         \
                     void *scratch) {                                                              \
        (void)scratch;                                                                             \
        run_blocks(step, in, out, n, operands, name##_block);                                      \
    }                                                                                              \
    INLINE void name##_block(const struct elementwise_step *s, int32_t *const *x, int64_t at,      \
                             int64_t count, int32_t *restrict y)
#define UNUSED (void)s, (void)at, (void)x

/* Rescale the block v, per tensor or per channel, and clamp; where the result `fits` i32 before the
 * clamp, in 32-bit lanes. */
#define RESCALED(product, shift)                                                                   \
    (fits ? clamp_narrow((int32_t)rescale_vector(product, shift), (int32_t)low, (int32_t)high)     \
          : (int32_t)clamp(rescale_vector(product, shift), low, high))
INLINE void rescale_run(const struct elementwise_step *s, int fits, const int32_t *restrict v,
                        int64_t at, int64_t count, int32_t *restrict y) {
    int64_t low = s->minimum, high = s->maximum;
    if (s->channels == 1) {
        int32_t m = s->multiplier[0];
        int64_t shift = s->shift[0];
        for (int64_t i = 0; i < count; i++)
            y[i] = RESCALED((int64_t)v[i] * m, shift);
        return;
    }
    for (int64_t i = 0; i < count;) {
        int64_t c = (at + i) % s->channels, run = least(count - i, s->channels - c);
        const int32_t *restrict m = s->multiplier + c;
        const int64_t *restrict shift = s->shift + c;
        for (int64_t j = 0; j < run; j++)
            y[i + j] = RESCALED((int64_t)v[i + j] * m[j], shift[j]);
        i += run;
    }
}

INLINE void rescale_block(const struct elementwise_step *s, const int32_t *restrict v, int64_t at,
                          int64_t count, int32_t *restrict y) {
    if (s->fits)
        rescale_run(s, 1, v, at, count, y);
    else
        rescale_run(s, 0, v, at, count, y);
}

ELEMENTWISE(rescale_tensor, 1) { rescale_block(s, x[0], at, count, y); }

/* ADD, and SUB with a negative sign: both terms stay below 2^61. */
INLINE void add_run(const struct elementwise_step *s, int fits, int negative,
                    const int32_t *restrict a, const int32_t *restrict b, int64_t count,
                    int32_t *restrict y) {
    int64_t low = s->minimum, high = s->maximum, sa = s->shift[0], sb = s->shift[1];
    int32_t ma = s->multiplier[0], mb = s->multiplier[1];
    for (int64_t i = 0; i < count; i++) {
        int64_t p = rescale_vector((int64_t)a[i] * ma, sa);
        int64_t q = rescale_vector((int64_t)b[i] * mb, sb), v = negative ? p - q : p + q;
        y[i] = fits ? clamp_narrow((int32_t)v, (int32_t)low, (int32_t)high)
                    : (int32_t)clamp(v, low, high);
    }
}

ELEMENTWISE(add, 2) {
    UNUSED;
    if (s->fits && s->option)
        add_run(s, 1, 1, x[0], x[1], count, y);
    else if (s->fits)
        add_run(s, 1, 0, x[0], x[1], count, y);
    else
        add_run(s, 0, s->option != 0, x[0], x[1], count, y);
}

/* MUL: the product fits i32. */
ELEMENTWISE(multiply_tensors, 2) {
    const int32_t *restrict a = x[0], *restrict b = x[1];
    int32_t product[BLOCK_ELEMENTS];
    for (int64_t i = 0; i < count; i++)
        product[i] = (int32_t)((uint32_t)a[i] * (uint32_t)b[i]);
    rescale_block(s, product, at, count, y);
}

ELEMENTWISE(clamp_tensor, 1) {
    UNUSED;
    int32_t low = (int32_t)s->minimum, high = (int32_t)s->maximum;
    for (int64_t i = 0; i < count; i++) {
        int32_t v = x[0][i];
        v = v < low ? low : v;
        y[i] = v > high ? high : v;
    }
}

/* NEGATE saturates by its clamp, as ABS does. */
ELEMENTWISE(negate, 1) {
    UNUSED;
    int64_t high = s->maximum;
    for (int64_t i = 0; i < count; i++)
        y[i] = (int32_t)least(-(int64_t)x[0][i], high);
}

ELEMENTWISE(absolute, 1) {
    UNUSED;
    int64_t high = s->maximum;
    for (int64_t i = 0; i < count; i++) {
        int64_t v = x[0][i];
        y[i] = (int32_t)least(v < 0 ? -v : v, high);
    }
}

ELEMENTWISE(maximum, 2) {
    UNUSED;
    for (int64_t i = 0; i < count; i++)
        y[i] = x[0][i] > x[1][i] ? x[0][i] : x[1][i];
}

ELEMENTWISE(minimum, 2) {
    UNUSED;
    for (int64_t i = 0; i < count; i++)
        y[i] = x[0][i] < x[1][i] ? x[0][i] : x[1][i];
}

#define RELATION(code, sign)                                                                       \
    case code:                                                                                     \
        for (int64_t i = 0; i < count; i++)                                                        \
            y[i] = x[0][i] sign x[1][i];                                                           \
        break;
ELEMENTWISE(compare, 2) {
    UNUSED;
    switch (s->option) {
        RELATION(0, ==)
        RELATION(1, !=)
        RELATION(2, <)
        RELATION(3, <=)
        RELATION(4, >)
        RELATION(5, >=)
    }
}

ELEMENTWISE(choose, 3) {
    UNUSED;
    for (int64_t i = 0; i < count; i++)
        y[i] = x[0][i] ? x[1][i] : x[2][i];
}

ELEMENTWISE(bit_length, 1) {
    UNUSED;
    for (int64_t i = 0; i < count; i++) {
        uint32_t v = x[0][i] < 0 ? -(uint32_t)x[0][i] : (uint32_t)x[0][i];
        y[i] = 32 - __builtin_clz(v | 1);
    }
}

/* (a << left) / b: shift[0] is `left`, option the rounding (0 half up, 1 toward zero, 2 floor). */
ELEMENTWISE(divide_tensors, 2) {
    UNUSED;
    int64_t left = s->shift[0];
    for (int64_t i = 0; i < count; i++) {
        int64_t a = x[0][i], b = x[1][i], q = 0;
        if (b < 0)
            a = -a, b = -b;
        if (b) {
            int64_t numerator = a * ((int64_t)1 << left), rest;
            if (s->option == 0)
                numerator = 2 * numerator + b, b *= 2;
            q = numerator / b, rest = numerator % b;
            q -= rest < 0 && s->option != 1;
        }
        y[i] = (int32_t)clamp(q, s->minimum, s->maximum);
    }
}

/* Points of the table are 128 apart; v is in 1/128 of a point's unit. Entry i of `table` has point
 * i in its lower and point i + 1 in its upper half. */
ELEMENTWISE(table16, 1) {
    const int32_t *restrict table = s->table;
    int32_t v[BLOCK_ELEMENTS];
    for (int64_t i = 0; i < count; i++) {
        int32_t pair = table[(x[0][i] + 32768) >> 7], low = (int16_t)pair, high = pair >> 16;
        v[i] = low * 128 + (high - low) * (x[0][i] & 127);
    }
    rescale_block(s, v, at, count, y);
}

#if defined(__AVX512BW__)
/* bytes[x[i]] for whole runs of 32; returns how many. The table is 128 words in four vectors. */
INLINE int64_t look_up(const uint8_t bytes[256], const uint8_t *restrict x, int64_t count,
                       uint8_t *restrict y) {
    __m512i t[4], one = _mm512_set1_epi16(1), low = _mm512_set1_epi16(255);
    int64_t i = 0;
    for (int k = 0; k < 4; k++)
        t[k] = _mm512_loadu_si512(bytes + 64 * k);
    for (; i + 32 <= count; i += 32) {
        __m512i u = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(x + i)));
        __m512i word = _mm512_srli_epi16(u, 1);
        __mmask32 upper = _mm512_test_epi16_mask(u, _mm512_set1_epi16(128));
        __m512i found = _mm512_mask_blend_epi16(upper, _mm512_permutex2var_epi16(t[0], word, t[1]),
                                                _mm512_permutex2var_epi16(t[2], word, t[3]));
        found = _mm512_srlv_epi16(found, _mm512_slli_epi16(_mm512_and_si512(u, one), 3));
        _mm256_storeu_si256((__m256i *)(y + i),
                            _mm512_cvtepi16_epi8(_mm512_and_si512(found, low)));
    }
    return i;
}
#else
INLINE int64_t look_up(const uint8_t bytes[256], const uint8_t *restrict x, int64_t count,
                       uint8_t *restrict y) {
    (void)bytes, (void)x, (void)count, (void)y;
    return 0;
}
#endif

/* TABLE8: the table begins at the smallest x. It is indexed by the bytes of x, which begin at 0:
 * `option` turns one into the other. */
static void table8(const void *step, const void *const *in, void *const *out, int64_t n,
                   void *scratch) {
    const struct elementwise_step *s = step;
    const uint8_t *restrict x = in[0], turn = (uint8_t)s->option;
    const int16_t *restrict table = s->table;
    int64_t count = elements_in(s->shape, s->rank, n);
    (void)scratch;
    if (s->dtype == I16) {
        int16_t *restrict y = out[0];
        for (int64_t i = 0; i < count; i++)
            y[i] = table[x[i] ^ turn];
        return;
    }
    uint8_t *restrict y = out[0], bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)table[i ^ turn];
    for (int64_t i = look_up(bytes, x, count, y); i < count; i++)
        y[i] = bytes[x[i]];
}

#undef ELEMENTWISE
#undef UNUSED
#undef RELATION
#undef RESCALED

#endif
