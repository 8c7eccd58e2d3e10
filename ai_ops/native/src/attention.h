/* ATTENTION: for each query the mean of the values, weighted by the exponential of its scores.
 *
 * A block of queries at a time, so that scores never take more than QUERIES rows. Many queries
 * multiply packed keys and values as GEMM does; few take the keys as they lie. */
#ifndef ENGRAM_ATTENTION_H
#define ENGRAM_ATTENTION_H

#include "exponential.h"
#include "product.h"
#include "rows.h"

/* QUERIES: rows of scores at once. KEYS: keys whose weighted values are summed in i32: 4,096 *
 * 4,095 * 128 < 2^31. FEW: up to so many queries of a key's head are not worth packing it. */
enum { QUERIES = 16, KEYS = 4096, FEW = 4 };

/* One head of one batch entry, and where its intermediate results lie. */
struct head {
    const struct attention_step *s;
    int64_t keys;                   /* that exist */
    const int8_t *k, *v;            /* of the shared head: key j is at j * stride */
    int64_t stride;
    int64_t path;                   /* how weights multiply values */
    char *left;                     /* QUERIES rows: queries, then weights */
    char *key_panels, *value_panels;
    int32_t *key_bias;
    int32_t *value_bias;             /* zeros: weights have no offset */
    int32_t *scores;                /* QUERIES rows of `row` */
    int64_t row;
    int64_t *sums;                  /* QUERIES rows of `depth` */
};

static const int64_t at_once[1] = {0}; /* products of attention have one segment */

/* c[r * stride + j] = bias[j] + sum_k left[r][k] * panels[k][j], `columns` of them. */
static void attend_product(const struct product *p, const char *left, int64_t rows,
                           const char *panels, const int32_t *bias, int64_t columns,
                           int32_t *restrict c, int64_t stride) {
    struct span span = {row_bytes_of(p->path, p->depth), panel_bytes_of(p), 1,
                        groups_of(p->path, p->depth), at_once};
    int64_t all = panels_of(columns);
    int32_t tile[TILE_ROWS * TILE_PANELS * PANEL] __attribute__((aligned(64)));
    for (int64_t panel = 0; panel < all; panel += TILE_PANELS) {
        int64_t wide = least(TILE_PANELS, all - panel), first = panel * PANEL;
        int64_t count = least(wide * PANEL, columns - first);
        for (int64_t r = 0; r < rows; r += TILE_ROWS) {
            int64_t tall = least(TILE_ROWS, rows - r);
            tile_of(p->path)(&span, left + r * span.row_bytes, tall,
                             panels + panel * span.panel_bytes, wide, tile);
            for (int64_t i = 0; i < tall; i++)
                for (int64_t j = 0; j < count; j++)
                    c[(r + i) * stride + first + j] =
                        (int32_t)((uint32_t)tile[i * TILE_PANELS * PANEL + j] +
                                  (uint32_t)bias[first + j]);
        }
    }
}

/* Scores become weights p in place; returns their sum. Keys from `seen` on have weight 0. */
INLINE int64_t weigh(const struct attention_step *s, int32_t *restrict c, int64_t seen,
                     int64_t keys) {
    int64_t total = probabilities(c, seen, s->multiplier, s->shift, (int32_t)s->top);
    for (int64_t j = seen; j < keys; j++)
        c[j] = 0;
    return most(total, 1);
}

/* The end of `rows` rows of sums: o = D(sum << 8, total), then rescaled. |sum| <= 128 * total, so
 * the numerator stays below 2^52 up to a total of 2^34. */
