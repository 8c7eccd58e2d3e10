/* BLAKE3 of a step: a header from the plan, then the bytes of its results (M-20).

   Chunks of 1 KiB are independent: one thread each leaves the chunk's chaining value. When all
   steps are through, one block for each step joins its values pairwise; pairing level by level,
   an odd one moving up, gives BLAKE3's tree. All offsets are multiples of 4 but those of the
   results behind the header, which are read as words and shifted. */

#define CHUNK_START 1
#define CHUNK_END 2
#define PARENT 4
#define ROOT 8

CONSTANT const u32 FIRST_STATE[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

DEVICE u32 turned(u32 value, i32 by) { return value >> by | value << (32 - by); }

#define MIX(p, q, r, s, x, y)          \
  do {                                 \
    v[p] += v[q] + (x);                \
    v[s] = turned(v[s] ^ v[p], 16);    \
    v[r] += v[s];                      \
    v[q] = turned(v[q] ^ v[r], 12);    \
    v[p] += v[q] + (y);                \
    v[s] = turned(v[s] ^ v[p], 8);     \
    v[r] += v[s];                      \
    v[q] = turned(v[q] ^ v[r], 7);     \
  } while (0)

/* The message order of the next round. */
#define PERMUTE()                                                                              \
  do {                                                                                         \
    const u32 n_[16] = {m[2], m[6],  m[3],  m[10], m[7], m[0],  m[4],  m[13],                  \
                        m[1], m[11], m[12], m[5],  m[9], m[14], m[15], m[8]};                  \
    UNROLL                                                                                     \
    for (i32 j_ = 0; j_ < 16; j_++) m[j_] = n_[j_];                                            \
  } while (0)

/* state = compress(state, message); the message is used up */
DEVICE void compress(u32 *state, u32 *m, u32 counter, u32 length, u32 flags) {
  u32 v[16] = {state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7],
               0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, counter, 0, length, flags};
  UNROLL
  for (i32 round = 0; round < 7; round++) {
    MIX(0, 4, 8, 12, m[0], m[1]);
    MIX(1, 5, 9, 13, m[2], m[3]);
    MIX(2, 6, 10, 14, m[4], m[5]);
    MIX(3, 7, 11, 15, m[6], m[7]);
    MIX(0, 5, 10, 15, m[8], m[9]);
    MIX(1, 6, 11, 12, m[10], m[11]);
    MIX(2, 7, 8, 13, m[12], m[13]);
    MIX(3, 4, 9, 14, m[14], m[15]);
    if (round < 6) PERMUTE();
  }
  UNROLL
  for (i32 j = 0; j < 8; j++) state[j] = v[j] ^ v[j + 8];
}

/* 4 bytes at any offset of a 4-byte aligned region with `size` real bytes, zeros behind. */
DEVICE u32 word_at(const u32 *words, i64 offset, i64 size) {
  if (offset >= size) return 0;
  const u32 shift = (u32)(offset & 3) * 8;
  const i64 at = offset >> 2;
  u32 word = words[at];
  if (shift) word = __funnelshift_r(word, (at + 1) * 4 < size ? words[at + 1] : 0, shift);
  const i64 real = size - offset;
  return real >= 4 ? word : word & ((1u << (8 * (i32)real)) - 1);
}

/* 4 bytes of the message that header and results make. pointers and integers as hash_chunks */
DEVICE u32 message_word(const struct Arguments a, i64 offset) {
  const i32 header_bytes = INTEGER(2), results = INTEGER(3);
  i64 first = header_bytes;
  u32 word = 0;
  if (offset < header_bytes)
    word = word_at((const u32 *)(POINTER(const u8, 0) + WIDE(1)), offset, header_bytes);
  for (i32 result = 0; result < results; result++) {
    const i64 size = WIDE(4 + result), from = offset - first;
    if (from >= 0 && from < size) {
      word |= word_at(POINTER(const u32, 1 + result), from, size);
    } else if (from < 0 && from > -4) { /* the word begins in what lies before */
      word |= word_at(POINTER(const u32, 1 + result), 0, size) << (8 * (i32)-from);
    }
    first += size;
  }
  return word;
}

