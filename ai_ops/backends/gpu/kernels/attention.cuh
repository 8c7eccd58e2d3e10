/* ATTENTION: one block of 128 threads for each query of each head. Scores are kept while they fit
   and computed again where they do not; weights are made 128 keys at a time. */

#define KEPT_SCORES 4096
#define QUERY_THREADS 128

/* q . k over `depth` bytes; both aligned to words where depth is a multiple of 4. */
DEVICE i32 dot_bytes(const i8 *p, const i8 *q, i32 depth) {
  i32 sum = 0;
  if (depth % 4 == 0) {
    UNROLL_4
    for (i32 j = 0; j < depth; j += 4)
      sum = dot4(*(const u32 *)(p + j), *(const u32 *)(q + j), sum);
  } else {
    for (i32 j = 0; j < depth; j++) sum += p[j] * q[j];
  }
  return sum;
}

/* pointers: q, k, v, length (or 0), exponential u16[256], scales, y; integers: queries, keys,
   heads, heads of keys, depth, causal, weight of the largest, multiplier, shift, y dtype, low,
   high, channels of the scales */
KERNEL(attend, 128) {
  SHARED(i32, kept, KEPT_SCORES);
  SHARED(i32, weights, QUERY_THREADS);
  SHARED(i32, rounds, QUERY_THREADS);
  const i32 queries = INTEGER(0), keys = INTEGER(1), heads = INTEGER(2), shared = INTEGER(3);
  const i32 depth = INTEGER(4), thread = threadIdx.x;
  const u16 *exponential = POINTER(const u16, 4);
  const i32 head = (i32)(blockIdx.x % (u32)heads), row = (i32)(blockIdx.x / (u32)heads);
  const i32 query = row % queries, batch = row / queries;
  const i64 stride = (i64)shared * depth, offset = (i64)(head / (heads / shared)) * depth;
  const i8 *q = POINTER(const i8, 0) + ((i64)row * heads + head) * depth;
  const i8 *k = POINTER(const i8, 1) + (i64)batch * keys * stride + offset;
  const i8 *v = POINTER(const i8, 2) + (i64)batch * keys * stride + offset;
  i32 valid = keys;
  if (a.pointers[3]) valid = minimum(maximum(*POINTER(const i32, 3), 0), keys);
  const i32 seen = INTEGER(5) ? minimum(valid, query + valid - queries + 1) : valid;
  i32 largest = -SCORE_LIMIT;
  for (i32 j = thread; j < seen; j += QUERY_THREADS) {
    const i32 t = score_of(dot_bytes(q, k + j * stride, depth), WIDE(7), INTEGER(8));
    if (j < KEPT_SCORES) kept[j] = t;
    largest = maximum(largest, t);
  }
  rounds[thread] = largest;
  for (i32 step = QUERY_THREADS / 2; step > 0; step /= 2) {
    BARRIER();
    if (thread < step) rounds[thread] = maximum(rounds[thread], rounds[thread + step]);
  }
  BARRIER();
  largest = rounds[0];
  for (i32 first = 0; first < depth; first += QUERY_THREADS) {
    const i32 column = first + thread;
    i64 sum = 0, total = 0;
    for (i32 start = 0; start < seen; start += QUERY_THREADS) {
      const i32 mine = start + thread, count = minimum(QUERY_THREADS, seen - start);
      i32 p = 0;
      if (mine < seen) {
        const i32 t = mine < KEPT_SCORES
                          ? kept[mine]
                          : score_of(dot_bytes(q, k + mine * stride, depth), WIDE(7), INTEGER(8));
        const i32 z = weight_of(exponential, (u32)largest - (u32)t);
        p = (INTEGER(6) * z + (1 << 14)) >> 15;
      }
      BARRIER(); /* the weights of the round before are used up */
      weights[thread] = p;
      BARRIER();
      i32 part = 0, whole = 0; /* 128 weights below 2^12 times 128: below 2^26 */
      for (i32 j = 0; j < count; j++) {
        whole += weights[j];
        if (column < depth) part += weights[j] * v[(start + j) * stride + column];
      }
      sum += part;
      total += whole;
    }
    if (column < depth) {
      const i64 at = ((i64)row * heads + head) * depth + column;
      const i32 mean = (i32)divide(sum * 256, total < 1 ? 1 : total);
      const struct Scale scale =
          POINTER(const struct Scale, 5)[INTEGER(12) == 1 ? 0 : head * depth + column];
      store_value(POINTER(void, 6), at, INTEGER(9),
                  clamp_wide(rescale(mean, scale.multiplier, scale.shift), INTEGER(10),
                             INTEGER(11)));
    }
  }
}

/* ROPE, one thread for each element. pointers: x, cosines, sines, offset (or 0), y; integers:
   elements, dtype, rows, elements of a row, pairs of a head, positions, neighbours are pairs */
KERNEL(turn_pairs, 256) {
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const i32 type = INTEGER(1), pairs = INTEGER(4), neighbours = INTEGER(6);
  const i32 row = (i32)((u64)at / (u32)INTEGER(3) % (u32)INTEGER(2));
  const i32 place = (i32)((u64)at % (u32)INTEGER(3)) % (2 * pairs);
  const i32 second = neighbours ? place % 2 : place >= pairs;
  const i32 pair = neighbours ? place / 2 : place - second * pairs;
  i64 position = row;
  if (a.pointers[3]) position += *POINTER(const i32, 3);
  const i64 entry = (i64)clamp_wide(position, 0, INTEGER(5) - 1) * pairs + pair;
  const i64 c = POINTER(const i16, 1)[entry], s = POINTER(const i16, 2)[entry];
  const i32 step = neighbours ? 1 : pairs;
  const i64 own = load_value(POINTER(const void, 0), at, type);
  const i64 other = load_value(POINTER(const void, 0), second ? at - step : at + step, type);
  const i64 value = second ? other * s + own * c : own * c - other * s;
  const i32 limit = type == I8 ? 127 : 32767;
  store_value(POINTER(void, 4), at, type, clamp_wide((value + (1 << 14)) >> 15, -limit - 1, limit));
}
