/* Products without tensor cores: few rows, depthwise and grouped convolutions by 4-way dot
   products; any other dtype one multiplication at a time. */

#define CHUNK_DEPTH 4096

/* x of a few rows, 4096 elements at a time, zeros behind the end; some bits turned (see
   tensorcore.cuh). */
DEVICE void stage_rows(uint4 *room, const i8 *x, i32 row0, i32 rows, i32 all, i32 depth0,
                       i32 depth, i32 padded, u32 turned_bits) {
  const i32 limit = minimum(CHUNK_DEPTH, padded - depth0);
  for (i32 row = 0; row < rows; row++) {
    const i32 end = row0 + row < all ? depth : 0;
    const i8 *from = x + (i64)(row0 + row) * depth;
    if (depth % 16 == 0) {
      const uint4 zero = {0, 0, 0, 0};
      for (i32 at = threadIdx.x; at < limit / 16; at += 128) {
        const i32 k = depth0 + at * 16;
        uint4 chunk = k < end ? *(const uint4 *)(from + k) : zero;
        chunk.x ^= turned_bits;
        chunk.y ^= turned_bits;
        chunk.z ^= turned_bits;
        chunk.w ^= turned_bits;
        room[row * (CHUNK_DEPTH / 16) + at] = chunk;
      }
    } else {
      i8 *bytes = (i8 *)(room + row * (CHUNK_DEPTH / 16));
      for (i32 at = threadIdx.x; at < limit; at += 128)
        bytes[at] = (i8)((depth0 + at < end ? from[depth0 + at] : 0) ^ (i32)(turned_bits & 128));
    }
  }
}

/* One warp for each column, `rows` rows at a time; w has rows of a multiple of 64 bytes.
   pointers: x, w, scales, y, rows (dynamic); integers: M, N, K, dtype of y, low, high,
   row stride of w, groups of rows, bits of x to turn */
DEVICE void narrow_product(const struct Arguments a, i32 rows, i32 dynamic) {
  SHARED(uint4, room, 4 * CHUNK_DEPTH / 16);
  const i8 *w = POINTER(const i8, 1);
  const i32 lane = threadIdx.x % 32, all = INTEGER(0), columns = INTEGER(1), depth = INTEGER(2);
  const i32 row0 = (i32)(blockIdx.x % (u32)INTEGER(7)) * rows;
  const i32 n = (i32)(blockIdx.x / (u32)INTEGER(7)) * 4 + threadIdx.x / 32;
  const uint4 *filter = (const uint4 *)(w + (n < columns ? n : 0) * WIDE(6));
  i32 sums[4] = {0, 0, 0, 0};
  for (i32 depth0 = 0; depth0 < depth; depth0 += CHUNK_DEPTH) {
    BARRIER();
    stage_rows(room, POINTER(const i8, 0), row0, rows, all, depth0, depth,
               INTEGER(6), (u32)INTEGER(8));
    BARRIER();
    const i32 chunks = minimum(CHUNK_DEPTH, INTEGER(6) - depth0) / 16;
    UNROLL_4
    for (i32 at = lane; at < chunks; at += 32) {
      const uint4 weights = filter[depth0 / 16 + at];
      UNROLL
      for (i32 row = 0; row < rows; row++)
        sums[row] = dot16(room[row * (CHUNK_DEPTH / 16) + at], weights, sums[row]);
    }
  }
  UNROLL
  for (i32 row = 0; row < rows; row++) {
    const i32 sum = warp_sum(sums[row]), m = row0 + row;
    if (lane || n >= columns || m >= all) continue;
    const struct Scale scale = POINTER(const struct Scale, 2)[n];
    i32 value;
    if (dynamic) {
      const i32 a_row = POINTER(const i32, 4)[m], exponent = __clz(a_row) - 17;
      value = finish_dynamic(sum, scale, a_row << exponent, exponent, INTEGER(4), INTEGER(5));
    } else {
      value = finish(sum, scale, INTEGER(4), INTEGER(5));
    }
    store_value(POINTER(void, 3), (i64)m * columns + n, INTEGER(3), value);
  }
}

KERNEL(narrow_one, 128) { narrow_product(a, 1, 0); }
KERNEL(narrow_four, 128) { narrow_product(a, 4, 0); }
KERNEL(narrow_dynamic_one, 128) { narrow_product(a, 1, 1); }
KERNEL(narrow_dynamic_four, 128) { narrow_product(a, 4, 1); }

/* Any dtypes, one result for each thread.
   pointers: x, w, scales, y, 0, offsets of x and w in the batch (or 0); integers: M, N, K, dtype
   of y, low, high, x dtype, w dtype, x row and depth stride, w row and depth stride, batch */
