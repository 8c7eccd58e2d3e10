/* ROPE: pairs of elements turned by an angle that grows with the row's position. */
#ifndef ENGRAM_ROPE_H
#define ENGRAM_ROPE_H

#include "blocks.h"
#include "kernels.h"

#define TURN_ROW(name, type, low, high)                                                            \
    INLINE void name(const struct rope_step *s, const type *restrict x,                            \
                     const int16_t *restrict cosines, const int16_t *restrict sines,               \
                     type *restrict y) {                                                           \
        int64_t far = s->interleaved ? 1 : s->pairs, stride = s->interleaved ? 2 : 1;              \
        for (int64_t h = 0; h < s->heads; h++, x += 2 * s->pairs, y += 2 * s->pairs)               \
            for (int64_t i = 0; i < s->pairs; i++) {                                               \
                int64_t a = x[i * stride], b = x[i * stride + far];                                \
                int64_t c = cosines[i], t = sines[i];                                              \
                y[i * stride] = (type)clamp((a * c - b * t + (1 << 14)) >> 15, low, high);         \
                y[i * stride + far] = (type)clamp((a * t + b * c + (1 << 14)) >> 15, low, high);   \
            }                                                                                      \
    }
TURN_ROW(turn_i8, int8_t, -128, 127)
TURN_ROW(turn_i16, int16_t, -32768, 32767)
#undef TURN_ROW

static void rope(const void *step, const void *const *in, void *const *out, int64_t n,
                 void *scratch) {
    const struct rope_step *s = step;
    int64_t outer = s->outer_fixed + s->outer_unit * n, rows = s->rows_fixed + s->rows_unit * n;
    int64_t offset = s->has_offset ? load_element(in[3], I32, 0) : 0;
    int64_t width = s->heads * 2 * s->pairs;
    (void)scratch;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t r = 0; r < rows; r++) {
            int64_t at = (o * rows + r) * width;
            int64_t table = clamp(r + offset, 0, s->positions - 1) * s->pairs;
            const int16_t *cosines = (const int16_t *)in[1] + table;
            const int16_t *sines = (const int16_t *)in[2] + table;
            if (s->dtype == I8)
                turn_i8(s, (const int8_t *)in[0] + at, cosines, sines, (int8_t *)out[0] + at);
            else
                turn_i16(s, (const int16_t *)in[0] + at, cosines, sines, (int16_t *)out[0] + at);
        }
}

#endif
