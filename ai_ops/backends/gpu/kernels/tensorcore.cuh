/* GEMM, GEMM_DYNAMIC, MATMUL and CONV2D of 8-bit tensors on tensor cores.

   A block of 4 warps makes a tile of 128 x 128 results, or 64 x 64 where there are few tiles; each
   warp a quarter of it by instructions of 16 x 8 x 32. Operands reach shared memory in slices of
   64 along K, three slices in flight. A sum has no order, so K may be permuted: lane t of a row
   takes 16 bytes in one load and uses its words 0, 1 for one instruction and 2, 3 for the next,
   the same in both operands. Rows of 64 bytes without padding are then free of bank conflicts.

   u8 elements become i8 by turning their highest bit, which takes 128 away from each; the scale
   table's bias holds 128 times the sum of a filter. What lies outside x is 0, turned as well. */

#define SLICE 64
#define STAGES 3
#define ROW_CHUNKS (SLICE / 16)
#define STAGE_CHUNKS(tile) (2 * (tile)*ROW_CHUNKS)

#ifdef __CUDACC__
/* c (16 x 8, i32) += a (16 x 32, i8) * b (32 x 8, i8) */
DEVICE void multiply_tile(i32 *c, const u32 *x, const u32 *w) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(w[0]), "r"(w[1]));
#else
  UNROLL
  for (i32 part = 0; part < 4; part++) {
    const i32 half = part & 1, at = (part >> 1) * 2;
    asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
        : "+r"(c[2 * half]), "+r"(c[2 * half + 1])
        : "r"(x[at + half]), "r"(w[part >> 1]));
  }
#endif
}
#define TILES_READY()

DEVICE void copy_chunk(uint4 *to, const void *from, i32 real) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"((u32)__cvta_generic_to_shared(to)), "l"(from), "r"(real ? 16 : 0)
               : "memory");
#else
  const uint4 zero = {0, 0, 0, 0};
  *to = real ? *(const uint4 *)from : zero;
#endif
}
/* Half a chunk, 8 bytes. */
DEVICE void copy_half(void *to, const void *from, i32 real) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;"
               :
               : "r"((u32)__cvta_generic_to_shared(to)), "l"(from), "r"(real ? 8 : 0)
               : "memory");
#else
  *(u64 *)to = real ? *(const u64 *)from : 0;
#endif
}
DEVICE void end_slice(void) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
DEVICE void await_slice(void) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory");
#endif
}
#else
#define end_slice()
#define await_slice()
#endif

/* How an operand is read. */
#define ROWS 0    /* rows of K bytes, K a multiple of 16, 16-byte aligned */
#define STRIDED 1 /* any strides, byte by byte */
#define PATCHES 2 /* patches of an image, channels of a group a multiple of 16, aligned */
#define HALVES 3  /* the same with channels a multiple of 8 */
#define PIXELS 4  /* patches of an image, byte by byte */

/* integers: rows M, columns N, depth K, dtype of y, low, high, tiles along M, tiles along N,
   x row stride, x depth stride, w row stride, w depth stride; patches: height, width, all
   channels, channels of a group, kernel width, strides, dilations, padding top and left,
   output height, output width; then groups, the channels of y, bits to turn */
#define M_ INTEGER(0)
#define N_ INTEGER(1)
#define K_ INTEGER(2)
#define HEIGHT_ INTEGER(12)
#define WIDTH_ INTEGER(13)
#define CHANNELS_ INTEGER(14)
#define DEPTH_ INTEGER(15)
#define KERNEL_WIDTH_ INTEGER(16)
#define OUT_HEIGHT_ INTEGER(23)
#define OUT_WIDTH_ INTEGER(24)
#define GROUPS_ INTEGER(25)
#define Y_STRIDE_ INTEGER(26)
#define TURNED_ ((u32)INTEGER(27)) /* 0x80808080 where x is u8, else 0 */

DEVICE i32 inside(i32 position, i32 size) { return (u32)position < (u32)size; }

/* 16 elements of a row from `depth` on, zeros behind the end. Rolled up: this path is for odd
   shapes and must not swell the kernel. */
DEVICE void gather_row(u8 *to, const i8 *row, i32 depth, i32 end, i64 stride) {
  ROLLED
  for (i32 j = 0; j < 16; j++) to[j] = depth + j < end ? (u8)row[(depth + j) * stride] : 0;
}

/* The window of one result: image offset and the corner that its first tap reads. */
struct Window {
  i32 image;
  i32 top;
  i32 left;
};

