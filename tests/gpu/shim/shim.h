/* Stands in for the parts of CUDA that ai_ops/backends/gpu/kernels uses, for a C compiler.

   Threads of a block are fibers: each runs until it meets a barrier or an instruction of its
   whole warp, so barriers, shuffles and races behave as the language defines them. A barrier
   that some thread of the block does not reach is an error, not a hang. */

#pragma once
#include <string.h>

#define DEVICE static inline __attribute__((always_inline, unused))
#define CONSTANT static
#define KERNEL(name, threads) \
  const unsigned name##_threads = threads; \
  void name(const struct Arguments a)
#define SHARED(type, name, count) static __thread type name[count]
#define BARRIER() shim_block_barrier()
#define WARP_BARRIER() shim_warp_barrier()
#define UNROLL
#define ROLLED
#define UNROLL_4
#define SHUFFLE_XOR(value, mask) shim_shuffle_xor(value, mask)

typedef struct {
  unsigned x, y, z, w;
} __attribute__((aligned(16))) uint4;
typedef struct {
  unsigned x, y;
} __attribute__((aligned(8))) uint2;
struct Index3 {
  unsigned x, y, z;
};
extern __thread struct Index3 threadIdx, blockIdx, blockDim, gridDim;

void shim_block_barrier(void);
void shim_warp_barrier(void);
int shim_shuffle_xor(int value, int mask);
void shim_multiply_tile(int *c, const unsigned *x, const unsigned *w);

/* Tile products are recorded and done when the warp meets next: until then the sums of a lane
   lie in its own stack. TILES_READY stands where a kernel reads them. */
#define multiply_tile(c, x, w) shim_multiply_tile(c, x, w)
#define TILES_READY() shim_warp_barrier()

void shim_fault(const char *what);

static inline void copy_chunk(uint4 *to, const void *from, int real) {
  const uint4 zero = {0, 0, 0, 0};
  /* A card refuses what this processor would allow. */
  if ((unsigned long long)from % 16) shim_fault("a copy of 16 bytes is not aligned");
  *to = real ? *(const uint4 *)from : zero;
}

static inline void copy_half(void *to, const void *from, int real) {
  if ((unsigned long long)from % 8) shim_fault("a copy of 8 bytes is not aligned");
  *(unsigned long long *)to = real ? *(const unsigned long long *)from : 0;
}

static inline __attribute__((unused)) int __dp4a(int a, int b, int sum) {
  for (int j = 0; j < 4; j++)
    sum = (int)((unsigned)sum + (unsigned)((signed char)(a >> 8 * j) * (signed char)(b >> 8 * j)));
  return sum;
}

static inline __attribute__((unused)) int __clz(int value) {
  return value ? __builtin_clz((unsigned)value) : 32;
}

static inline __attribute__((unused)) unsigned __byte_perm(unsigned a, unsigned b, unsigned s) {
  const unsigned long long both = (unsigned long long)b << 32 | a;
  unsigned result = 0;
  for (int j = 0; j < 4; j++)
    result |= (unsigned)(both >> 8 * (s >> 4 * j & 7) & 255) << 8 * j;
  return result;
}

static inline __attribute__((unused)) unsigned __funnelshift_r(unsigned low, unsigned high,
                                                               unsigned shift) {
  return (unsigned)(((unsigned long long)high << 32 | low) >> (shift & 31));
}
