/* Operators that treat elements one by one. Dtypes are arguments: the branches on them are the
   same in every thread and the kernels wait for memory, not for them. */

#define RANK 8

/* Position in an operand that is repeated along some dimensions (O-17): strides are 0 there.
   integers[sizes ...] holds RANK sizes, integers[strides ...] as many strides in elements. */
#define REPEATED(position, index, rank, sizes, strides)                    \
  do {                                                                     \
    u32 rest_ = (u32)(index);                                              \
    (position) = 0;                                                        \
    for (i32 d_ = (rank)-1; d_ >= 0; d_--) {                               \
      const u32 size_ = (u32)a.integers[(sizes) + d_];                     \
      (position) += (i64)(rest_ % size_) * a.integers[(strides) + d_];     \
      rest_ /= size_;                                                      \
    }                                                                      \
  } while (0)

/* pointers: x, scales, y; integers: elements, channels, x dtype, y dtype, low, high */
KERNEL(rescale_elements, 256) {
  const void *x = POINTER(const void, 0);
  const struct Scale *scales = POINTER(const struct Scale, 1);
  void *y = POINTER(void, 2);
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const struct Scale scale = scales[(u32)at % (u32)INTEGER(1)];
  const i64 value = rescale(load_value(x, at, INTEGER(2)), scale.multiplier, scale.shift);
  store_value(y, at, INTEGER(3), clamp_wide(value, INTEGER(4), INTEGER(5)));
}

#define CLAMP 0
#define NEGATE 1
#define ABS 2
#define BIT_LENGTH 3

/* pointers: x, y; integers: elements, x dtype, y dtype, low, high, operation */
KERNEL(unary_elements, 256) {
  const void *x = POINTER(const void, 0);
  void *y = POINTER(void, 1);
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  i64 value = load_value(x, at, INTEGER(1));
  const i32 operation = INTEGER(5);
  if (operation == NEGATE) value = -value;
  if (operation >= ABS && value < 0) value = -value;
  if (operation == BIT_LENGTH) {
    i32 bits = 1;
    while (value >> bits) bits++;
    value = bits;
  }
  store_value(y, at, INTEGER(2), clamp_wide(value, INTEGER(3), INTEGER(4)));
}

/* pointers: x, table i16[256], y; integers: elements, x dtype, y dtype */
KERNEL(table8_elements, 256) {
  const void *x = POINTER(const void, 0);
  const i16 *table = POINTER(const i16, 1);
  void *y = POINTER(void, 2);
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const i32 type = INTEGER(1);
  const i32 index = load_value(x, at, type) + (type == I8 ? 128 : 0);
  store_value(y, at, INTEGER(2), table[index]);
}

/* pointers: x i16, table i16[513], scales, y; integers: elements, channels, y dtype, low, high */
KERNEL(table16_elements, 256) {
  const i16 *x = POINTER(const i16, 0);
  const i16 *table = POINTER(const i16, 1);
  const struct Scale *scales = POINTER(const struct Scale, 2);
  void *y = POINTER(void, 3);
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const i32 shifted = x[at] + 32768;
  const i32 index = shifted >> 7, fraction = shifted & 127;
  const i32 left = table[index];
  const i32 value = left * 128 + (table[index + 1] - left) * fraction;
  const struct Scale scale = scales[(u32)at % (u32)INTEGER(1)];
  store_value(y, at, INTEGER(2),
              clamp_wide(rescale(value, scale.multiplier, scale.shift), INTEGER(3), INTEGER(4)));
}

#define ADD 0
#define SUB 1
#define MUL 2
#define MAXIMUM 3
#define MINIMUM 4
#define COMPARE 5
#define DIVIDE 6

/* (a << shift) / b; rounding 0 half up, 1 toward zero, 2 floor; 0 where b is 0 */
DEVICE i64 quotient(i64 dividend, i64 divisor, i32 shift, i32 rounding) {
  if (divisor == 0) return 0;
  i64 n = dividend * ((i64)1 << shift), d = divisor;
  if (d < 0) {
    n = -n;
    d = -d;
  }
  if (rounding == 0) return divide(n, d);
  return rounding == 1 ? n / d : floor_divide(n, d);
}

DEVICE i32 compared(i32 left, i32 right, i32 relation) {
  switch (relation) {
    case 0: return left == right;
    case 1: return left != right;
    case 2: return left < right;
    case 3: return left <= right;
    case 4: return left > right;
    default: return left >= right;
  }
}

/* The value of one pair before the clamp; integers 7 to 10 belong to the operation. */
DEVICE i64 paired(const struct Arguments a, i32 operation, i32 left, i32 right) {
  switch (operation) {
    case ADD:
    case SUB: {
      const i64 p = rescale(left, WIDE(7), INTEGER(8)), q = rescale(right, WIDE(9), INTEGER(10));
      return operation == ADD ? p + q : p - q;
    }
    case MUL: return rescale((i64)left * right, WIDE(7), INTEGER(8));
    case MAXIMUM: return maximum(left, right);
    case MINIMUM: return minimum(left, right);
    case COMPARE: return compared(left, right, INTEGER(7));
    default: return quotient(left, right, INTEGER(7), INTEGER(8));
  }
}

/* pointers: a, b, y; integers: elements, operation, a, b and y dtype, low, high, 4 of the
   operation, rank (0: the shapes are equal), RANK sizes, RANK strides of a, RANK strides of b */
KERNEL(paired_elements, 256) {
  const void *left = POINTER(const void, 0);
  const void *right = POINTER(const void, 1);
  void *y = POINTER(void, 2);
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  i64 p = at, q = at;
  const i32 rank = INTEGER(11);
  if (rank) {
    REPEATED(p, at, rank, 12, 12 + RANK);
    REPEATED(q, at, rank, 12, 12 + 2 * RANK);
  }
  const i64 value = paired(a, INTEGER(1), load_value(left, p, INTEGER(2)),
                           load_value(right, q, INTEGER(3)));
  store_value(y, at, INTEGER(4), clamp_wide(value, INTEGER(5), INTEGER(6)));
}

/* pointers: condition, a, b, y; integers: elements, condition dtype, dtype, rank, RANK sizes,
   then RANK strides each of condition, a, b */
KERNEL(where_elements, 256) {
  const void *condition = POINTER(const void, 0);
  void *y = POINTER(void, 3);
  const i64 at = ELEMENT();
  if (at >= WIDE(0)) return;
  const i32 rank = INTEGER(3);
  i64 from = at;
  REPEATED(from, at, rank, 4, 4 + RANK);
  i32 value;
  if (load_value(condition, from, INTEGER(1))) {
    REPEATED(from, at, rank, 4, 4 + 2 * RANK);
    value = load_value(POINTER(const void, 1), from, INTEGER(2));
  } else {
    REPEATED(from, at, rank, 4, 4 + 3 * RANK);
    value = load_value(POINTER(const void, 2), from, INTEGER(2));
  }
  store_value(y, at, INTEGER(2), value);
}
