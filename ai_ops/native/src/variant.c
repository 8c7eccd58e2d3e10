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

#include "attention.h"
#include "elementwise.h"
#include "moves.h"
#include "pools.h"
#include "program.h"
#include "reductions.h"
#include "rope.h"
#include "rows.h"

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
    {"absolute", absolute},
    {"add", add},
    {"argmax", argmax},
    {"attention", attention},
    {"bit_length", bit_length},
    {"choose", choose},
    {"clamp_tensor", clamp_tensor},
    {"compare", compare},
    {"concat", concat},
    {"digest", digest},
    {"divide_tensors", divide_tensors},
    {"dynamic_quantize", dynamic_quantize},
    {"gather", gather},
    {"maximum", maximum},
    {"minimum", minimum},
    {"move", move},
    {"multiply_tensors", multiply_tensors},
    {"negate", negate},
    {"norm", norm},
    {"pool2d", pool2d},
    {"reduce", reduce},
    {"rescale_tensor", rescale_tensor},
    {"rope", rope},
    {"run_program", (kernel_fn *)(void (*)(void))run_program}, /* its own arguments: program.h */
    {"softmax", softmax},
    {"table16", table16},
    {"table8", table8},
    {"update_rows", update_rows},
    {NULL, NULL},
};

const struct variant JOIN(engram_variant_, VARIANT) = {TEXT(VARIANT), NARROW_BYTES, kernels};
