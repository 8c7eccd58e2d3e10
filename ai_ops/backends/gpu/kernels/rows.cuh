/* Operators that look at a whole row or axis: one block each, of 32 to 256 threads, a power of
   two. */

#define THREADS 256

/* Lowest index among the largest elements. pointers: x, y; integers: results, dtype, size of
   the axis, elements behind it */
KERNEL(argmax_axis, 256) {
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const i64 inner = WIDE(3), size = WIDE(2);
  const i64 first = at / inner * size * inner + at % inner;
  i32 best = load_value(POINTER(const void, 0), first, INTEGER(1)), index = 0;
  for (i32 j = 1; j < size; j++) {
    const i32 value = load_value(POINTER(const void, 0), first + j * inner, INTEGER(1));
    if (value > best) {
      best = value;
      index = j;
    }
  }
  POINTER(i32, 1)[at] = index;
}

/* The same along the last axis when it is long: one block for each row. */
KERNEL(argmax_rows, 256) {
  SHARED(i32, values, THREADS);
  SHARED(i32, indexes, THREADS);
  const i32 size = INTEGER(2), thread = threadIdx.x;
  const i64 first = (i64)blockIdx.x * size;
  i32 best = (i32)0x80000000, index = 0x7fffffff;
  for (i32 j = thread; j < size; j += THREADS) {
    const i32 value = load_value(POINTER(const void, 0), first + j, INTEGER(1));
    if (value > best || index == 0x7fffffff) {
      best = value;
      index = j;
    }
  }
  values[thread] = best;
  indexes[thread] = index;
  for (i32 step = THREADS / 2; step > 0; step /= 2) {
    BARRIER();
    if (thread < step) {
      const i32 other = values[thread + step], place = indexes[thread + step];
      if (other > values[thread] || (other == values[thread] && place < indexes[thread])) {
        values[thread] = other;
        indexes[thread] = place;
      }
    }
  }
  if (thread == 0) POINTER(i32, 1)[blockIdx.x] = indexes[0];
}

/* Sum over a block's threads; every thread gets it. `room` holds an entry for each. */
DEVICE i64 block_sum(i64 value, i64 *room) {
  const i32 thread = threadIdx.x;
  BARRIER();
  room[thread] = value;
  for (i32 step = (i32)blockDim.x / 2; step > 0; step /= 2) {
    BARRIER();
    if (thread < step) room[thread] += room[thread + step];
  }
  BARRIER();
  return room[0];
}

DEVICE i64 block_maximum(i64 value, i64 *room) {
  const i32 thread = threadIdx.x;
  BARRIER();
  room[thread] = value;
  for (i32 step = (i32)blockDim.x / 2; step > 0; step /= 2) {
    BARRIER();
    if (thread < step && room[thread + step] > room[thread]) room[thread] = room[thread + step];
  }
  BARRIER();
  return room[0];
}

/* Largest r with r * r <= v, for 0 <= v < 2^62. */
DEVICE i64 integer_root(i64 v) {
  i64 root = 0;
  ROLLED
  for (i32 bit = 30; bit >= 0; bit--) {
    const i64 candidate = root | (i64)1 << bit;
    if (candidate * candidate <= v) root = candidate;
  }
  return root;
}

/* LAYER_NORM and RMS_NORM. pointers: x, gamma i32, beta i64 (or 0), y; integers: size of a row,
   x dtype, y dtype, low, high, shift, epsilon, centre on the mean, size of gamma */