/* pointers: headers, results 1 to 8, chaining values; integers: chunks, header offset, header
   bytes, results, bytes of each (8), offset of the values in words */
KERNEL(hash_chunks, 128) {
  SHARED(u32, room, 16 * 128); /* a message for each thread: no array that is indexed, no stack */
  const i64 chunk = ELEMENT();
  if (chunk >= WIDE(0)) return;
  u32 *mine = room + threadIdx.x;
  i64 total = INTEGER(2);
  for (i32 j = 0; j < INTEGER(3); j++) total += WIDE(4 + j);
  const i64 start = chunk * 1024;
  const i32 length = (i32)(total - start < 1024 ? total - start : 1024);
  const i32 blocks = length ? (length + 63) / 64 : 1;
  u32 state[8];
  UNROLL
  for (i32 j = 0; j < 8; j++) state[j] = FIRST_STATE[j];
  ROLLED
  for (i32 block = 0; block < blocks; block++) {
    const i64 offset = start + block * 64, inner = offset - INTEGER(2);
    if (inner >= 0 && inner + 64 <= WIDE(4)) { /* inside the first result: the common case */
      const u32 *words = POINTER(const u32, 1) + (inner >> 2);
      const u32 shift = (u32)(inner & 3) * 8;
      UNROLL_4
      for (i32 j = 0; j < 16; j++)
        mine[j * 128] = shift ? __funnelshift_r(words[j], words[j + 1], shift) : words[j];
    } else {
      ROLLED
      for (i32 j = 0; j < 16; j++) mine[j * 128] = message_word(a, offset + j * 4);
    }
    u32 m[16];
    UNROLL
    for (i32 j = 0; j < 16; j++) m[j] = mine[j * 128];
    const i32 last = block == blocks - 1;
    const u32 flags = (block ? 0 : CHUNK_START) | (last ? CHUNK_END : 0) |
                      (last && total <= 1024 ? ROOT : 0);
    compress(state, m, (u32)chunk, last ? (u32)(length - block * 64) : 64, flags);
  }
  u32 *values = POINTER(u32, 9) + WIDE(12) + chunk * 8;
  UNROLL
  for (i32 j = 0; j < 8; j++) values[j] = state[j];
}

/* pointers: table (for each step: offset of its values in words, how many), values, digests */
KERNEL(hash_parents, 128) {
  const i32 *entry = POINTER(const i32, 0) + 2 * blockIdx.x;
  u32 *values = POINTER(u32, 1) + entry[0];
  i32 count = entry[1];
  while (count > 1) {
    const i32 pairs = count / 2;
    for (i32 first = 0; first < pairs; first += 128) {
      const i32 pair = first + (i32)threadIdx.x;
      u32 state[8];
      if (pair < pairs) {
        u32 m[16];
        UNROLL
        for (i32 j = 0; j < 16; j++) m[j] = values[pair * 16 + j];
        UNROLL
        for (i32 j = 0; j < 8; j++) state[j] = FIRST_STATE[j];
        compress(state, m, 0, 64, PARENT | (count == 2 ? ROOT : 0));
      }
      BARRIER(); /* all pairs of this round are read before their places are written */
      if (pair < pairs) {
        UNROLL
        for (i32 j = 0; j < 8; j++) values[pair * 8 + j] = state[j];
      }
      BARRIER();
    }
    if (count % 2 && threadIdx.x < 8) values[pairs * 8 + threadIdx.x] = values[(count - 1) * 8 + threadIdx.x];
    BARRIER();
    count = pairs + count % 2;
  }
  if (threadIdx.x < 8) POINTER(u32, 2)[blockIdx.x * 8 + threadIdx.x] = values[threadIdx.x];
}
