/* A tile in plain C. */
#define PORTABLE_TILE(name, left, right, group)                                                    \
    static void name(const char *a, int64_t row_bytes, int64_t rows, const char *b,                \
                     int64_t panel_bytes, int64_t panels, int64_t groups, int32_t *c) {            \
        for (int64_t p = 0; p < panels; p++)                                                       \
            for (int64_t r = 0; r < rows; r++) {                                                   \
                const left *x = (const left *)(a + r * row_bytes);                                 \
                const right *w = (const right *)(b + p * panel_bytes);                             \
                uint32_t sums[PANEL] = {0};                                                        \
                for (int64_t k = 0; k < groups; k++)                                               \
                    for (int j = 0; j < PANEL; j++)                                                \
                        for (int e = 0; e < group; e++)                                            \
                            sums[j] += (uint32_t)x[k * group + e] *                                \
                                       (uint32_t)w[(k * PANEL + j) * group + e];                   \
                memcpy(c + (r * TILE_PANELS + p) * PANEL, sums, sizeof sums);                      \
            }                                                                                      \
    }