KERNEL(normalize_rows, 256) {
  SHARED(i64, room, THREADS);
  const void *x = POINTER(const void, 0);
  const i32 *gamma = POINTER(const i32, 1);
  const i64 *beta = POINTER(const i64, 2);
  const i32 size = INTEGER(0), type = INTEGER(1), shift = INTEGER(5), scales = INTEGER(8);
  const i64 first = (i64)blockIdx.x * size;
  i64 sum = 0, mean = 0;
  if (INTEGER(7)) {
    for (i32 j = threadIdx.x; j < size; j += (i32)blockDim.x) sum += load_value(x, first + j, type);
    mean = divide(block_sum(sum, room), size);
  }
  sum = 0;
  for (i32 j = threadIdx.x; j < size; j += (i32)blockDim.x) {
    const i64 d = load_value(x, first + j, type) - mean;
    sum += d * d;
  }
  sum = block_sum(sum, room);
  i64 deviation = integer_root(((sum << 4) / size << 8) + WIDE(6));
  if (deviation < 1) deviation = 1;
  for (i32 j = threadIdx.x; j < size; j += (i32)blockDim.x) {
    const i64 d = load_value(x, first + j, type) - mean;
    const i64 n = divide(d * (1 << 18), deviation);
    const i64 value = n * gamma[scales == 1 ? 0 : j] + (a.pointers[2] ? beta[j] : 0);
    store_value(POINTER(void, 3), first + j, INTEGER(2),
                clamp_wide((value + ((i64)1 << (shift - 1))) >> shift, INTEGER(3), INTEGER(4)));
  }
}

/* pointers: x, q, a; integers: size of a row, x dtype */
KERNEL(quantize_rows, 256) {
  SHARED(i64, room, THREADS);
  const void *x = POINTER(const void, 0);
  const i32 size = INTEGER(0), type = INTEGER(1);
  const i64 first = (i64)blockIdx.x * size;
  i64 largest = 1;
  for (i32 j = threadIdx.x; j < size; j += (i32)blockDim.x) {
    const i32 value = load_value(x, first + j, type), magnitude = value < 0 ? -value : value;
    if (magnitude > largest) largest = magnitude;
  }
  largest = block_maximum(largest, room);
  const i32 d = (i32)largest;
  for (i32 j = threadIdx.x; j < size; j += (i32)blockDim.x) {
    const i32 n = 2 * 127 * load_value(x, first + j, type) + d; /* below 2^24 in size */
    POINTER(i8, 1)[first + j] = (i8)(n / (2 * d) - (n % (2 * d) < 0));
  }
  if (threadIdx.x == 0) POINTER(i32, 2)[blockIdx.x] = d;
}

#define SCORE_LIMIT (1 << 30)

DEVICE i32 score_of(i32 value, i64 multiplier, i32 shift) {
  return clamp_wide(rescale(value, multiplier, shift), -SCORE_LIMIT, SCORE_LIMIT);
}

/* 2^(-below / 256) in 1/32768 */
DEVICE i32 weight_of(const u16 *exponential, u32 below) {
  return exponential[below & 255] >> minimum((i32)(below >> 8), 31);
}

/* pointers: x, exponential u16[256], y; integers: size of a row, x dtype, y dtype, multiplier,
   shift, one */
KERNEL(softmax_rows, 256) {
  SHARED(i64, room, THREADS);
  const void *x = POINTER(const void, 0);
  const u16 *exponential = POINTER(const u16, 1);
  const i32 size = INTEGER(0), type = INTEGER(1), shift = INTEGER(4);
  const i64 first = (i64)blockIdx.x * size;
  i64 largest = -SCORE_LIMIT, sum = 0;
  for (i32 j = threadIdx.x; j < size; j += (i32)blockDim.x) {
    const i32 t = score_of(load_value(x, first + j, type), WIDE(3), shift);
    if (t > largest) largest = t;
  }
  largest = block_maximum(largest, room);
  for (i32 j = threadIdx.x; j < size; j += (i32)blockDim.x) {
    const i32 t = score_of(load_value(x, first + j, type), WIDE(3), shift);
    sum += weight_of(exponential, (u32)(largest - t));
  }
  sum = block_sum(sum, room);
  for (i32 j = threadIdx.x; j < size; j += (i32)blockDim.x) {
    const i32 t = score_of(load_value(x, first + j, type), WIDE(3), shift);
    const i64 z = weight_of(exponential, (u32)(largest - t));
    store_value(POINTER(void, 2), first + j, INTEGER(2), (i32)divide(z * WIDE(5), sum));
  }
}

