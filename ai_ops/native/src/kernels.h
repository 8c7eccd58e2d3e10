/* The constants of each kernel. ai_ops/native/steps.py names the same members in the same order;
 * tests/ai_ops/test_native_library.py compares the two. */
#ifndef ENGRAM_KERNELS_H
#define ENGRAM_KERNELS_H

#include "abi.h"

/* The end of an operator: y = clamp((v*multiplier[c] + 2^(shift[c]-1)) >> shift[c]), in dtype.
 * `bias` has an entry per channel, filled up to whole panels (product.h); so have the others
 * where channel_step is 1. Where it is 0, one panel's entries, all alike, serve all channels. */
struct epilogue {
    const int32_t *bias; /* added to the sum first */
    const int32_t *multiplier;
    const int32_t *shift;
    int64_t channel_step;
    int64_t minimum, maximum;
    int64_t dtype;
    int64_t fits; /* every multiplier is at most 2^shift: a rescaled i32 is an i32 */
};

/* A sum of products: x[...] * w[c, ...] over `segments` runs of `depth` elements. Element k of
 * segment s of column c is w[c * unit_stride + w_offsets[s] + k * depth_stride]. */
struct product {
    int64_t path; /* enum path of product.h: how operands are multiplied */
    int64_t x_dtype, w_dtype;
    int64_t segments, depth, units;
    int64_t unit_stride, depth_stride;
    const int64_t *w_offsets;
    const void *panels;      /* w, packed; NULL where the kernel packs it at each call */
    const int32_t *raw_bias; /* per column, for the kernel that packs */
};

/* pack_weights: in w, raw bias (i32 per column; may be NULL); out panels, bias. Run at load. */
struct pack_step {
    int64_t groups;
    struct product product;
};

/* GEMM: in x (rows, depth), w (units, depth); out y (rows, units). */
struct gemm_step {
    int64_t rows_fixed, rows_unit;
    int64_t block_rows; /* rows whose operands are put into scratch at once */
    struct product product;
    struct epilogue end;
};

/* GEMM_DYNAMIC: in q (rows, depth), a (rows, 1), w (units, depth); out y. */
struct dynamic_step {
    struct gemm_step gemm;
    const int32_t *fine_bias; /* per column, in 1/256 of the result's unit */
};

/* MATMUL: in a (..., rows, depth), b; out y (..., rows, units), where b is (..., depth, units) or
 * (..., units, depth) as the product's strides say; a depth_stride of 0 is the number of
 * units. Leading dimensions are listed for y, a and b; a size of -1 is n. Scratch: rows,
 * then, where the step has no panels, those of one matrix and their bias. */
struct matmul_step {
    int64_t rows_fixed, rows_unit;
    int64_t units_fixed, units_unit;
    int64_t block_rows;
    int64_t rank;    /* of the leading dimensions, at most 8 */
    const int64_t *y_sizes;
    const int64_t *a_sizes;
    const int64_t *b_sizes;
    struct product product;
    struct epilogue end;
};

/* Windows over an NHWC tensor. A band is a stripe of x in scratch, padding included: column b of
 * it is column b - left of x. Windows of successive results are `stride_*` apart in x. */
struct window {
    int64_t images_fixed, images_unit;
    int64_t height, width, channels; /* of x */
    int64_t out_height, out_width;
    int64_t stride_rows, stride_columns;
    int64_t top, left; /* the window of result (0, 0) begins at row -top, column -left of x */
    int64_t reach;     /* rows of x from a window's first to its last */
    int64_t band_width;
    int64_t band_rows; /* rows of results that are made from one band */
    int64_t y_first, y_column, y_row, y_image; /* result (i, j) of image n, in elements of y */
    const int64_t *offsets; /* of segments or taps, in bytes of a band from a window's corner */
};

/* CONV2D: in x (N, H, W, C), w; out y. Filters of group g follow those of the group before. */
struct conv_step {
    struct window window;
    int64_t groups;
    struct product product; /* of one group */
    struct epilogue end;    /* arrays of all groups, each group filled up to whole panels */
};

/* CONV2D with one filter for each channel. */
struct depthwise_step {
    struct window window;
    int64_t x_dtype;
    int64_t taps; /* even: a tap of zeros fills up */
    const int16_t *weights; /* (taps, channels filled up to LANES) */
    struct epilogue end;
};

/* CONV_TRANSPOSE2D: each phase of the strides is a convolution of its own. */
struct transpose_step {
    int64_t phases;
    const struct conv_step *steps;
};

#endif
