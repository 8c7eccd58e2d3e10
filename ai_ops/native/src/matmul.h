/* MATMUL: a product of two tensors, matrix by matrix. */
#ifndef ENGRAM_MATMUL_H
#define ENGRAM_MATMUL_H

#include "gemm.h"

INLINE int64_t size_at(int64_t size, int64_t n) { return size < 0 ? n : size; }

/* Which matrix of an operand with these leading sizes meets result `index`; 1 is repeated. */
INLINE int64_t matrix_of(const struct matmul_step *s, const int64_t *sizes, int64_t index,
                         int64_t n) {
    int64_t matrix = 0, step = 1;
    for (int64_t axis = s->rank - 1; axis >= 0; axis--) {
        int64_t all = size_at(s->y_sizes[axis], n), own = size_at(sizes[axis], n);
        if (own != 1)
            matrix += index % all * step;
        index /= all;
        step *= own;
    }
    return matrix;
}

INLINE int64_t matrices_of(const struct matmul_step *s, int64_t n) {
    int64_t count = 1;
    for (int64_t axis = 0; axis < s->rank; axis++)
        count *= size_at(s->y_sizes[axis], n);
    return count;
}

static void matmul(const void *step, const void *const *in, void *const *out, int64_t n,
                   void *scratch) {
    const struct matmul_step *s = step;
    struct product p = s->product;
    struct epilogue epilogue = s->end;
    struct ending end = {&epilogue, NULL, NULL};
    int64_t rows = s->rows_fixed + s->rows_unit * n;
    p.units = s->units_fixed + s->units_unit * n;
    p.depth_stride = p.depth_stride ? p.depth_stride : p.units;
    int64_t a_bytes = rows * p.depth * size_of(p.x_dtype);
    int64_t b_bytes = p.units * p.depth * size_of(p.w_dtype);
    int64_t y_bytes = rows * p.units * size_of(epilogue.dtype);
    char *left = scratch, *memory = left + s->block_rows * row_span(&p).row_bytes;
    const char *panels = NULL;
    for (int64_t index = 0, packed = -1; index < matrices_of(s, n); index++) {
        int64_t b = matrix_of(s, s->b_sizes, index, n);
        if (b != packed)
            panels = panels_for(&p, 1, (const char *)in[1] + b * b_bytes, memory, &epilogue);
        packed = b;
        multiply(&p, &end, (const char *)in[0] + matrix_of(s, s->a_sizes, index, n) * a_bytes, rows,
                 s->block_rows, left, panels, (char *)out[0] + index * y_bytes);
    }
}

#endif