DEVICE struct Window window_of(const struct Arguments a, i32 m) {
  const u32 pixels = (u32)OUT_HEIGHT_ * (u32)OUT_WIDTH_;
  const u32 pixel = (u32)m % pixels;
  struct Window window;
  window.image = (i32)((u32)m / pixels) * HEIGHT_;
  window.top = (i32)(pixel / (u32)OUT_WIDTH_) * INTEGER(17) - INTEGER(21);
  window.left = (i32)(pixel % (u32)OUT_WIDTH_) * INTEGER(18) - INTEGER(22);
  return window;
}

/* The address of an element of a patch, or 0 in the padding. */
DEVICE const i8 *element_of(const struct Arguments a, const i8 *x, struct Window window,
                            i32 depth) {
  const u32 tap = (u32)depth / (u32)DEPTH_;
  const i32 row = window.top + (i32)(tap / (u32)KERNEL_WIDTH_) * INTEGER(19);
  const i32 column = window.left + (i32)(tap % (u32)KERNEL_WIDTH_) * INTEGER(20);
  if (!inside(row, HEIGHT_) || !inside(column, WIDTH_)) return 0;
  return x + ((i64)(window.image + row) * WIDTH_ + column) * CHANNELS_ + (u32)depth % (u32)DEPTH_;
}

DEVICE void gather_patch(const struct Arguments a, u8 *to, const i8 *x, struct Window window,
                         i32 depth) {
  ROLLED
  for (i32 j = 0; j < 16; j++) {
    const i8 *from = depth + j < K_ ? element_of(a, x, window, depth + j) : 0;
    to[j] = from ? (u8)*from : 0;
  }
}

/* Bring one slice of x and w into a stage: tile / 32 chunks of each for every thread. */
DEVICE void load_slice(const struct Arguments a, const i8 *x, const i8 *w,
                       const struct Window *windows, i32 m0, i32 n0, i32 slice, uint4 *stage,
                       i32 x_kind, i32 w_kind, i32 tile) {
  const i32 column = threadIdx.x % ROW_CHUNKS, first = threadIdx.x / ROW_CHUNKS;
  const i32 depth = slice * SLICE + column * 16;
  uint4 *to = stage + first * ROW_CHUNKS + column;
  if (x_kind == ROWS || x_kind == PATCHES) {
    UNROLL
    for (i32 part = 0; part < tile / 32; part++) {
      const i32 m = m0 + first + 32 * part;
      const i8 *from = 0;
      if (m < M_ && depth < K_)
        from = x_kind == ROWS ? x + m * WIDE(8) + depth : element_of(a, x, windows[part], depth);
      copy_chunk(to + 32 * part * ROW_CHUNKS, from ? from : x, from != 0);
    }
  } else if (x_kind == HALVES) {
    UNROLL
    for (i32 half = 0; half < tile / 16; half++) {
      const i32 part = half >> 1, skip = (half & 1) * 8;
      const i32 real = m0 + first + 32 * part < M_ && depth + skip < K_;
      const i8 *from = real ? element_of(a, x, windows[part], depth + skip) : 0;
      copy_half((u8 *)(to + 32 * part * ROW_CHUNKS) + skip, from ? from : x, from != 0);
    }
  } else {
    ROLLED
    for (i32 part = 0; part < tile / 32; part++) {
      const i32 m = m0 + first + 32 * part, end = m < M_ ? K_ : 0;
      u8 *bytes = (u8 *)(to + 32 * part * ROW_CHUNKS);
      if (x_kind == STRIDED || m >= M_) gather_row(bytes, x + m * WIDE(8), depth, end, WIDE(9));
      else gather_patch(a, bytes, x, window_of(a, m), depth);
    }
  }
  to += tile * ROW_CHUNKS;
  if (w_kind == ROWS) {
    UNROLL
    for (i32 part = 0; part < tile / 32; part++) {
      const i32 n = n0 + first + 32 * part, real = n < N_ && depth < K_;
      copy_chunk(to + 32 * part * ROW_CHUNKS, real ? w + n * WIDE(10) + depth : w, real);
    }
  } else {
    ROLLED
    for (i32 part = 0; part < tile / 32; part++) {
      const i32 n = n0 + first + 32 * part, end = n < N_ ? K_ : 0;
      gather_row((u8 *)(to + 32 * part * ROW_CHUNKS), w + n * WIDE(10), depth, end, WIDE(11));
    }
  }
}

