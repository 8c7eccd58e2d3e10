/* Operators that look at a whole row or axis: one block of 256 threads each. */

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