#define REDUCE_SUM 0
#define REDUCE_MEAN 1
#define REDUCE_MAX 2
#define REDUCE_MIN 3

/* Any axes, one block for each result. pointers: x, scales, y; integers: elements reduced, x and
   y dtype, operation, low, high, channels, rank kept, rank reduced; then RANK entries each: sizes
   kept, their strides, sizes reduced, their strides */
KERNEL(reduce_axes, 256) {
  SHARED(i64, room, THREADS);
  const i32 count = INTEGER(0), type = INTEGER(1), operation = INTEGER(3);
  i64 first = 0;
  u32 rest = blockIdx.x;
  for (i32 d = INTEGER(7) - 1; d >= 0; d--) {
    first += (i64)(rest % (u32)INTEGER(9 + d)) * a.integers[9 + RANK + d];
    rest /= (u32)INTEGER(9 + d);
  }
  i64 sum = 0, largest = -((i64)1 << 40);
  for (i32 j = threadIdx.x; j < count; j += (i32)blockDim.x) {
    i64 at = first;
    rest = (u32)j;
    for (i32 d = INTEGER(8) - 1; d >= 0; d--) {
      at += (i64)(rest % (u32)INTEGER(9 + 2 * RANK + d)) * a.integers[9 + 3 * RANK + d];
      rest /= (u32)INTEGER(9 + 2 * RANK + d);
    }
    const i64 value = load_value(POINTER(const void, 0), at, type);
    const i64 signed_value = operation == REDUCE_MIN ? -value : value;
    sum += value;
    if (signed_value > largest) largest = signed_value;
  }
  i64 result;
  if (operation >= REDUCE_MAX) {
    result = block_maximum(largest, room);
    if (operation == REDUCE_MIN) result = -result;
  } else {
    result = block_sum(sum, room);
    if (operation == REDUCE_MEAN) {
      result = divide(result, count);
    } else {
      const struct Scale scale = POINTER(const struct Scale, 1)[blockIdx.x % (u32)INTEGER(6)];
      const i32 total = clamp_wide(result, (i32)0x80000000, 0x7fffffff);
      result = clamp_wide(rescale(total, scale.multiplier, scale.shift), INTEGER(4), INTEGER(5));
    }
  }
  if (threadIdx.x == 0) store_value(POINTER(void, 2), blockIdx.x, INTEGER(2), (i32)result);
}

/* The next element in order (value descending, index ascending) k times over, one block for each
   row. An element's rank is one number: its value, then its index from behind.
   pointers: x, values, indexes; integers: size of a row, dtype, k */
KERNEL(top_rows, 256) {
  SHARED(i64, room, THREADS);
  const i32 size = INTEGER(0), type = INTEGER(1), k = INTEGER(2);
  const i64 first = (i64)blockIdx.x * size;
  i64 last = 0x7fffffffffffffffLL;
  for (i32 place = 0; place < k; place++) {
    i64 best = -0x7fffffffffffffffLL;
    for (i32 j = threadIdx.x; j < size; j += (i32)blockDim.x) {
      const i64 rank = (i64)load_value(POINTER(const void, 0), first + j, type) *
                           ((i64)1 << 31) + (0x7fffffff - j);
      if (rank < last && rank > best) best = rank;
    }
    last = block_maximum(best, room);
    if (threadIdx.x == 0) {
      const i64 at = (i64)blockIdx.x * k + place;
      store_value(POINTER(void, 1), at, type, (i32)(last >> 31));
      POINTER(i32, 2)[at] = 0x7fffffff - (i32)(last & 0x7fffffff);
    }
  }
}
