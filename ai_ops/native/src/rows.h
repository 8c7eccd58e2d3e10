/* Operators that look at whole rows: DYNAMIC_QUANTIZE, SOFTMAX, LAYER_NORM, RMS_NORM.
 *
 * Their divisions are done in binary floating point, where that is exact: for integers |a| < 2^52
 * and 0 < b < 2^52 the correctly rounded a / b lies on the same side of every integer as the true
 * quotient, or on it, whatever the rounding mode. For if a / b is not an integer, the next one is
 * at least 1/b away, and rounding moves the quotient by less than |a| / b * 2^-52 < 1/b. Nothing
 * else is done in floating point, and all operands are exact. */
#ifndef ENGRAM_ROWS_H
#define ENGRAM_ROWS_H

#include "exponential.h"
#include "kernels.h"

/* The floor of a / b, which must fit i32. */
INLINE int32_t exact_floor(double a, double b) {
    double q = a / b;
    int32_t whole = (int32_t)q;
    return whole - (whole > q);
}

/* floor(sqrt(v)): Newton's steps from above go down to it. */
INLINE int64_t integer_root(uint64_t v) {
    if (v < 2)
        return (int64_t)v;
    uint64_t root = (uint64_t)1 << ((65 - __builtin_clzll(v)) / 2);
    for (;;) {
        uint64_t next = (root + v / root) / 2;
        if (next >= root)
            return (int64_t)root;
        root = next;
    }
}

/* q = D(127 * x, a) = floor((254 x + a) / 2a). Here f32 is exact: with 256a added, so that
 * truncating is taking the floor, the numerator is at most 511 * 32,767 < 2^24, the quotient below
 * 256, where rounding moves it by less than 2^-16 < 1 / 2a. */
static void dynamic_quantize(const void *step, const void *const *in, void *const *out, int64_t n,
                             void *scratch) {
    const struct row_step *s = step;
    int64_t rows = s->rows_fixed + s->rows_unit * n, row = s->row_fixed;
    int8_t *restrict q = out[0];
    int32_t x[BLOCK_ELEMENTS];
    (void)scratch;
    for (int64_t r = 0; r < rows; r++) {
        int32_t a = 1;
        for (int64_t k = 0; k < row; k += BLOCK_ELEMENTS) {
            int64_t count = least(row - k, BLOCK_ELEMENTS);
            widen(in[0], s->x_dtype, r * row + k, count, x);
            for (int64_t i = 0; i < count; i++) {
                int32_t size = x[i] < 0 ? -x[i] : x[i];
                a = size > a ? size : a;
            }
        }
        ((int32_t *)out[1])[r] = a;
        float divisor = (float)(2 * a);
        for (int64_t k = 0; k < row; k += BLOCK_ELEMENTS) {
            int64_t count = least(row - k, BLOCK_ELEMENTS);
            if (row > BLOCK_ELEMENTS)
                widen(in[0], s->x_dtype, r * row + k, count, x);
            for (int64_t i = 0; i < count; i++)
                q[r * row + k + i] =
                    (int8_t)((int32_t)((float)(254 * x[i] + 257 * a) / divisor) - 128);
        }
    }
}

/* Scratch: a row of i32, first scores, then weights z. y = D(z * one, sum z): the numerator is
 * below 2^48. */
static void softmax(const void *step, const void *const *in, void *const *out, int64_t n,
                    void *scratch) {
    const struct row_step *s = step;
    int64_t rows = s->rows_fixed + s->rows_unit * n, row = s->row_fixed + s->row_unit * n;
    int32_t *restrict z = scratch, y[BLOCK_ELEMENTS];
    for (int64_t r = 0; r < rows; r++) {
        int32_t top = INT32_MIN;
        int64_t sum = 0;
        widen(in[0], s->x_dtype, r * row, row, z);
        for (int64_t i = 0; i < row; i++)
            top = z[i] > top ? z[i] : top;
        top = score_of(top, s->multiplier, s->shift);
        for (int64_t i = 0; i < row; i++) {
            z[i] = weight_of(top, score_of(z[i], s->multiplier, s->shift));
            sum += z[i];
        }
        double twice = (double)(2 * s->one), add = (double)sum, divisor = (double)(2 * sum);
        for (int64_t k = 0; k < row; k += BLOCK_ELEMENTS) {
            int64_t count = least(row - k, BLOCK_ELEMENTS);
            for (int64_t i = 0; i < count; i++)
                y[i] = (int32_t)(((double)z[k + i] * twice + add) / divisor);
            narrow(y, count, out[0], s->dtype, r * row + k);
        }
    }
}

/* LAYER_NORM and RMS_NORM. Scratch: a row of i32 for d. The numerator of D(d << 18, deviation) is
 * below 2^42, its result below 2^24 in size: with V the sum of squares and N the row's length, a
 * deviation of 1 needs 16 V < N, hence |d| < 32; otherwise it is at least |d| * 2^5 / sqrt(N). */
static void norm(const void *step, const void *const *in, void *const *out, int64_t n,
                 void *scratch) {
    const struct row_step *s = step;
    int64_t rows = s->rows_fixed + s->rows_unit * n, row = s->row_fixed;
    int64_t half = (int64_t)1 << (s->shift - 1);
    int32_t *restrict d = scratch, y[BLOCK_ELEMENTS];
    for (int64_t r = 0; r < rows; r++) {
        int64_t sum = 0, squares = 0;
        widen(in[0], s->x_dtype, r * row, row, d);
        if (s->centered) {
            for (int64_t i = 0; i < row; i++)
                sum += d[i];
            int32_t mean = (int32_t)divide_half_up(sum, row);
            for (int64_t i = 0; i < row; i++)
                d[i] -= mean;
        }
        for (int64_t i = 0; i < row; i++)
            squares += (int64_t)d[i] * d[i];
        int64_t mean_square = ((squares << 4) / row) << 8;
        int64_t deviation = most(1, integer_root((uint64_t)(mean_square + s->epsilon)));
        double add = (double)deviation, divisor = (double)(2 * deviation);
        for (int64_t k = 0; k < row; k += BLOCK_ELEMENTS) {
            int64_t count = least(row - k, BLOCK_ELEMENTS);
            const int32_t *restrict gamma = s->gamma + k;
            const int64_t *restrict beta = s->beta + k;
            for (int64_t i = 0; i < count; i++) {
                int32_t unit = exact_floor((double)d[k + i] * (1 << 19) + add, divisor);
                int64_t v = (int64_t)unit * gamma[i] + beta[i] + half;
                y[i] = (int32_t)clamp(shift_down(v, s->shift), s->minimum, s->maximum);
            }
            narrow(y, count, out[0], s->dtype, r * row + k);
        }
    }
}

#endif
