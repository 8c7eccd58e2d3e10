/* The constants of each kernel. ai_ops/native/steps.py names the same members in the same order;
 * tests/ai_ops/test_native_library.py compares the two. */
#ifndef ENGRAM_KERNELS_H
#define ENGRAM_KERNELS_H

#include "abi.h"

/* The end of an operator: y = clamp((v*multiplier[c] + 2^(shift[c]-1)) >> shift[c]), in dtype.
 * Arrays have an entry per channel, rounded up to whole panels (product.h). */
struct epilogue {
    const int32_t *bias; /* added to the sum first */
    const int32_t *multiplier;
    const int32_t *shift;
    int64_t minimum, maximum;
    int64_t dtype;
    int64_t fits; /* every multiplier is at most 2^shift: a rescaled i32 is an i32 */
};

/* GEMM: in x (rows, depth), w (units, depth); out y (rows, units). Also pack_weights, which makes
 * `panels` (out 0) and the bias that goes with them (out 1) from w (in 0) and the node's bias, one
 * i32 per unit (in 1; may be NULL). Where panels is NULL the kernel packs in 1 itself. */
struct gemm_step {
    int64_t rows_fixed, rows_unit;
    int64_t depth, units;
    int64_t x_dtype, w_dtype;
    int64_t path;       /* enum path of product.h: how operands are multiplied */
    int64_t block_rows; /* rows whose operands are put into scratch at once */
    const void *panels;
    const int32_t *raw_bias; /* per unit; for panels packed by the kernel */
    struct epilogue end;
};

#endif
