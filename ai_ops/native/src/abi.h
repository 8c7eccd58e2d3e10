/* The contract between compiled kernels and whoever calls them: ai_ops/native/library.py one by one,
 * the whole-graph runner many at once.
 *
 * A kernel computes one node. It keeps no state, allocates nothing, takes no lock and may run in
 * any number of threads at once. Everything it needs comes in by pointer:
 *
 *   step     its constants: the kernel's own struct of kernels.h, made when the model is loaded.
 *            Every member is 8 bytes (int64_t or a pointer), so that it can be filled as an array.
 *   in       the node's inputs, contiguous, row-major, little-endian, each at an address that its
 *            element size divides. An input that was packed into the step may be NULL.
 *   out      the node's outputs, likewise; they overlap neither the inputs nor each other.
 *   n        units: the size of the model's one symbolic dimension, 1 where it has none.
 *   scratch  memory of the size that was computed at load (`Kernel.scratch`: bytes = fixed +
 *            per_unit * n), at a 64-byte address; its content means nothing before or after.
 *
 * The inputs lie inside the intervals that validation proved; a kernel need not survive others.
 * Counts that may depend on n come as pairs: `rows = rows_fixed + rows_unit * n`.
 */
#ifndef ENGRAM_ABI_H
#define ENGRAM_ABI_H

#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are little-endian"
#endif

typedef void kernel_fn(const void *step, const void *const *in, void *const *out, int64_t n,
                       void *scratch);

/* The codes of dtypes: docs/spec/01-tensors.md T-1. */
enum { I8 = 1, I16 = 2, I32 = 3, U8 = 4 };

struct kernel_entry {
    const char *name;
    kernel_fn *function;
};

/* All kernels of one instruction set. */
struct variant {
    const char *name;
    int64_t narrow_bytes; /* bytes that one i8 of a left operand takes in scratch (product.h) */
    const struct kernel_entry *kernels; /* ends with a NULL name */
};

#define EXPORT __attribute__((visibility("default")))

#endif