static void finish_head(const struct head *h, int64_t first_channel, int64_t rows,
                        const int64_t *totals, void *y, int64_t at) {
    const struct attention_step *s = h->s;
    int64_t depth = s->depth, one = s->channels == 1;
    int32_t o[BLOCK_ELEMENTS];
    for (int64_t r = 0; r < rows; r++, at += s->heads * depth)
        for (int64_t k = 0; k < depth; k += BLOCK_ELEMENTS) {
            int64_t count = least(depth - k, BLOCK_ELEMENTS);
            const int64_t *restrict sums = h->sums + r * depth + k;
            double add = (double)totals[r], divisor = (double)(2 * totals[r]);
            if (totals[r] < (int64_t)1 << 34)
                for (int64_t i = 0; i < count; i++)
                    o[i] = exact_floor((double)sums[i] * 512 + add, divisor);
            else
                for (int64_t i = 0; i < count; i++)
                    o[i] = (int32_t)divide_half_up(sums[i] * 256, totals[r]);
            for (int64_t i = 0; i < count; i++) {
                int64_t c = one ? 0 : first_channel + k + i;
                int64_t v = rescale_vector((int64_t)o[i] * s->out_multiplier[c], s->out_shift[c]);
                o[i] = (int32_t)clamp(v, s->minimum, s->maximum);
            }
            narrow(o, count, y, s->dtype, at + k);
        }
}

/* How many keys query i of T sees. */
INLINE int64_t seen_by(const struct attention_step *s, int64_t i, int64_t queries,
                       int64_t valid) {
    return s->causal ? clamp(i + valid - queries + 1, 0, valid) : valid;
}

/* Queries times keys. */
INLINE struct product score_product(const struct head *h) {
    return (struct product){.path = NARROW, .x_dtype = I8, .w_dtype = I8, .segments = 1,
                            .depth = h->s->depth, .units = h->keys, .unit_stride = h->stride,
                            .depth_stride = 1, .w_offsets = at_once};
}

/* Weights times the values of `count` keys. */
INLINE struct product value_product(const struct head *h, int64_t count) {
    return (struct product){.path = h->path, .x_dtype = h->path == NARROW ? U8 : I16,
                            .w_dtype = I8, .segments = 1, .depth = count, .units = h->s->depth,
                            .unit_stride = 1, .depth_stride = h->stride, .w_offsets = at_once};
}

/* Where the panels of the values from key j on begin; j is a multiple of KEYS. */
INLINE char *values_from(const struct head *h, int64_t j) {
    struct product whole = value_product(h, KEYS);
    return h->value_panels + j / KEYS * packed_bytes_of(&whole);
}

/* The keys as columns of panels, four of their elements at once. */
static void pack_keys(const struct head *h) {
    struct product p = score_product(h);
    int64_t depth = p.depth, whole = depth / 4, run = groups_of(NARROW, depth);
    int32_t offset = offset_of(NARROW, I8);
    for (int64_t j = 0; j < round_up(h->keys, PANEL); j++) {
        char *to = h->key_panels + j / PANEL * panel_bytes_of(&p) + j % PANEL * 4;
        const int8_t *key = h->k + j * h->stride;
        int32_t sum = 0;
        uint32_t rest = 0;
        if (j >= h->keys) {
            for (int64_t g = 0; g < run; g++)
                memcpy(to + g * GROUP_BYTES, &rest, 4);
            h->key_bias[j] = 0;
            continue;
        }
        for (int64_t g = 0; g < whole; g++)
            memcpy(to + g * GROUP_BYTES, key + 4 * g, 4);
        if (whole < run) {
            memcpy(&rest, key + 4 * whole, (size_t)(depth - 4 * whole));
            memcpy(to + whole * GROUP_BYTES, &rest, 4);
        }
        for (int64_t k = 0; k < depth; k++)
            sum += key[k];
        h->key_bias[j] = -offset * sum;
    }
}

