/* What every kernel shares: types, arguments, loads and stores by dtype, the integer arithmetic.

   The kernels are written in the subset that C and CUDA C++ share. NVRTC compiles them for a
   card; a C compiler compiles the same text with tests/gpu/shim/shim.h, which stands in for
   threads, barriers and the few instructions named below. There is no float anywhere.
   Source of the arithmetic: docs/spec/01-tensors.md T-3 to T-5. */

typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;

/* One layout for all kernels, passed by value. `moving` has bit k where pointers[k] lies in the
   memory of one call of a batch; the calls lie `stride` bytes apart and blockIdx.z counts them. */
struct Arguments {
  u64 pointers[12];
  u64 stride;
  u64 moving;
  i64 integers[48];
};

/* One block a processor is enough to ask for: asked for nothing, the assembler saves registers
   for more blocks and spills. */
#ifdef __CUDACC__
#define DEVICE static __device__ __forceinline__
#define CONSTANT static __constant__
#define KERNEL(name, threads) \
  extern "C" __global__ void __launch_bounds__(threads, 1) name(const struct Arguments a)
#define SHARED(type, name, count) __shared__ type name[count]
#define BARRIER() __syncthreads()
#define WARP_BARRIER() __syncwarp()
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")
#define UNROLL_4 _Pragma("unroll 4")
#define SHUFFLE_XOR(value, mask) __shfl_xor_sync(0xffffffffu, value, mask)
#else
#include "shim.h"
#endif

#define POINTER(type, k) \
  ((type *)(a.pointers[k] + ((a.moving >> (k)) & 1 ? a.stride * blockIdx.z : 0)))
#define INTEGER(k) ((i32)a.integers[k])
#define WIDE(k) (a.integers[k])
/* The element this thread is responsible for. */
#define ELEMENT() ((i64)blockIdx.x * blockDim.x + threadIdx.x)

/* Codes of T-1. */
#define I8 1
#define I16 2
#define I32 3
#define U8 4

/* Bias, multiplier and shift of one channel: one 16-byte load. */
struct Scale {
  i32 bias;
  i32 multiplier;
  i32 shift;
  i32 unused;
};

DEVICE i32 load_value(const void *base, i64 at, i32 type) {
  switch (type) {
    case I8: return ((const i8 *)base)[at];
    case U8: return ((const u8 *)base)[at];
    case I16: return ((const i16 *)base)[at];
    default: return ((const i32 *)base)[at];
  }
}

DEVICE void store_value(void *base, i64 at, i32 type, i32 value) {
  switch (type) {
    case I8: ((i8 *)base)[at] = (i8)value; break;
    case U8: ((u8 *)base)[at] = (u8)value; break;
    case I16: ((i16 *)base)[at] = (i16)value; break;
    default: ((i32 *)base)[at] = value;
  }
}

DEVICE i32 bytes_of(i32 type) { return type == I32 ? 4 : type == I16 ? 2 : 1; }

DEVICE i32 clamp_wide(i64 value, i32 low, i32 high) {
  return value < low ? low : value > high ? high : (i32)value;
}

/* R(v, m, s) = (v * m + 2^(s-1)) >> s */
DEVICE i64 rescale(i64 value, i64 multiplier, i32 shift) {
  return (value * multiplier + ((i64)1 << (shift - 1))) >> shift;
}

/* floor(n / d) for d > 0 */
DEVICE i64 floor_divide(i64 n, i64 d) {
  i64 quotient = n / d;
  return quotient - (n % d < 0);
}

/* D(n, d) = (2n + d) // (2d), half up */
DEVICE i64 divide(i64 n, i64 d) { return floor_divide(2 * n + d, 2 * d); }

/* Addition modulo 2^32, as accumulators are defined. */
DEVICE i32 add_wrapped(i32 a, i32 b) { return (i32)((u32)a + (u32)b); }
DEVICE i32 multiply_wrapped(i32 a, i32 b) { return (i32)((u32)a * (u32)b); }

DEVICE i32 maximum(i32 a, i32 b) { return a > b ? a : b; }
DEVICE i32 minimum(i32 a, i32 b) { return a < b ? a : b; }

/* Four 8-bit products added to an accumulator. */
DEVICE i32 dot4(u32 a, u32 b, i32 accumulator) {
  return __dp4a((i32)a, (i32)b, accumulator);
}

DEVICE i32 dot16(uint4 a, uint4 b, i32 accumulator) {
  accumulator = dot4(a.x, b.x, accumulator);
  accumulator = dot4(a.y, b.y, accumulator);
  accumulator = dot4(a.z, b.z, accumulator);
  return dot4(a.w, b.w, accumulator);
}

/* Sum of a value over the 32 lanes of a warp; every lane gets it. */
DEVICE i32 warp_sum(i32 value) {
  UNROLL
  for (i32 mask = 16; mask > 0; mask >>= 1) value = add_wrapped(value, SHUFFLE_XOR(value, mask));
  return value;
}
