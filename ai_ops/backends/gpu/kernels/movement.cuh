/* Operators that only move elements. Element size is an argument. */

DEVICE void move_element(void *to, i64 at, const void *from, i64 source, i32 bytes) {
  if (bytes == 1) ((u8 *)to)[at] = ((const u8 *)from)[source];
  else if (bytes == 2) ((i16 *)to)[at] = ((const i16 *)from)[source];
  else ((i32 *)to)[at] = ((const i32 *)from)[source];
}

/* y[start + sum index * y stride] = x[start + sum (index / repeat) % size * stride]: TRANSPOSE,
   CONCAT, SLICE, PAD's inside, TILE, REPEAT, UPSAMPLE.
   pointers: x, y; integers: elements, bytes of one, rank, x start, y start; then RANK entries
   each: sizes of the index, x strides, y strides, repeats, sizes of x */
KERNEL(move_elements, 256) {
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  u32 rest = (u32)at;
  i64 source = WIDE(3), target = WIDE(4);
  for (i32 d = INTEGER(2) - 1; d >= 0; d--) {
    const u32 size = (u32)INTEGER(5 + d), index = rest % size;
    rest /= size;
    source += (i64)(index / (u32)INTEGER(5 + 3 * RANK + d) % (u32)INTEGER(5 + 4 * RANK + d)) *
              a.integers[5 + RANK + d];
    target += (i64)index * a.integers[5 + 2 * RANK + d];
  }
  move_element(POINTER(void, 1), target, POINTER(const void, 0), source, INTEGER(1));
}

/* pointers: y; integers: elements, dtype, value */
KERNEL(fill_elements, 256) {
  const i64 at = ELEMENT();
  if (at < WIDE(0)) store_value(POINTER(void, 0), at, INTEGER(1), INTEGER(2));
}

/* y[b, j, i] = data[b, clamp(indexes[j]), i]. pointers: data, indexes, y; integers: elements,
   bytes of one, indexes dtype, how many, elements behind the axis, size of the axis */
KERNEL(gather_elements, 256) {
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const u32 inner = (u32)INTEGER(4), count = (u32)INTEGER(3);
  const u32 row = (u32)at / inner;
  const i32 index = load_value(POINTER(const void, 1), row % count, INTEGER(2));
  const i32 kept = minimum(maximum(index, 0), INTEGER(5) - 1);
  const i64 source = ((i64)(row / count) * INTEGER(5) + kept) * inner + (u32)at % inner;
  move_element(POINTER(void, 2), at, POINTER(const void, 0), source, INTEGER(1));
}

/* A copy of a cache with rows from a position on replaced. pointers: cache, rows, position, y;
   integers: elements, bytes of one, elements of a row, rows of the cache, new rows */
KERNEL(update_elements, 256) {
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const i32 position = *POINTER(const i32, 2);
  const i64 start = (i64)minimum(maximum(position, 0), INTEGER(3) - INTEGER(4)) * INTEGER(2);
  const i64 inner = at - start;
  if (inner >= 0 && inner < WIDE(4) * WIDE(2))
    move_element(POINTER(void, 3), at, POINTER(const void, 1), inner, INTEGER(1));
  else
    move_element(POINTER(void, 3), at, POINTER(const void, 0), at, INTEGER(1));
}
