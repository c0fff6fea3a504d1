// Products in fixed point: the walk over panels and tokens, and the entry points.
#include "sk_fixed_kernels.h"

#include <string.h>

#include "sk_panel.h"

enum {
    TOKENS = 480,          // most tokens of a group: what a converted block serves
    PANELS = 2,            // panels converted together, whose rows make one block of results
    CHUNK_COLUMNS = 256,   // columns converted at a time: 8 KiB a panel
    CHUNK_BLOCKS = CHUNK_COLUMNS / SK_BLOCK,
};

static inline int32_t least(int64_t a, int64_t b) { return (int32_t)(a < b ? a : b); }

// Cuts `tokens` into the fewest parts of at most `most`, as even as possible: their number, and the size of part i.
static inline int32_t part_count(int32_t tokens, int32_t most) { return (tokens + most - 1) / most; }
static inline int32_t part_size(int32_t tokens, int32_t parts, int32_t i) { return tokens / parts + (i < tokens % parts); }

// Sums of one group of tokens for one or two panels that begin at output `row`.
static void finish(const sk_fixed_level *level, const sk_fixed_job *job, const sk_projection *projection, int32_t row,
                   int32_t first_token, int32_t tokens, float (*acc)[TOKENS][SK_PANEL_ROWS]) {
    const int32_t count = least(PANELS * SK_PANEL_ROWS, projection->matrix.rows - row);
    for (int32_t p = 0; p * SK_PANEL_ROWS < count; p++) {
        const int32_t here = least(SK_PANEL_ROWS, count - p * SK_PANEL_ROWS);
        const float *bias = projection->bias ? projection->bias + row + p * SK_PANEL_ROWS : NULL;
        for (int32_t t = 0; bias && t < tokens; t++) {
            for (int32_t i = 0; i < here; i++) acc[p][t][i] += bias[i];
        }
        if (job->epilogue.pointwise != SK_IDENTITY) {
            level->pointwise(job->epilogue.pointwise, tokens * SK_PANEL_ROWS, acc[p][0]);
        }
        if (job->results) continue;
        float *out = projection->out + first_token * projection->out_stride + row + p * SK_PANEL_ROWS;
        for (int32_t t = 0; t < tokens; t++, out += projection->out_stride) {
            if (!job->epilogue.adds) {
                memcpy(out, acc[p][t], sizeof(float) * (size_t)here);
            } else {
                for (int32_t i = 0; i < here; i++) out[i] += acc[p][t][i];
            }
        }
    }
    for (int32_t t = 0; job->results && t < tokens; t++) {
        const sk_fixed_rows *results = job->results;
        float block[SK_BLOCK];
        memcpy(block, acc[0][t], sizeof acc[0][t]);
        if (count > SK_PANEL_ROWS) memcpy(block + SK_PANEL_ROWS, acc[1][t], sizeof acc[1][t]);
        const int64_t token = first_token + t;
        const sk_fixed_rows to = {results->values + token * results->stride + row, results->stride,
                                  results->scale + token * results->block_stride + row / SK_BLOCK,
                                  results->block_stride};
        level->rows_from(block, SK_BLOCK, count, 1, &to);
    }
}

static void walk_projection(const sk_fixed_level *level, const sk_fixed_job *job, const sk_projection *projection,
                            int64_t begin, int64_t end) {
    const int64_t columns = projection->matrix.columns;
    const size_t panel_bytes = sk_panel_bytes(SK_BF16, columns);
    __attribute__((aligned(64))) float acc[PANELS][TOKENS][SK_PANEL_ROWS];
    __attribute__((aligned(64))) int16_t weights[PANELS][CHUNK_COLUMNS * SK_PANEL_ROWS];
    __attribute__((aligned(64))) float scales[PANELS][CHUNK_BLOCKS * SK_PANEL_ROWS];
    const int32_t groups = part_count(job->tokens, TOKENS);
    for (int32_t g = 0, t0 = 0, tokens; g < groups; g++, t0 += tokens) {
        tokens = part_size(job->tokens, groups, g);
        const int32_t tiles = part_count(tokens, level->tile);
        for (int64_t p0 = begin; p0 < end; p0 += PANELS) {
            const int32_t panels = least(PANELS, end - p0);
            for (int32_t p = 0; p < panels; p++) memset(acc[p], 0, (size_t)tokens * sizeof acc[p][0]);
            for (int64_t c0 = 0; c0 < columns; c0 += CHUNK_COLUMNS) {
                const int64_t count = least(CHUNK_COLUMNS, columns - c0), blocks = sk_blocks(count);
                for (int32_t p = 0; p < panels; p++) {
                    const uint8_t *panel = (const uint8_t *)projection->matrix.data + (size_t)(p0 + p) * panel_bytes;
                    level->convert((const uint16_t *)panel + c0 * SK_PANEL_ROWS, count, weights[p], scales[p]);
                }
                for (int32_t i = 0, t = 0; i < tiles; i++) {
                    const int32_t size = part_size(tokens, tiles, i);
                    const int16_t *x[SK_FIXED_TILE];
                    const float *x_scales[SK_FIXED_TILE];
                    for (int32_t k = 0; k < size; k++) {
                        const int64_t token = t0 + t + k;
                        x[k] = job->x.values + token * job->x.stride + c0;
                        x_scales[k] = job->x.scale + token * job->x.block_stride + c0 / SK_BLOCK;
                    }
                    for (int32_t p = 0; p < panels; p++) {
                        level->kernels[size](weights[p], scales[p], blocks, x, x_scales, acc[p][t]);
                    }
                    t += size;
                }
            }
            finish(level, job, projection, (int32_t)p0 * SK_PANEL_ROWS, t0, tokens, acc);
        }
    }
}

void sk_fixed_walk(const sk_fixed_level *level, const sk_fixed_job *job, int32_t begin, int32_t end) {
    int32_t first = 0;
    for (int32_t p = 0; p < job->projection_count; p++) {
        const sk_projection *projection = &job->projections[p];
        const int32_t panels = sk_panels_of(projection->matrix.rows);
        const int32_t from = begin > first ? begin - first : 0, to = end - first < panels ? end - first : panels;
        if (from < to) walk_projection(level, job, projection, from, to);
        first += panels;
    }
}

static const sk_fixed_level *level_of(sk_level level) {
    switch (level > sk_best_level() ? sk_best_level() : level) {
#if defined(__x86_64__)
    case SK_LEVEL_AVX512: return &sk_fixed_avx512;
    case SK_LEVEL_AVX2: return &sk_fixed_avx2;
#endif
    default: return &sk_fixed_scalar;
    }
}

void sk_fixed_rows_from_at(sk_level level, const float *x, int64_t x_stride, int32_t columns, int32_t rows,
                           const sk_fixed_rows *out) {
    level_of(level)->rows_from(x, x_stride, columns, rows, out);
}

void sk_fixed_matmul_at(sk_level level, const sk_fixed_job *job, int32_t begin, int32_t end) {
    sk_fixed_walk(level_of(level), job, begin, end);
}

void sk_fixed_rows_from(const float *x, int64_t x_stride, int32_t columns, int32_t rows, const sk_fixed_rows *out) {
    sk_fixed_rows_from_at(sk_current_level(), x, x_stride, columns, rows, out);
}

void sk_fixed_matmul(const sk_fixed_job *job, int32_t begin, int32_t end) {
    sk_fixed_matmul_at(sk_current_level(), job, begin, end);
}
