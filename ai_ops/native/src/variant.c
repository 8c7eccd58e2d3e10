/* All kernels, compiled once for each instruction set: build.py defines VARIANT and passes the
 * flags. Everything but the table at the end is static, so the copies never meet. */
#include "abi.h"
#include "kernels.h"

#include "arithmetic.h"
#include "micro.h"
#include "product.h"
#include "gemm.h"
#include "matmul.h"
#include "conv.h"
#include "depthwise.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

static const struct kernel_entry kernels[] = {
    {"pack_weights", pack_weights},
    {"gemm", gemm},
    {"gemm_dynamic", gemm_dynamic},
    {"matmul", matmul},
    {"conv2d", conv2d},
    {"conv_transpose2d", conv_transpose2d},
    {"depthwise", depthwise},
    {NULL, NULL},
};

const struct variant JOIN(engram_variant_, VARIANT) = {TEXT(VARIANT), NARROW_BYTES, kernels};