/* The values of `count` keys as panels: four or two keys of one element lie together. */
static void pack_values(const struct head *h, const int8_t *v, int64_t count, char *to) {
    static const int8_t nothing[PANEL] = {0};
    struct product p = value_product(h, count);
    int64_t group = group_of(h->path), groups = groups_of(h->path, count);
    for (int64_t first = 0; first < p.units; first += PANEL, to += panel_bytes_of(&p)) {
        int64_t wide = least(PANEL, p.units - first);
        for (int64_t g = 0; g < groups; g++) {
            const int8_t *rows[4] = {nothing, nothing, nothing, nothing};
            int8_t edge[4][PANEL] = {{0}};
            uint32_t packed[PANEL];
            for (int64_t e = 0; e < group; e++) {
                const int8_t *row = v + (g * group + e) * h->stride + first;
                if (g * group + e < count) {
                    if (wide < PANEL)
                        memcpy(edge[e], row, (size_t)wide);
                    rows[e] = wide < PANEL ? edge[e] : row;
                }
            }
            if (group == 4)
                for (int64_t c = 0; c < PANEL; c++)
                    packed[c] = (uint8_t)rows[0][c] | (uint32_t)(uint8_t)rows[1][c] << 8 |
                                (uint32_t)(uint8_t)rows[2][c] << 16 |
                                (uint32_t)(uint8_t)rows[3][c] << 24;
            else
                for (int64_t c = 0; c < PANEL; c++)
                    packed[c] = (uint16_t)rows[0][c] | (uint32_t)(uint16_t)rows[1][c] << 16;
            memcpy(to + g * GROUP_BYTES, packed, sizeof packed);
        }
    }
}

/* Pack a shared head's keys, and its values in blocks of KEYS keys. */
static void pack_head(const struct head *h) {
    pack_keys(h);
    for (int64_t j = 0; j < h->keys; j += KEYS)
        pack_values(h, h->v + j * h->stride, least(KEYS, h->keys - j), values_from(h, j));
}

/* Up to QUERIES rows of one head from packed keys and values. */
static void attend_packed(const struct head *h, const int8_t *q, int64_t q_stride, int64_t rows,
                          const int64_t *seen, int64_t *totals) {
    const struct attention_step *s = h->s;
    int64_t depth = s->depth, most_seen = seen[rows - 1], row_bytes = row_bytes_of(NARROW, depth);
    int32_t part[QUERIES * PANEL * TILE_PANELS];
    for (int64_t r = 0; r < rows; r++) {
        put_run(q + r * q_stride, I8, NARROW, depth, h->left + r * row_bytes);
        pad_row(NARROW, depth, h->left + r * row_bytes);
    }
    struct product scores = score_product(h);
    attend_product(&scores, h->left, rows, h->key_panels, h->key_bias, most_seen, h->scores,
                   h->row);
    for (int64_t r = 0; r < rows; r++)
        totals[r] = weigh(s, h->scores + r * h->row, seen[r], most_seen);
    memset(h->sums, 0, (size_t)(rows * depth) * sizeof *h->sums);
    for (int64_t j = 0; j < most_seen; j += KEYS) {
        /* Panels hold all keys of a block; weights beyond those that are seen are 0. */
        int64_t count = least(KEYS, h->keys - j), some = least(count, most_seen - j);
        int64_t bytes = row_bytes_of(h->path, count);
        struct product values = value_product(h, count);
        const char *panels = values_from(h, j);
        for (int64_t r = 0; r < rows; r++) {
            const int32_t *restrict p = h->scores + r * h->row + j;
            char *row = h->left + r * bytes;
            if (h->path == NARROW)
                for (int64_t i = 0; i < some; i++)
                    ((left8 *)row)[i] = (left8)p[i];
            else
                for (int64_t i = 0; i < some; i++)
                    ((int16_t *)row)[i] = (int16_t)p[i];
            int64_t width = left_bytes_of(h->path);
            memset(row + some * width, 0, (size_t)(bytes - some * width));
        }
        for (int64_t c = 0; c < depth; c += PANEL * TILE_PANELS) {
            int64_t wide = least(depth - c, PANEL * TILE_PANELS);
            attend_product(&values, h->left, rows, panels + c / PANEL * panel_bytes_of(&values),
                           h->value_bias + c, wide, part, PANEL * TILE_PANELS);
            for (int64_t r = 0; r < rows; r++)
                for (int64_t i = 0; i < wide; i++)
                    h->sums[r * depth + c + i] += part[r * PANEL * TILE_PANELS + i];
        }
    }
}

