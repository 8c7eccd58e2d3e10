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
    int64_t fits; /* every rescaled sum is an i32, as the proved intervals have it */
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

/* Element-wise operators. `shape` has a row for each dimension of the result (blocks.h). A rescale
 * has `channels` multipliers and shifts, 1 or one for each channel; ADD and SUB have two, one for
 * each operand; DIVIDE's shift is the left shift of its first operand. */
struct elementwise_step {
    int64_t rank;
    const int64_t *shape;
    int64_t dtype, dtype_0, dtype_1, dtype_2; /* of the result and of the operands */
    int64_t channels;
    const int32_t *multiplier;
    const int64_t *shift;
    int64_t minimum, maximum;
    int64_t fits;      /* what is clamped is an i32 already */
    int64_t option;    /* SUB: 1; COMPARE: relation; DIVIDE: rounding; TABLE8: see there */
    const void *table; /* TABLE8: i16; TABLE16: i32 */
};

/* MAX_POOL2D, and AVG_POOL2D where `mean` is 1. */
struct pool_step {
    int64_t images_fixed, images_unit;
    int64_t height, width, channels, out_height, out_width;
    int64_t kernel_rows, kernel_columns, stride_rows, stride_columns, top, left;
    int64_t dtype, mean, count_padding;
};

/* A copy with strides (moves.h). Where `fills`, the result is filled with `value` first. */
struct move_step {
    int64_t rank;
    const int64_t *shape;
    int64_t from_fixed, from_unit; /* first element read */
    int64_t to_fixed, to_unit;     /* first element written */
    int64_t bytes;                 /* of an element */
    int64_t fills, fill_fixed, fill_unit, value;
};

struct concat_step {
    int64_t count; /* operands */
    int64_t outer_fixed, outer_unit;
    const int64_t *runs;
};

/* data (outer, size, inner bytes), indices (count). */
struct gather_step {
    int64_t outer_fixed, outer_unit;
    int64_t count_fixed, count_unit;
    int64_t inner_fixed, inner_unit;
    int64_t size, index_dtype;
};

struct update_step {
    int64_t rows, new_rows, row_bytes;
};

/* SUM, MEAN, MAX, MIN: `kind` is enum reduction. */
struct reduce_step {
    int64_t rank;
    const int64_t *shape;
    int64_t kind, x_dtype, dtype;
    int64_t channels;
    const int32_t *multiplier;
    const int64_t *shift;
    int64_t minimum, maximum;
};

struct argmax_step {
    int64_t outer_fixed, outer_unit;
    int64_t inner_fixed, inner_unit;
    int64_t size, dtype;
};

/* SOFTMAX, DYNAMIC_QUANTIZE, LAYER_NORM and RMS_NORM: rows of `row` elements. */
struct row_step {
    int64_t rows_fixed, rows_unit;
    int64_t row_fixed, row_unit;
    int64_t x_dtype, dtype;
    int64_t multiplier, shift; /* SOFTMAX; LAYER_NORM: shift */
    int64_t one;               /* SOFTMAX */
    int64_t centered;          /* LAYER_NORM: 1 */
    int64_t epsilon;
    const int32_t *gamma; /* `row` entries, as beta */
    const int64_t *beta;
    int64_t minimum, maximum;
};

/* ROPE: in x (outer, rows, heads * 2 * pairs), cos, sin (positions, pairs), perhaps an offset. */
struct rope_step {
    int64_t outer_fixed, outer_unit;
    int64_t rows_fixed, rows_unit;
    int64_t heads, pairs, positions;
    int64_t dtype, interleaved, has_offset;
};

/* ATTENTION: in q (batch, queries, heads * depth), k, v (batch, keys, kv_heads * depth), perhaps a
 * length. */
struct attention_step {
    int64_t batch_fixed, batch_unit;
    int64_t queries_fixed, queries_unit;
    int64_t keys_fixed, keys_unit;
    int64_t heads, kv_heads, depth;
    int64_t causal, has_length;
    int64_t top;               /* the largest probability: 2^bits - 1 */
    int64_t multiplier, shift; /* of scores */
    int64_t channels;          /* 1, or heads * depth */
    const int32_t *out_multiplier;
    const int64_t *out_shift;
    int64_t minimum, maximum, dtype;
};

/* A step of a program (program.h). `operands` has in-operands, then out-operands: pairs of a
 * number of the arena (1) or an address (0), and the offset there. */
struct program_step {
    const void *function; /* NULL: the result is there already; only its digest is made */
    const void *constants;
    int64_t inputs, outputs;
    const int64_t *operands;
    const int64_t *sizes;  /* of each output: bytes fixed, bytes per unit */
    const void *header;    /* of the digest, as for n = 0 */
    int64_t header_bytes;
    int64_t holes;         /* places in the header where n goes, a u64 */
    const int64_t *places;
};

struct program {
    const void *steps;
};

/* A digest of one tensor: BLAKE3 over `prefix` and in 0. */
struct digest_step {
    const void *prefix;
    int64_t prefix_bytes;
    int64_t bytes_fixed, bytes_unit;
};

#endif
