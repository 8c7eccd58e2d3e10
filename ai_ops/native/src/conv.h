/* CONV2D and CONV_TRANSPOSE2D, without ever writing out patches: a band of x with its padding is
 * put into scratch once, and the inner loops read windows from it where they lie. A kernel row is
 * one segment (a tap is, where dilation or groups pull columns apart); segments that are no whole
 * groups read on into the next pixel, times 0. */
#ifndef ENGRAM_CONV_H
#define ENGRAM_CONV_H

#include "product.h"

/* Put `rows` rows of an image, from row `first` on (it may lie outside), into a band. */
static void put_band(const struct window *w, const void *image, int64_t dtype, int64_t path,
                     int64_t first, int64_t rows, char *band) {
    int64_t width = left_bytes_of(path), pixel = w->channels * width;
    int64_t row_bytes = w->band_width * pixel, zero = offset_of(path, dtype);
    int64_t begin = clamp(w->left, 0, w->band_width);
    int64_t end = clamp(w->width + w->left, begin, w->band_width);
    for (int64_t i = 0; i < rows; i++, band += row_bytes) {
        int64_t y = first + i;
        if (y < 0 || y >= w->height || begin == end) {
            memset(band, (int)zero, (size_t)row_bytes);
            continue;
        }
        int64_t from = (y * w->width + begin - w->left) * w->channels;
        memset(band, (int)zero, (size_t)(begin * pixel));
        put_run((const char *)image + from * size_of(dtype), dtype, path,
                (end - begin) * w->channels, band + begin * pixel);
        memset(band + end * pixel, (int)zero, (size_t)((w->band_width - end) * pixel));
    }
}

INLINE int64_t images_of(const struct window *w, int64_t n) {
    return w->images_fixed + w->images_unit * n;
}
INLINE int64_t image_bytes_of(const struct window *w, int64_t dtype) {
    return w->height * w->width * w->channels * size_of(dtype);
}
INLINE int64_t band_bytes_of(const struct window *w, int64_t path) {
    int64_t rows = (w->band_rows - 1) * w->stride_rows + w->reach;
    return round_up(rows * w->band_width * w->channels * left_bytes_of(path) + 64, 64);
}

/* All results of one group whose windows lie in a band; `y` is the element where they begin. */
static void convolve_band(const struct conv_step *s, const struct epilogue *end,
                          const char *band, const char *panels, int64_t group, int64_t rows,
                          void *out, int64_t y) {
    const struct window *w = &s->window;
    const struct product *p = &s->product;
    int64_t pixel = w->channels * left_bytes_of(p->path), padded = panels_of(p->units) * PANEL;
    struct span span = {w->stride_columns * pixel, panel_bytes_of(p), p->segments,
                        groups_of(p->path, p->depth), w->offsets};
    tile_fn *tile = tile_of(p->path);
    int32_t sums[TILE_ROWS * TILE_PANELS * PANEL] __attribute__((aligned(64)));
    band += group * p->depth * left_bytes_of(p->path);
    panels += group * packed_bytes_of(p);
    y += group * p->units;
    for (int64_t c = 0; c < p->units; c += TILE_PANELS * PANEL) {
        int64_t count = least(TILE_PANELS * PANEL, p->units - c);
        for (int64_t i = 0; i < rows; i++) {
            const char *row = band + i * w->stride_rows * w->band_width * pixel;
            for (int64_t j = 0; j < w->out_width; j += TILE_ROWS) {
                int64_t tall = least(TILE_ROWS, w->out_width - j);
                struct target to = {out, y + i * w->y_row + j * w->y_column + c, w->y_column};
                tile(&span, row + j * span.row_bytes, tall, panels + c / PANEL * span.panel_bytes,
                     panels_of(count), sums);
                finish_tile(end, sums, tall, group * padded + c, count, to);
            }
        }
    }
}

/* Scratch: a band, then, where the step has no panels, panels and their bias. */
static void conv2d(const void *step, const void *const *in, void *const *out, int64_t n,
                   void *scratch) {
    const struct conv_step *s = step;
    const struct window *w = &s->window;
    const struct product *p = &s->product;
    struct epilogue end = s->end;
    char *band = scratch;
    const char *panels =
        panels_for(p, s->groups, in[1], band + band_bytes_of(w, p->path), &end);
    for (int64_t image = 0; image < images_of(w, n); image++) {
        const char *x = (const char *)in[0] + image * image_bytes_of(w, p->x_dtype);
        for (int64_t i = 0; i < w->out_height; i += w->band_rows) {
            int64_t rows = least(w->band_rows, w->out_height - i);
            int64_t y = w->y_first + image * w->y_image + i * w->y_row;
            put_band(w, x, p->x_dtype, p->path, i * w->stride_rows - w->top,
                     (rows - 1) * w->stride_rows + w->reach, band);
            for (int64_t g = 0; g < s->groups; g++)
                convolve_band(s, &end, band, panels, g, rows, out[0], y);
        }
    }
}

static void conv_transpose2d(const void *step, const void *const *in, void *const *out, int64_t n,
                             void *scratch) {
    const struct transpose_step *s = step;
    for (int64_t phase = 0; phase < s->phases; phase++)
        conv2d(s->steps + phase, in, out, n, scratch);
}

#endif