/* Multiply one slice into the sums of this warp, a quarter of the tile. */
DEVICE void multiply_slice(const uint4 *stage, i32 (*sums)[8][4], u32 turned_bits, i32 tile) {
  const i32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const i32 row = lane / 4, column = lane % 4;
  const uint4 *x = stage + (warp % 2 * (tile / 2) + row) * ROW_CHUNKS + column;
  const uint4 *w = stage + (tile + warp / 2 * (tile / 2) + row) * ROW_CHUNKS + column;
  uint4 xs[4][2];
  UNROLL
  for (i32 i = 0; i < tile / 16; i++) xs[i >> 1][i & 1] = x[i * 8 * ROW_CHUNKS];
  if (turned_bits) {
    UNROLL
    for (i32 i = 0; i < tile / 16; i++) {
      xs[i >> 1][i & 1].x ^= turned_bits;
      xs[i >> 1][i & 1].y ^= turned_bits;
      xs[i >> 1][i & 1].z ^= turned_bits;
      xs[i >> 1][i & 1].w ^= turned_bits;
    }
  }
  UNROLL
  for (i32 j = 0; j < tile / 16; j++) {
    const uint4 ws = w[j * 8 * ROW_CHUNKS];
    UNROLL
    for (i32 half = 0; half < 2; half++) {
      const u32 right[2] = {half ? ws.z : ws.x, half ? ws.w : ws.y};
      UNROLL
      for (i32 i = 0; i < tile / 32; i++) {
        const u32 left[4] = {half ? xs[i][0].z : xs[i][0].x, half ? xs[i][1].z : xs[i][1].x,
                             half ? xs[i][0].w : xs[i][0].y, half ? xs[i][1].w : xs[i][1].y};
        multiply_tile(sums[i][j], left, right);
      }
    }
  }
}

/* y = clamp(R(acc + bias)) */
DEVICE i32 finish(i32 sum, struct Scale scale, i32 low, i32 high) {
  const i64 value = rescale(add_wrapped(sum, scale.bias), scale.multiplier, scale.shift);
  return clamp_wide(value, low, high);
}

/* GEMM_DYNAMIC: the row's scale too; `exponent` is e and `row_scale` a << e. */
DEVICE i32 finish_dynamic(i32 sum, struct Scale scale, i32 row_scale, i32 exponent, i32 low,
                          i32 high) {
  const i64 t = ((i64)sum * row_scale + (1 << 14)) >> 15;
  const i64 value = rescale(t, scale.multiplier, scale.shift + exponent - 8);
  return clamp_wide((value + scale.bias + 128) >> 8, low, high);
}

/* Rescale and write a tile. Its sums go through shared memory, half the columns at a time, so
   that a thread writes 4 neighbours at once and the loop stays small. Rows of sums are 8 entries
   longer than they need be: then neither way through shared memory meets a bank twice. */
DEVICE void write_tile(const struct Arguments a, i32 (*sums)[8][4], i32 *room, i32 m0, i32 n0,
                       i64 first, i32 channel, i32 dynamic, i32 tile) {
  const struct Scale *scales = POINTER(const struct Scale, 2) + channel;
  u8 *y = POINTER(u8, 3);
  const i32 *rows = POINTER(const i32, 4);
  const i32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, width = tile / 2;
  const i32 type = INTEGER(3), low = INTEGER(4), high = INTEGER(5), length = width + 8;
  const i32 together = bytes_of(type) == 1 && (Y_STRIDE_ | channel) % 4 == 0;
  for (i32 half = 0; half < 2; half++) {
    BARRIER();
    if (warp / 2 == half) {
      UNROLL
      for (i32 i = 0; i < tile / 16; i++) {
        UNROLL
        for (i32 j = 0; j < tile / 16; j++) {
          i32 *to = room + (warp % 2 * width + i * 8 + lane / 4) * length + j * 8 + lane % 4 * 2;
          uint2 both;
          both.x = (u32)sums[i >> 1][j][(i & 1) * 2];
          both.y = (u32)sums[i >> 1][j][(i & 1) * 2 + 1];
          *(uint2 *)to = both;
        }
      }
    }
    BARRIER();
    const i32 quad = (i32)threadIdx.x % (width / 4) * 4, n = n0 + half * width + quad;
    const i32 count = minimum(4, N_ - n);
    if (count <= 0) continue;
    struct Scale own[4];
    UNROLL
    for (i32 k = 0; k < 4; k++) own[k] = scales[k < count ? n + k : n];
    for (i32 row = (i32)threadIdx.x / (width / 4); row < tile && m0 + row < M_;
         row += 128 / (width / 4)) {
      const i32 m = m0 + row;
      const uint4 four = *(const uint4 *)(room + row * length + quad);
      const i32 parts[4] = {(i32)four.x, (i32)four.y, (i32)four.z, (i32)four.w};
      i32 values[4], row_scale = 0, exponent = 0;
      if (dynamic) {
        exponent = __clz(rows[m]) - 17;
        row_scale = rows[m] << exponent;
      }
      UNROLL
      for (i32 k = 0; k < 4; k++)
        values[k] = dynamic ? finish_dynamic(parts[k], own[k], row_scale, exponent, low, high)
                            : finish(parts[k], own[k], low, high);
      const i64 at = first + (i64)m * Y_STRIDE_ + channel + n;
      if (together && count == 4) {
        *(u32 *)(y + at) = (u32)(values[0] & 255) | (u32)(values[1] & 255) << 8 |
                           (u32)(values[2] & 255) << 16 | (u32)(values[3] & 255) << 24;
      } else {
        UNROLL
        for (i32 k = 0; k < 4; k++)
          if (k < count) store_value(y, at + k, type, values[k]);
      }
    }
  }
}

