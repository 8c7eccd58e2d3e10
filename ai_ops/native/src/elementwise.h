/* Element-wise operators: RESCALE, ADD, SUB, MUL, CLAMP, TABLE8, TABLE16, NEGATE, ABS, MAXIMUM,
 * MINIMUM, COMPARE, WHERE, DIVIDE, BIT_LENGTH. */
#ifndef ENGRAM_ELEMENTWISE_H
#define ENGRAM_ELEMENTWISE_H

#include "blocks.h"
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

/* Rescale the block v, per tensor or per channel, and clamp. */
INLINE void rescale_block(const struct elementwise_step *s, const int32_t *restrict v, int64_t at,
                          int64_t count, int32_t *restrict y) {
    int64_t low = s->minimum, high = s->maximum;
    if (s->channels == 1) {
        int64_t m = s->multiplier[0], shift = s->shift[0];
        for (int64_t i = 0; i < count; i++)
            y[i] = (int32_t)clamp(rescale_vector((int64_t)v[i] * m, shift), low, high);
        return;
    }
    for (int64_t i = 0; i < count;) {
        int64_t c = (at + i) % s->channels, run = least(count - i, s->channels - c);
        const int32_t *restrict m = s->multiplier + c;
        const int64_t *restrict shift = s->shift + c;
        for (int64_t j = 0; j < run; j++)
            y[i + j] =
                (int32_t)clamp(rescale_vector((int64_t)v[i + j] * m[j], shift[j]), low, high);
        i += run;
    }
}

ELEMENTWISE(rescale_tensor, 1) { rescale_block(s, x[0], at, count, y); }

/* ADD, and SUB with a negative sign: both terms stay below 2^61. */
ELEMENTWISE(add, 2) {
    UNUSED;
    const int32_t *restrict a = x[0], *restrict b = x[1];
    int64_t low = s->minimum, high = s->maximum, negative = s->option;
    int64_t ma = s->multiplier[0], mb = s->multiplier[1], sa = s->shift[0], sb = s->shift[1];
    for (int64_t i = 0; i < count; i++) {
        int64_t p = rescale_vector(a[i] * ma, sa), q = rescale_vector(b[i] * mb, sb);
        y[i] = (int32_t)clamp(p + (negative ? -q : q), low, high);
    }
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

/* Points of the table are 128 apart; v is in 1/128 of a point's unit. */
ELEMENTWISE(table16, 1) {
    const int16_t *restrict table = s->table;
    int32_t v[BLOCK_ELEMENTS];
    for (int64_t i = 0; i < count; i++) {
        int32_t place = (x[0][i] + 32768) >> 7, part = x[0][i] & 127, low = table[place];
        v[i] = low * 128 + (table[place + 1] - low) * part;
    }
    rescale_block(s, v, at, count, y);
}

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
    for (int64_t i = 0; i < count; i++)
        y[i] = bytes[x[i]];
}

#undef ELEMENTWISE
#undef UNUSED
#undef RELATION

#endif
