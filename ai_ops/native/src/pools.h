/* MAX_POOL2D and AVG_POOL2D over x (N, H, W, C). */
#ifndef ENGRAM_POOLS_H
#define ENGRAM_POOLS_H

#include "blocks.h"
#include "kernels.h"

/* The taps of a window that lie inside the image along one direction. */
struct overlap {
    int64_t first, stop;
};

INLINE struct overlap taps_inside(int64_t at, int64_t stride, int64_t before, int64_t kernel,
                               int64_t size) {
    int64_t start = at * stride - before;
    return (struct overlap){most(start, 0), least(start + kernel, size)};
}

#define MAX_POOL(type)                                                                             \
    INLINE void max_pool_##type(const type *restrict x, int64_t width, int64_t channels,           \
                                struct overlap rows, struct overlap columns, type *restrict y) {         \
        memcpy(y, x + (rows.first * width + columns.first) * channels,                             \
               (size_t)channels * sizeof *y);                                                      \
        for (int64_t r = rows.first; r < rows.stop; r++)                                           \
            for (int64_t c = columns.first; c < columns.stop; c++) {                               \
                const type *restrict tap = x + (r * width + c) * channels;                         \
                for (int64_t k = 0; k < channels; k++)                                             \
                    y[k] = tap[k] > y[k] ? tap[k] : y[k];                                          \
            }                                                                                      \
    }
MAX_POOL(int8_t)
MAX_POOL(uint8_t)
MAX_POOL(int16_t)
MAX_POOL(int32_t)
#undef MAX_POOL

/* Sum the window into `sums`, block of channels by block, and divide, rounding half up. */
INLINE void mean_pixel(const struct pool_step *s, const void *x, int64_t first, struct overlap rows,
                       struct overlap columns, int64_t divisor, void *y, int64_t at) {
    int32_t sums[BLOCK_ELEMENTS], tap[BLOCK_ELEMENTS];
    for (int64_t k = 0; k < s->channels; k += BLOCK_ELEMENTS) {
        int64_t count = least(s->channels - k, BLOCK_ELEMENTS);
        memset(sums, 0, sizeof sums);
        for (int64_t r = rows.first; r < rows.stop; r++)
            for (int64_t c = columns.first; c < columns.stop; c++) {
                widen(x, s->dtype, first + (r * s->width + c) * s->channels + k, count, tap);
                for (int64_t i = 0; i < count; i++)
                    sums[i] += tap[i];
            }
        for (int64_t i = 0; i < count; i++)
            sums[i] = (int32_t)divide_half_up(sums[i], divisor);
        narrow(sums, count, y, s->dtype, at + k);
    }
}

static void pool2d(const void *step, const void *const *in, void *const *out, int64_t n,
                   void *scratch) {
    const struct pool_step *s = step;
    int64_t images = s->images_fixed + s->images_unit * n, at = 0;
    (void)scratch;
    for (int64_t image = 0; image < images; image++) {
        int64_t first = image * s->height * s->width * s->channels;
        for (int64_t i = 0; i < s->out_height; i++) {
            struct overlap rows =
                taps_inside(i, s->stride_rows, s->top, s->kernel_rows, s->height);
            for (int64_t j = 0; j < s->out_width; j++, at += s->channels) {
                struct overlap columns =
                    taps_inside(j, s->stride_columns, s->left, s->kernel_columns, s->width);
                if (s->mean) {
                    int64_t inside = (rows.stop - rows.first) * (columns.stop - columns.first);
                    int64_t divisor =
                        s->count_padding ? s->kernel_rows * s->kernel_columns : inside;
                    mean_pixel(s, in[0], first, rows, columns, divisor, out[0], at);
                } else if (s->dtype == I8) {
                    max_pool_int8_t((const int8_t *)in[0] + first, s->width, s->channels, rows,
                                    columns, (int8_t *)out[0] + at);
                } else if (s->dtype == U8) {
                    max_pool_uint8_t((const uint8_t *)in[0] + first, s->width, s->channels, rows,
                                     columns, (uint8_t *)out[0] + at);
                } else if (s->dtype == I16) {
                    max_pool_int16_t((const int16_t *)in[0] + first, s->width, s->channels, rows,
                                     columns, (int16_t *)out[0] + at);
                } else {
                    max_pool_int32_t((const int32_t *)in[0] + first, s->width, s->channels, rows,
                                     columns, (int32_t *)out[0] + at);
                }
            }
        }
    }
}

#endif