/* pointers: x, w, scales, y, rows (GEMM_DYNAMIC: a), offsets of x and w in the batch (or 0) */
DEVICE void product(const struct Arguments a, uint4 *stages, i32 x_kind, i32 w_kind, i32 dynamic,
                    i32 tile) {
  const i8 *x = POINTER(const i8, 0);
  const i8 *w = POINTER(const i8, 1);
  /* Tiles in columns of 8, so that the operands of blocks that run together stay in cache. */
  const u32 tiles_m = (u32)INTEGER(6), tiles_n = (u32)INTEGER(7);
  const u32 batch = blockIdx.x / (tiles_m * tiles_n);
  const u32 place = blockIdx.x % (tiles_m * tiles_n);
  const u32 band = place / (8 * tiles_n), band_rows = (u32)minimum(8, (i32)(tiles_m - band * 8));
  const i32 m0 = (i32)(band * 8 + place % (8 * tiles_n) % band_rows) * tile;
  const i32 n0 = (i32)(place % (8 * tiles_n) / band_rows) * tile;
  i64 first = 0;
  i32 channel = 0;
  if (x_kind >= PATCHES) { /* one group of a convolution */
    channel = (i32)batch * N_;
    x += batch * (u32)DEPTH_;
    w += (i64)channel * WIDE(10);
  } else if (a.pointers[5]) { /* one matrix of many */
    x += POINTER(const i64, 5)[batch];
    w += POINTER(const i64, 6)[batch];
    first = (i64)batch * M_ * Y_STRIDE_;
  }
  struct Window windows[4];
  if (x_kind == PATCHES || x_kind == HALVES) {
    UNROLL
    for (i32 part = 0; part < tile / 32; part++)
      windows[part] = window_of(a, m0 + (i32)threadIdx.x / ROW_CHUNKS + 32 * part);
  }
  i32 sums[4][8][4];
  UNROLL
  for (i32 i = 0; i < 128; i++) sums[i / 32][i / 4 % 8][i % 4] = 0;
  const i32 slices = (K_ + SLICE - 1) / SLICE, chunks = STAGE_CHUNKS(tile);
  for (i32 slice = 0; slice < STAGES - 1; slice++) {
    if (slice < slices)
      load_slice(a, x, w, windows, m0, n0, slice, stages + slice * chunks, x_kind, w_kind, tile);
    end_slice();
  }
  for (i32 slice = 0; slice < slices; slice++) {
    await_slice();
    BARRIER();
    const i32 ahead = slice + STAGES - 1;
    if (ahead < slices)
      load_slice(a, x, w, windows, m0, n0, ahead, stages + ahead % STAGES * chunks, x_kind, w_kind,
                 tile);
    end_slice();
    multiply_slice(stages + slice % STAGES * chunks, sums, TURNED_, tile);
  }
  TILES_READY();
  write_tile(a, sums, (i32 *)stages, m0, n0, first, channel, dynamic, tile);
}

#define PRODUCT(name, x_kind, w_kind, dynamic, tile)     \
  KERNEL(name, 128) {                                    \
    SHARED(uint4, stages, STAGES * STAGE_CHUNKS(tile));  \
    product(a, stages, x_kind, w_kind, dynamic, tile);   \
  }

PRODUCT(product_rows_128, ROWS, ROWS, 0, 128)
PRODUCT(product_dynamic_rows_128, ROWS, ROWS, 1, 128)
PRODUCT(product_patches_128, PATCHES, ROWS, 0, 128)
PRODUCT(product_rows_64, ROWS, ROWS, 0, 64)
PRODUCT(product_dynamic_rows_64, ROWS, ROWS, 1, 64)
PRODUCT(product_patches_64, PATCHES, ROWS, 0, 64)
/* Odd shapes wait for their bytes, not for the tensor cores: small tiles only. */
PRODUCT(product_strided_64, STRIDED, STRIDED, 0, 64)
PRODUCT(product_dynamic_strided_64, STRIDED, STRIDED, 1, 64)
PRODUCT(product_halves_64, HALVES, ROWS, 0, 64)
PRODUCT(product_pixels_64, PIXELS, ROWS, 0, 64)
