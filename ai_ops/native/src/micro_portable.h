/* A tile in plain C. */
#define PORTABLE_TILE(name, left, right, group)                                                    \
    static void name(const struct span *span, const char *a, int64_t rows, const char *b,          \
                     int64_t panels, int32_t *c) {                                                 \
        for (int64_t p = 0; p < panels; p++)                                                       \
            for (int64_t r = 0; r < rows; r++) {                                                   \
                const right *w = (const right *)(b + p * span->panel_bytes);                       \
                uint32_t sums[PANEL] = {0};                                                        \
                for (int64_t s = 0; s < span->segments; s++) {                                     \
                    const left *x = (const left *)(a + r * span->row_bytes + span->offsets[s]);    \
                    for (int64_t k = 0; k < span->groups; k++, w += PANEL * group)                 \
                        for (int j = 0; j < PANEL; j++)                                            \
                            for (int e = 0; e < group; e++)                                        \
                                sums[j] +=                                                         \
                                    (uint32_t)x[k * group + e] * (uint32_t)w[j * group + e];       \
                }                                                                                  \
                memcpy(c + (r * TILE_PANELS + p) * PANEL, sums, sizeof sums);                      \
            }                                                                                      \
    }
