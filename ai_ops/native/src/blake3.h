/* BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs), hash mode, 32 bytes out, for digests of
 * steps: docs/spec/03-models.md M-20. Written from its specification, sections 2.1 to 2.6.
 *
 * A message is several pieces of memory one after another. Its chunks are compressed side by side,
 * as many as vectors have lanes; chaining values are gathered until a whole subtree is there, so
 * that parents fill vectors too. */
#ifndef ENGRAM_BLAKE3_H
#define ENGRAM_BLAKE3_H

#include "arithmetic.h"

enum { CHUNK = 1024, BLOCK = 64, CV_WORDS = 8 };
enum { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8 };
/* Chunks of the subtrees that are reduced to one value; and how many sizes of subtrees a message
 * of 2^63 bytes has. */
enum { SUBTREE = 256, LEVELS = 48 };

static const uint32_t blake3_iv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
/* Which word of the block each mixing takes: the permutation of section 2.2, applied 0 to 6
 * times. */
static const uint8_t blake3_schedule[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
    {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
    {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

#define TURN(x, bits) ((x) >> (bits) | (x) << (32 - (bits)))

#if defined(__AVX512F__)
#define MAX_LANES 16
#elif defined(__AVX2__)
#define MAX_LANES 8
#else
#define MAX_LANES 4
#endif

#if MAX_LANES == 16
#define LANES 16
#define LANE(name) name##_16
#include "blake3_lanes.h"
#undef LANES
#undef LANE
#endif
#if MAX_LANES >= 8
#define LANES 8
#define LANE(name) name##_8
#include "blake3_lanes.h"
#undef LANES
#undef LANE
#endif
#define LANES 4
#define LANE(name) name##_4
#include "blake3_lanes.h"
#undef LANES
#undef LANE

struct chunk_batch {
    const uint8_t *data[MAX_LANES]; /* each readable to its end, the last one too */
    int64_t count;
    int64_t last_length;
    uint64_t first; /* number of the first chunk */
    uint32_t flags; /* added to the end of the last chunk */
};

/* Chunks `from` to `to` - 1 of a batch side by side; the batch's end is special only where it is. */
#define CHUNKS(width, from, to)                                                                    \
    chunks_##width(b->data + (from), (to) - (from), (to) == b->count ? b->last_length : CHUNK,     \
                   b->first + (uint64_t)(from), (to) == b->count ? b->flags : 0, cvs + (from))
static void hash_chunks(const struct chunk_batch *b, uint32_t (*cvs)[CV_WORDS]) {
#if MAX_LANES == 16
    /* A header makes nine chunks of eight: the last is short, and cheap alone. */
    if (b->count == 9) {
        CHUNKS(8, 0, 8);
        CHUNKS(4, 8, 9);
        return;
    }
    if (b->count > 8) {
        CHUNKS(16, 0, b->count);
        return;
    }
#endif
#if MAX_LANES >= 8
    if (b->count == 5) {
        CHUNKS(4, 0, 4);
        CHUNKS(4, 4, 5);
        return;
    }
    if (b->count > 4) {
        CHUNKS(8, 0, b->count);
        return;
    }
#endif
    CHUNKS(4, 0, b->count);
}
#undef CHUNKS

/* Reduce the values of neighbouring subtrees to one, pair by pair; an odd last one moves up as it
 * is. This is the tree of section 2.1: every left side is the largest power of two. */
static void reduce_cvs(uint32_t (*cvs)[CV_WORDS], int64_t count, uint32_t flags) {
    while (count > 1) {
        int64_t pairs = count / 2, at = 0;
        uint32_t now = PARENT | (count == 2 ? flags : 0);
#if MAX_LANES == 16
        for (; pairs - at > 8; at += 16)
            parents_16(cvs + 2 * at, least(pairs - at, 16), now, cvs + at);
#endif
#if MAX_LANES >= 8
        for (; pairs - at > 4; at += 8)
            parents_8(cvs + 2 * at, least(pairs - at, 8), now, cvs + at);
#endif
        for (; pairs - at > 0; at += 4)
            parents_4(cvs + 2 * at, least(pairs - at, 4), now, cvs + at);
        if (count % 2)
            memcpy(cvs[pairs], cvs[count - 1], sizeof *cvs);
        count = (count + 1) / 2;
    }
}

/* A message read chunk by chunk from its pieces. */
struct pieces {
    const void *const *data;
    const int64_t *sizes;
    int64_t at; /* the piece */
    int64_t used; /* bytes of it */
};

/* Return the next `length` bytes of the message: where they are if they lie together, otherwise
 * copied to `room`, filled up with zeros. */
static const uint8_t *next_chunk(struct pieces *from, int64_t length, uint8_t room[CHUNK]) {
    int64_t filled = 0;
    while (filled < length) {
        const uint8_t *here = (const uint8_t *)from->data[from->at] + from->used;
        int64_t left = from->sizes[from->at] - from->used, taken = least(left, length - filled);
        if (taken == 0) {
            from->at++, from->used = 0;
            continue;
        }
        from->used += taken;
        if (taken == CHUNK)
            return here;
        memcpy(room + filled, here, (size_t)taken);
        filled += taken;
    }
    memset(room + filled, 0, (size_t)(CHUNK - filled));
    return room;
}

/* digest = BLAKE3(piece 0 || piece 1 || ...) */
static void blake3_digest(const void *const *data, const int64_t *sizes, int64_t pieces,
                          uint8_t digest[32]) {
    uint8_t room[MAX_LANES][CHUNK];
    uint32_t cvs[SUBTREE][CV_WORDS], stack[LEVELS][2][CV_WORDS];
    struct pieces from = {data, sizes, 0, 0};
    int64_t total = 0, gathered = 0, depth = 0;
    uint64_t subtrees = 0;
    for (int64_t i = 0; i < pieces; i++)
        total += sizes[i];
    struct chunk_batch batch = {.count = 0, .flags = total <= CHUNK ? ROOT : 0};
    int64_t left = total;
    do {
        batch.last_length = least(left, CHUNK);
        batch.data[batch.count] = next_chunk(&from, batch.last_length, room[batch.count]);
        batch.count++;
        left -= batch.last_length;
        if (batch.count < MAX_LANES && left > 0)
            continue;
        hash_chunks(&batch, cvs + gathered);
        gathered += batch.count;
        batch.first += (uint64_t)batch.count;
        batch.count = 0;
        if (gathered < SUBTREE || left == 0)
            continue;
        reduce_cvs(cvs, gathered, 0);
        gathered = 0;
        /* Merge subtrees of the same size, as a counter carries: the left one waits in [0]. */
        for (uint64_t carry = subtrees++; carry & 1; carry >>= 1) {
            depth--;
            memcpy(stack[depth][1], cvs[0], sizeof *cvs);
            reduce_cvs(stack[depth], 2, 0);
            memcpy(cvs[0], stack[depth][0], sizeof *cvs);
        }
        memcpy(stack[depth++][0], cvs[0], sizeof *cvs);
    } while (left > 0);
    reduce_cvs(cvs, gathered, depth == 0 ? ROOT : 0);
    while (depth > 0) {
        depth--;
        memcpy(stack[depth][1], cvs[0], sizeof *cvs);
        reduce_cvs(stack[depth], 2, depth == 0 ? ROOT : 0);
        memcpy(cvs[0], stack[depth][0], sizeof *cvs);
    }
    memcpy(digest, cvs[0], 32);
}

#endif