KERNEL(product_any, 256) {
  const i64 at = ELEMENT();
  const i32 columns = INTEGER(1), depth = INTEGER(2);
  const i64 matrix = (i64)INTEGER(0) * columns;
  if (at >= matrix * INTEGER(12)) return;
  const i32 n = (i32)(at % columns);
  i64 p = at % matrix / columns * WIDE(8), q = n * WIDE(10);
  if (a.pointers[5]) {
    p += POINTER(const i64, 5)[at / matrix];
    q += POINTER(const i64, 6)[at / matrix];
  }
  i32 sum = 0;
  for (i32 k = 0; k < depth; k++, p += WIDE(9), q += WIDE(11))
    sum = add_wrapped(sum, multiply_wrapped(load_value(POINTER(const void, 0), p, INTEGER(6)),
                                            load_value(POINTER(const void, 1), q, INTEGER(7))));
  const struct Scale scale = POINTER(const struct Scale, 2)[n];
  store_value(POINTER(void, 3), at, INTEGER(3), finish(sum, scale, INTEGER(4), INTEGER(5)));
}

/* Shared by the three below. integers: elements of y, dtype of y, low, high, x dtype, w dtype,
   height, width, channels, channels of a group, filters, filters of a group, kernel height and
   width, strides, dilations, padding top and left, output height and width, words of a tap, bits of x to turn */
struct Place {
  i64 image;
  i32 top;
  i32 left;
  i32 filter;
};

DEVICE struct Place place_of(const struct Arguments a, u32 pixel, i32 filter) {
  const u32 row = pixel / (u32)INTEGER(21);
  struct Place place;
  place.image = (i64)(row / (u32)INTEGER(20)) * INTEGER(6);
  place.top = (i32)(row % (u32)INTEGER(20)) * INTEGER(14) - INTEGER(18);
  place.left = (i32)(pixel % (u32)INTEGER(21)) * INTEGER(15) - INTEGER(19);
  place.filter = filter;
  return place;
}

/* First element of a tap's pixel, or -1 in the padding. */
DEVICE i64 tap_of(const struct Arguments a, struct Place place, i32 p, i32 q) {
  const i32 row = place.top + p * INTEGER(16), column = place.left + q * INTEGER(17);
  if (!inside(row, INTEGER(6)) || !inside(column, INTEGER(7))) return -1;
  return ((place.image + row) * INTEGER(7) + column) * INTEGER(8);
}

/* pointers: x, w (O, KH, KW, C / groups), scales, y */
KERNEL(convolve_any, 256) {
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const u32 filters = (u32)INTEGER(10);
  const struct Place place = place_of(a, (u32)((u64)at / filters), (i32)((u64)at % filters));
  const i32 depth = INTEGER(9), shift = place.filter / INTEGER(11) * depth;
  i64 weight = (i64)place.filter * INTEGER(12) * INTEGER(13) * depth;
  i32 sum = 0;
  for (i32 p = 0; p < INTEGER(12); p++) {
    for (i32 q = 0; q < INTEGER(13); q++, weight += depth) {
      const i64 tap = tap_of(a, place, p, q);
      if (tap < 0) continue;
      for (i32 k = 0; k < depth; k++) {
        const i32 element = load_value(POINTER(const void, 0), tap + shift + k, INTEGER(4));
        const i32 factor = load_value(POINTER(const void, 1), weight + k, INTEGER(5));
        sum = add_wrapped(sum, multiply_wrapped(element, factor));
      }
    }
  }
  const struct Scale scale = POINTER(const struct Scale, 2)[place.filter];
  store_value(POINTER(void, 3), at, INTEGER(1), finish(sum, scale, INTEGER(2), INTEGER(3)));
}

/* 4 elements that need not be aligned, zeros behind `count`. */
DEVICE u32 word_of(const i8 *from, i32 count) {
  u32 word = (u8)from[0];
  if (count > 1) word |= (u32)(u8)from[1] << 8;
  if (count > 2) word |= (u32)(u8)from[2] << 16;
  if (count > 3) word |= (u32)(u8)from[3] << 24;
  return word;
}

/* i8 and u8 in groups: pointers: x, w in words (O, KH, KW, words of a tap), scales, y */
KERNEL(convolve_grouped, 256) {
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const i8 *x = POINTER(const i8, 0);
  const u32 filters = (u32)INTEGER(10);
  const struct Place place = place_of(a, (u32)((u64)at / filters), (i32)((u64)at % filters));
  const i32 depth = INTEGER(9), words = INTEGER(22);
  const i32 shift = place.filter / INTEGER(11) * depth, aligned = depth % 4 == 0;
  const u32 *w = POINTER(const u32, 1) + (i64)place.filter * INTEGER(12) * INTEGER(13) * words;
  i32 sum = 0;
  for (i32 p = 0; p < INTEGER(12); p++) {
    for (i32 q = 0; q < INTEGER(13); q++, w += words) {
      const i64 tap = tap_of(a, place, p, q);
      const i8 *from = x + tap + shift;
      for (i32 k = 0; k < words; k++) {
        u32 word = 0; /* in the padding */
        if (tap >= 0)
          word = aligned ? *(const u32 *)(from + 4 * k) : word_of(from + 4 * k, depth - 4 * k);
        sum = dot4(word ^ (u32)INTEGER(23), w[k], sum);
      }
    }
  }
  const struct Scale scale = POINTER(const struct Scale, 2)[place.filter];
  store_value(POINTER(void, 3), at, INTEGER(1), finish(sum, scale, INTEGER(2), INTEGER(3)));
}

