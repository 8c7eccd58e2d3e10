/* BLAKE3's compression of LANES blocks side by side, one 32-bit word of each in a vector.
 * Included once for each width, with LANES and LANE(name) defined. */

typedef uint32_t LANE(words) __attribute__((vector_size(LANES * 4)));
typedef uint32_t LANE(loose) __attribute__((vector_size(LANES * 4), aligned(1), may_alias));

/* Interleaving the rows i and i + LANES / 2, log2(LANES) times over, transposes. */
INLINE void LANE(transpose)(LANE(words) rows[LANES]) {
    LANE(words) low, high, next[LANES];
    for (int i = 0; i < LANES; i++) {
        low[i] = (uint32_t)(i / 2 + i % 2 * LANES);
        high[i] = (uint32_t)(i / 2 + i % 2 * LANES + LANES / 2);
    }
#pragma GCC unroll 8
    for (int width = 1; width < LANES; width *= 2) {
#pragma GCC unroll 16
        for (int i = 0; i < LANES / 2; i++) {
            next[2 * i] = __builtin_shuffle(rows[i], rows[i + LANES / 2], low);
            next[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + LANES / 2], high);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            rows[i] = next[i];
    }
}

/* The 16 words of the block at `offset` of each lane's data. */
INLINE void LANE(load)(const uint8_t *const *data, int64_t offset, LANE(words) m[16]) {
#pragma GCC unroll 4
    for (int part = 0; part < 16; part += LANES) {
#pragma GCC unroll 16
        for (int lane = 0; lane < LANES; lane++)
            m[part + lane] = *(const LANE(loose) *)(data[lane] + offset + part * 4);
        LANE(transpose)(m + part);
    }
}

#if defined(__AVX2__) && !defined(__AVX512VL__)
/* Without a rotation in the instruction set, moving whole bytes is the next best. */
typedef uint8_t LANE(bytes) __attribute__((vector_size(LANES * 4)));
#define BYTES4(a, b, c, d, at) at + a, at + b, at + c, at + d
#define BYTES16(a, b, c, d, at)                                                                    \
    BYTES4(a, b, c, d, at), BYTES4(a, b, c, d, at + 4), BYTES4(a, b, c, d, at + 8),                \
        BYTES4(a, b, c, d, at + 12)
#if LANES == 8
#define TURN_BYTES(x, a, b, c, d)                                                                  \
    ((LANE(words))__builtin_shuffle(                                                               \
        (LANE(bytes))(x), (LANE(bytes)){BYTES16(a, b, c, d, 0), BYTES16(a, b, c, d, 16)}))
#else
#define TURN_BYTES(x, a, b, c, d)                                                                  \
    ((LANE(words))__builtin_shuffle((LANE(bytes))(x), (LANE(bytes)){BYTES16(a, b, c, d, 0)}))
#endif
#define TURN16(x) TURN_BYTES(x, 2, 3, 0, 1)
#define TURN8(x) TURN_BYTES(x, 1, 2, 3, 0)
#else
#define TURN16(x) TURN(x, 16)
#define TURN8(x) TURN(x, 8)
#endif

#define MIX(a, b, c, d, x, y)                                                                      \
    (a += b + (x), d = TURN16(d ^ a), c += d, b = TURN(b ^ c, 12), a += b + (y),                   \
     d = TURN8(d ^ a), c += d, b = TURN(b ^ c, 7))

/* cv = compress(cv, block, counter, length, flags) in every lane. */
INLINE void LANE(compress)(LANE(words) cv[8], const LANE(words) m[16], LANE(words) counter_low,
                           LANE(words) counter_high, LANE(words) length, LANE(words) flags) {
    const LANE(words) zero = {0};
    LANE(words) v[16];
    for (int i = 0; i < 8; i++)
        v[i] = cv[i];
    for (int i = 0; i < 4; i++)
        v[8 + i] = zero + blake3_iv[i];
    v[12] = counter_low, v[13] = counter_high, v[14] = length, v[15] = flags;
#pragma GCC unroll 7
    for (int round = 0; round < 7; round++) {
        const uint8_t *s = blake3_schedule[round];
        MIX(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
        MIX(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
        MIX(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
        MIX(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
        MIX(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
        MIX(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
        MIX(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
        MIX(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
    }
    for (int i = 0; i < 8; i++)
        cv[i] = v[i] ^ v[8 + i];
}

/* The lanes' chaining values, lane after lane. */
INLINE void LANE(store)(const LANE(words) cv[8], int64_t count, uint32_t (*cvs)[CV_WORDS]) {
    for (int64_t lane = 0; lane < count; lane++)
        for (int i = 0; i < CV_WORDS; i++)
            cvs[lane][i] = cv[i][lane];
}

/* Chaining values of up to LANES chunks, the last of which may be short. */
static void LANE(chunks)(const uint8_t *const *data, int64_t count, int64_t last_length,
                         uint64_t first, uint32_t last_flag, uint32_t (*cvs)[CV_WORDS]) {
    const LANE(words) zero = {0};
    const uint8_t *lanes[LANES];
    LANE(words) cv[8], low, high, added = {0};
    /* The last block of each lane, and the bytes in it. */
    LANE(words) end = zero + (CHUNK / BLOCK - 1), left = zero + BLOCK;
    for (int lane = 0; lane < LANES; lane++) {
        low[lane] = (uint32_t)(first + (uint64_t)lane);
        high[lane] = (uint32_t)((first + (uint64_t)lane) >> 32);
        lanes[lane] = data[lane < count ? lane : 0];
    }
    uint32_t last_end = (uint32_t)(most(last_length - 1, 0) / BLOCK);
    end[count - 1] = last_end;
    left[count - 1] = (uint32_t)last_length - last_end * BLOCK;
    added[count - 1] = last_flag;
    for (int i = 0; i < 8; i++)
        cv[i] = zero + blake3_iv[i];
    uint32_t blocks = count > 1 ? CHUNK / BLOCK : last_end + 1;
    for (uint32_t at = 0; at < blocks; at++) {
        LANE(words) m[16], next[8];
        LANE(words) ends = (LANE(words))(end == at), runs = (LANE(words))(end >= at);
        LANE(words) flags = (ends & (added + CHUNK_END)) + (at == 0 ? CHUNK_START : 0);
        LANE(words) length = (ends & left) + (~ends & BLOCK);
        LANE(load)(lanes, (int64_t)at * BLOCK, m);
        for (int i = 0; i < 8; i++)
            next[i] = cv[i];
        LANE(compress)(next, m, low, high, length, flags);
        for (int i = 0; i < 8; i++)
            cv[i] = (next[i] & runs) | (cv[i] & ~runs);
    }
    LANE(store)(cv, count, cvs);
}

/* Parents of up to LANES pairs of neighbours; may write over what it read. */
static void LANE(parents)(const uint32_t (*pairs)[CV_WORDS], int64_t count, uint32_t flags,
                          uint32_t (*cvs)[CV_WORDS]) {
    const LANE(words) zero = {0};
    const uint8_t *lanes[LANES];
    LANE(words) cv[8], m[16];
    for (int64_t lane = 0; lane < LANES; lane++)
        lanes[lane] = (const uint8_t *)pairs[2 * (lane < count ? lane : 0)];
    for (int i = 0; i < 8; i++)
        cv[i] = zero + blake3_iv[i];
    LANE(load)(lanes, 0, m);
    LANE(compress)(cv, m, zero, zero, zero + BLOCK, zero + flags);
    LANE(store)(cv, count, cvs);
}

#undef BYTES4
#undef BYTES16
#undef TURN_BYTES
#undef TURN16
#undef TURN8
#undef MIX