INLINE int32_t dot(const int8_t *restrict a, const int8_t *restrict b, int64_t count) {
    int32_t sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The same row by row, reading keys and values where they are. */
static void attend_plain(const struct head *h, const int8_t *q, int64_t q_stride, int64_t rows,
                         const int64_t *seen, int64_t *totals) {
    const struct attention_step *s = h->s;
    int64_t depth = s->depth;
    int32_t part[BLOCK_ELEMENTS];
    for (int64_t r = 0; r < rows; r++) {
        int32_t *restrict p = h->scores + r * h->row;
        for (int64_t j = 0; j < seen[r]; j++)
            p[j] = dot(q + r * q_stride, h->k + j * h->stride, depth);
        totals[r] = weigh(s, p, seen[r], seen[r]);
        int64_t *restrict sums = h->sums + r * depth;
        memset(sums, 0, (size_t)depth * sizeof *sums);
        for (int64_t first = 0; first < seen[r]; first += KEYS)
            for (int64_t c = 0; c < depth; c += BLOCK_ELEMENTS) {
                int64_t count = least(depth - c, BLOCK_ELEMENTS);
                int64_t stop = least(first + KEYS, seen[r]);
                memset(part, 0, (size_t)count * sizeof *part);
                for (int64_t j = first; j < stop; j++) {
                    const int8_t *restrict v = h->v + j * h->stride + c;
                    for (int64_t i = 0; i < count; i++)
                        part[i] += p[j] * v[i];
                }
                for (int64_t i = 0; i < count; i++)
                    sums[c + i] += part[i];
            }
    }
}

INLINE char *cut(char **memory, int64_t bytes) {
    char *here = *memory;
    *memory += round_up(bytes, 64);
    return here;
}

static void attention(const void *step, const void *const *in, void *const *out, int64_t n,
                      void *scratch) {
    const struct attention_step *s = step;
    int64_t batch = s->batch_fixed + s->batch_unit * n;
    int64_t queries = s->queries_fixed + s->queries_unit * n;
    int64_t keys = s->keys_fixed + s->keys_unit * n, depth = s->depth;
    int64_t valid = s->has_length ? clamp(load_element(in[3], I32, 0), 0, keys) : keys;
    int64_t width = s->heads * depth, shared = s->heads / s->kv_heads;
    int64_t seen[QUERIES], totals[QUERIES];
    int64_t packs = queries * shared > FEW;
    struct head h = {.s = s, .keys = valid, .stride = s->kv_heads * depth};
    h.path = s->top < 256 ? NARROW : WIDE;
    h.row = round_up(keys, PANEL);
    char *memory = scratch;
    h.scores = (int32_t *)cut(&memory, QUERIES * h.row * 4);
    h.sums = (int64_t *)cut(&memory, QUERIES * depth * 8);
    if (packs) {
        struct product scores = score_product(&h), values = value_product(&h, least(keys, KEYS));
        scores.units = keys;
        h.left = cut(&memory, QUERIES * most(row_bytes_of(NARROW, depth),
                                             row_bytes_of(h.path, least(keys, KEYS))));
        h.key_bias = (int32_t *)cut(&memory, h.row * 4);
        h.value_bias = (int32_t *)cut(&memory, panels_of(depth) * PANEL * 4);
        memset(h.value_bias, 0, (size_t)(panels_of(depth) * PANEL * 4));
        h.key_panels = cut(&memory, packed_bytes_of(&scores));
        h.value_panels = cut(&memory, (keys + KEYS - 1) / KEYS * packed_bytes_of(&values));
    }
    for (int64_t b = 0; b < batch; b++)
        for (int64_t g = 0; g < s->kv_heads; g++) {
            h.k = (const int8_t *)in[1] + b * keys * h.stride + g * depth;
            h.v = (const int8_t *)in[2] + b * keys * h.stride + g * depth;
            if (packs)
                pack_head(&h);
            for (int64_t head = g * shared; head < (g + 1) * shared; head++)
                for (int64_t i = 0; i < queries; i += QUERIES) {
                    int64_t rows = least(queries - i, QUERIES);
                    int64_t at = (b * queries + i) * width + head * depth;
                    for (int64_t r = 0; r < rows; r++)
                        seen[r] = seen_by(s, i + r, queries, valid);
                    (packs ? attend_packed : attend_plain)(&h, (const int8_t *)in[0] + at, width,
                                                           rows, seen, totals);
                    finish_head(&h, head * depth, rows, totals, out[0], at);
                }
        }
}

#endif
