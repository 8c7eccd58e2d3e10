/* Pools over NHWC tensors. */

/* pointers: x, y; integers: elements of y, dtype, height, width, channels, kernel height and
   width, strides, padding top and left, output height and width, mean, padding counts */
KERNEL(pool_windows, 256) {
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const i32 type = INTEGER(1), height = INTEGER(2), width = INTEGER(3), channels = INTEGER(4);
  const u32 pixel = (u32)((u64)at / (u32)channels), row = pixel / (u32)INTEGER(12);
  const i64 image = (i64)(row / (u32)INTEGER(11)) * height;
  const i32 top = (i32)(row % (u32)INTEGER(11)) * INTEGER(7) - INTEGER(9);
  const i32 left = (i32)(pixel % (u32)INTEGER(12)) * INTEGER(8) - INTEGER(10);
  const i32 top_end = minimum(top + INTEGER(5), height);
  const i32 left_end = minimum(left + INTEGER(6), width);
  i32 largest = (i32)0x80000000, sum = 0, count = 0;
  for (i32 i = maximum(top, 0); i < top_end; i++) {
    for (i32 j = maximum(left, 0); j < left_end; j++, count++) {
      const i64 from = ((image + i) * width + j) * channels + (u64)at % (u32)channels;
      const i32 value = load_value(POINTER(const void, 0), from, type);
      largest = maximum(largest, value);
      sum = add_wrapped(sum, value);
    }
  }
  if (INTEGER(14)) count = INTEGER(5) * INTEGER(6);
  store_value(POINTER(void, 1), at, type, INTEGER(13) ? (i32)divide(sum, count) : largest);
}