/* i8 and u8, one filter for each channel, channels a multiple of 4: a thread makes 4 neighbouring
   channels of a pixel. 4 taps of 4 channels are transposed in registers, then each channel
   takes one dot product. pointers: x, w (taps / 4, C) of 4 taps each, scales, y */
KERNEL(convolve_depthwise, 256) {
  const i64 at = ELEMENT();
  if (at * 4 >= WIDE(0)) return;
  const i8 *x = POINTER(const i8, 0);
  const u32 quads = (u32)INTEGER(8) / 4;
  const struct Place place = place_of(a, (u32)((u64)at / quads), (i32)((u64)at % quads) * 4);
  const i32 taps = INTEGER(12) * INTEGER(13);
  const uint4 *w = POINTER(const uint4, 1) + place.filter / 4;
  i32 sums[4] = {0, 0, 0, 0};
  for (i32 first = 0; first < taps; first += 4, w += quads) {
    u32 words[4];
    UNROLL
    for (i32 j = 0; j < 4; j++) {
      const i32 tap = first + j;
      const i64 from = tap < taps ? tap_of(a, place, tap / INTEGER(13), tap % INTEGER(13)) : -1;
      words[j] = (from < 0 ? 0 : *(const u32 *)(x + from + place.filter)) ^ (u32)INTEGER(23);
    }
    const u32 low01 = __byte_perm(words[0], words[1], 0x5140);
    const u32 low23 = __byte_perm(words[2], words[3], 0x5140);
    const u32 high01 = __byte_perm(words[0], words[1], 0x7362);
    const u32 high23 = __byte_perm(words[2], words[3], 0x7362);
    const uint4 weights = *w;
    sums[0] = dot4(__byte_perm(low01, low23, 0x5410), weights.x, sums[0]);
    sums[1] = dot4(__byte_perm(low01, low23, 0x7632), weights.y, sums[1]);
    sums[2] = dot4(__byte_perm(high01, high23, 0x5410), weights.z, sums[2]);
    sums[3] = dot4(__byte_perm(high01, high23, 0x7632), weights.w, sums[3]);
  }
  UNROLL
  for (i32 j = 0; j < 4; j++) {
    const struct Scale scale = POINTER(const struct Scale, 2)[place.filter + j];
    store_value(POINTER(void, 3), at * 4 + j, INTEGER(1),
                finish(sums[j], scale, INTEGER(2), INTEGER(3)));
  }
}

/* CONV_TRANSPOSE2D, turned round: a result gathers the elements of x whose windows hold it.
   pointers: x, w in words (i8) or as it is, scales, y; integers as the others; words of a tap is
   0 where w is as it is */
KERNEL(convolve_transposed, 256) {
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const u32 filters = (u32)INTEGER(10), pixel = (u32)((u64)at / filters);
  const i32 filter = (i32)((u64)at % filters), depth = INTEGER(9), words = INTEGER(22);
  const i32 shift = filter / INTEGER(11) * depth, aligned = depth % 4 == 0;
  const u32 line = pixel / (u32)INTEGER(21);
  const i64 image = (i64)(line / (u32)INTEGER(20)) * INTEGER(6);
  const i32 top = (i32)(line % (u32)INTEGER(20)) + INTEGER(18);
  const i32 left = (i32)(pixel % (u32)INTEGER(21)) + INTEGER(19);
  i32 sum = 0;
  for (i32 tap = 0; tap < INTEGER(12) * INTEGER(13); tap++) {
    const i32 row = top - tap / INTEGER(13) * INTEGER(16);
    const i32 column = left - tap % INTEGER(13) * INTEGER(17);
    if (row < 0 || column < 0 || row % INTEGER(14) || column % INTEGER(15)) continue;
    const i32 i = row / INTEGER(14), j = column / INTEGER(15);
    if (!inside(i, INTEGER(6)) || !inside(j, INTEGER(7))) continue;
    const i64 from = ((image + i) * INTEGER(7) + j) * INTEGER(8) + shift;
    const i64 weight = (i64)filter * INTEGER(12) * INTEGER(13) + tap;
    if (words) {
      const i8 *x = POINTER(const i8, 0) + from;
      const u32 *w = POINTER(const u32, 1) + weight * words;
      for (i32 k = 0; k < words; k++) {
        const u32 word = aligned ? *(const u32 *)(x + 4 * k) : word_of(x + 4 * k, depth - 4 * k);
        sum = dot4(word, w[k], sum);
      }
    } else {
      for (i32 k = 0; k < depth; k++)
        sum = add_wrapped(
            sum, multiply_wrapped(load_value(POINTER(const void, 0), from + k, INTEGER(4)),
                                  load_value(POINTER(const void, 1), weight * depth + k, INTEGER(5))));
    }
  }
  const struct Scale scale = POINTER(const struct Scale, 2)[filter];
  store_value(POINTER(void, 3), at, INTEGER(1), finish(sum, scale, INTEGER(2), INTEGER(3)));
}
