/* The integer arithmetic of docs/spec/01-tensors.md T-3 and T-4, and reading and writing elements
 * by dtype. */
#ifndef ENGRAM_ARITHMETIC_H
#define ENGRAM_ARITHMETIC_H

#include <string.h>

#include "abi.h"

#define INLINE static inline __attribute__((always_inline, unused))

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
INLINE int64_t clamp(int64_t v, int64_t low, int64_t high) { return least(most(v, low), high); }
INLINE int64_t round_up(int64_t v, int64_t to) { return (v + to - 1) / to * to; }

/* (v*m + 2^(s-1)) >> s; inside its limits it does not overflow. */
INLINE int64_t rescale(int64_t v, int64_t m, int64_t s) {
    return (v * m + ((int64_t)1 << (s - 1))) >> s;
}

INLINE int64_t load_element(const void *x, int64_t dtype, int64_t i) {
    switch (dtype) {
    case I8:
        return ((const int8_t *)x)[i];
    case I16:
        return ((const int16_t *)x)[i];
    case U8:
        return ((const uint8_t *)x)[i];
    default:
        return ((const int32_t *)x)[i];
    }
}

INLINE void store_element(void *y, int64_t dtype, int64_t i, int64_t v) {
    switch (dtype) {
    case I8:
    case U8:
        ((uint8_t *)y)[i] = (uint8_t)v;
        break;
    case I16:
        ((int16_t *)y)[i] = (int16_t)v;
        break;
    default:
        ((int32_t *)y)[i] = (int32_t)v;
    }
}

INLINE int64_t size_of(int64_t dtype) { return dtype == I32 ? 4 : dtype == I16 ? 2 : 1; }

#endif
