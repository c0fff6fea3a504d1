// Walks panels and tokens so that what a kernel reads over and over lies in the first two levels of cache:
// tokens in blocks, panels in groups, columns in chunks; a group's accumulators stay on the stack from chunk to chunk,
// so that each output remains one accumulation in the order of the columns.
#include "sk_tiles.h"

#include <string.h>

#include "sk_panel.h"

enum {
    TOKENS = 72,           // most tokens of a block
    PANELS = 8,            // panels of a group; even, so that gate and up stay together
    TILE_BYTES = 60 * 1024,
    WIDE_BLOCKS = 20,      // blocks of a panel expanded at a time: 640 columns
    CHUNK_COLUMNS = 256,   // of float weights: 16 KiB widened
};

// Where a group's sums go: a projection, or (panels in pairs) a gated job.
typedef struct {
    const sk_tile_kernels *kernels;
    const sk_projection *projection;
    const sk_gated_job *gated;
    const sk_epilogue *epilogue;  // of a projection; NULL for none
    sk_matrix matrix;
    const sk_activations *x;
    const int32_t *token_index;
    int32_t tokens;
} walk;

static inline int32_t least(int64_t a, int64_t b) { return (int32_t)(a < b ? a : b); }

static inline void add_bias(const float *bias, int32_t rows, int32_t tokens, float (*acc)[SK_PANEL_ROWS]) {
    if (!bias) return;
    for (int32_t t = 0; t < tokens; t++) {
        for (int32_t i = 0; i < rows; i++) acc[t][i] += bias[i];
    }
}

static inline void store(float *out, int64_t stride, int32_t rows, int32_t tokens, float (*acc)[SK_PANEL_ROWS]) {
    for (int32_t t = 0; t < tokens; t++) {
        if (rows == SK_PANEL_ROWS) {
            memcpy(out + t * stride, acc[t], sizeof acc[t]);
        } else {
            memcpy(out + t * stride, acc[t], sizeof(float) * (size_t)rows);
        }
    }
}

static inline void add(float *out, int64_t stride, int32_t rows, int32_t tokens, float (*acc)[SK_PANEL_ROWS]) {
    for (int32_t t = 0; t < tokens; t++) {
        for (int32_t i = 0; i < rows; i++) out[t * stride + i] += acc[t][i];
    }
}

// acc: [panels][TOKENS][16], sums of tokens first_token ... of panels first_panel ...
static void finish(const walk *w, int64_t first_panel, int32_t panels, int32_t first_token, int32_t tokens,
                   float (*acc)[TOKENS][SK_PANEL_ROWS]) {
    for (int32_t p = 0; p < panels; p += w->gated ? 2 : 1) {
        const int64_t row = (first_panel + p) / (w->gated ? 2 : 1) * SK_PANEL_ROWS;
        const int32_t rows = least(SK_PANEL_ROWS, w->matrix.rows - row);
        if (w->gated) {
            const sk_gated_job *job = w->gated;
            add_bias(job->gate_bias ? job->gate_bias + row : NULL, rows, tokens, acc[p]);
            add_bias(job->up_bias ? job->up_bias + row : NULL, rows, tokens, acc[p + 1]);
            w->kernels->gate(job, tokens * SK_PANEL_ROWS, acc[p][0], acc[p + 1][0]);
            store(job->out + first_token * job->out_stride + row, job->out_stride, rows, tokens, acc[p]);
        } else {
            const sk_projection *projection = w->projection;
            add_bias(projection->bias ? projection->bias + row : NULL, rows, tokens, acc[p]);
            const sk_epilogue *epilogue = w->epilogue;
            if (epilogue && epilogue->pointwise != SK_IDENTITY) {
                w->kernels->pointwise(epilogue->pointwise, tokens * SK_PANEL_ROWS, acc[p][0]);
            }
            (epilogue && epilogue->adds ? add : store)(projection->out + first_token * projection->out_stride + row,
                                                       projection->out_stride, rows, tokens, acc[p]);
        }
    }
}

// Cuts `tokens` into the fewest parts of at most `most`, as even as possible: their number, and the size of part i.
static inline int32_t part_count(int32_t tokens, int32_t most) { return (tokens + most - 1) / most; }
static inline int32_t part_size(int32_t tokens, int32_t parts, int32_t i) { return tokens / parts + (i < tokens % parts); }

static inline int64_t token_at(const walk *w, int32_t t) { return w->token_index ? w->token_index[t] : t; }

static void copy_tile(const walk *w, int32_t first_token, int32_t tokens, int64_t first_block, int64_t blocks,
                      uint8_t *tile) {
    const sk_activations *x = w->x;
    for (int32_t t = 0; t < tokens; t++) {
        const int64_t token = token_at(w, first_token + t);
        const int8_t *quants = x->q8 + token * x->q8_stride + first_block * SK_BLOCK;
        const int64_t at = token * x->block_stride + first_block;
        uint8_t *out = tile;
        for (int64_t b = 0; b < blocks; b++, out += SK_TILE_BLOCK_BYTES(tokens)) {
            memcpy(out + t * SK_BLOCK, quants + b * SK_BLOCK, SK_BLOCK);
            memcpy(out + tokens * 32 + t * 4, x->scale + at + b, 4);
            memcpy(out + tokens * 36 + t * 4, x->sum + at + b, 4);
            memcpy(out + tokens * 40 + t * 4, x->offset + at + b, 4);
        }
    }
}

static void walk_blocks(const walk *w, int64_t begin, int64_t end) {
    const int32_t type = w->matrix.type;
    const int64_t columns = w->matrix.columns, blocks = sk_blocks(columns);
    const size_t panel_bytes = sk_panel_bytes(type, columns);
    const int64_t quant_bytes = type == SK_Q8 ? SK_Q8_BLOCK_BYTES : SK_Q4_BLOCK_BYTES;
    const int64_t scale_count = type == SK_Q8 ? SK_PANEL_ROWS : 2 * SK_PANEL_ROWS;
    __attribute__((aligned(64))) float acc[PANELS][TOKENS][SK_PANEL_ROWS];
    __attribute__((aligned(64))) uint8_t tile[TILE_BYTES];
    __attribute__((aligned(64))) uint8_t wide[WIDE_BLOCKS * SK_WIDE_BLOCK_BYTES];

    const int32_t groups = part_count(w->tokens, TOKENS);
    for (int32_t g = 0, t0 = 0, tokens; g < groups; g++, t0 += tokens) {
        tokens = part_size(w->tokens, groups, g);
        const int32_t tiles = part_count(tokens, w->kernels->block_tile);
        // Expanding a panel pays from about nine tokens on.
        const sk_expand expand = tokens > 8 ? w->kernels->expand[type - SK_Q8] : NULL;
        const sk_block_kernel *kernels = (expand ? w->kernels->wide_blocks : w->kernels->blocks)[type - SK_Q8];
        // Even chunks of the columns that fit.
        int64_t most = TILE_BYTES / SK_TILE_BLOCK_BYTES(tokens);
        if (expand && most > WIDE_BLOCKS) most = WIDE_BLOCKS;
        const int64_t chunks = (blocks + most - 1) / most, chunk = (blocks + chunks - 1) / chunks;
        for (int64_t p0 = begin; p0 < end; p0 += PANELS) {
            const int32_t panels = least(PANELS, end - p0);
            for (int32_t p = 0; p < panels; p++) memset(acc[p], 0, (size_t)tokens * sizeof acc[p][0]);
            for (int64_t b0 = 0; b0 < blocks; b0 += chunk) {
                const int64_t count = b0 + chunk < blocks ? chunk : blocks - b0;
                // With one chunk the tiles of the first group serve all panels.
                if (chunks > 1 || p0 == begin) {
                    uint8_t *out = tile;
                    for (int32_t i = 0, t = 0; i < tiles; i++) {
                        const int32_t size = part_size(tokens, tiles, i);
                        copy_tile(w, t0 + t, size, b0, count, out);
                        t += size;
                        out += count * SK_TILE_BLOCK_BYTES(size);
                    }
                }
                for (int32_t p = 0; p < panels; p++) {
                    const uint8_t *panel = (const uint8_t *)w->matrix.data + (size_t)(p0 + p) * panel_bytes;
                    const uint16_t *scales = (const uint16_t *)(panel + blocks * quant_bytes) + b0 * scale_count;
                    const uint8_t *quants = panel + b0 * quant_bytes, *x = tile;
                    if (expand) {
                        expand(quants, count, wide);
                        quants = wide;
                    }
                    for (int32_t i = 0, t = 0; i < tiles; i++) {
                        const int32_t size = part_size(tokens, tiles, i);
                        kernels[size](quants, scales, count, x, acc[p][t]);
                        t += size;
                        x += count * SK_TILE_BLOCK_BYTES(size);
                    }
                }
            }
            finish(w, p0, panels, t0, tokens, acc);
        }
    }
}

static void walk_floats(const walk *w, int64_t begin, int64_t end) {
    const int32_t type = w->matrix.type;
    const int64_t columns = w->matrix.columns;
    const size_t panel_bytes = sk_panel_bytes(type, columns);
    const int64_t column_bytes = type == SK_F32 ? 64 : 32;
    __attribute__((aligned(64))) float acc[4][TOKENS][SK_PANEL_ROWS];
    __attribute__((aligned(64))) float wide[CHUNK_COLUMNS * SK_PANEL_ROWS];

    const int32_t groups = part_count(w->tokens, TOKENS);
    for (int32_t g = 0, t0 = 0, tokens; g < groups; g++, t0 += tokens) {
        tokens = part_size(w->tokens, groups, g);
        const int32_t tiles = part_count(tokens, w->kernels->float_tile);
        const float *rows[TOKENS];
        for (int32_t t = 0; t < tokens; t++) rows[t] = w->x->f32 + token_at(w, t0 + t) * w->x->f32_stride;
        for (int64_t p0 = begin; p0 < end; p0 += 4) {
            const int32_t panels = least(4, end - p0);
            const uint8_t *data = (const uint8_t *)w->matrix.data + (size_t)p0 * panel_bytes;
            if (tokens == 1 && panels == 4) {
                // One token has only one chain of sums per row: four panels at once hide its latency.
                float sums[4][SK_PANEL_ROWS] = {{0}};
                w->kernels->four_panels[type](data, (int64_t)panel_bytes, columns, rows, sums[0]);
                for (int32_t p = 0; p < 4; p++) memcpy(acc[p][0], sums[p], sizeof sums[p]);
                finish(w, p0, panels, t0, tokens, acc);
                continue;
            }
            for (int32_t p = 0; p < panels; p++) memset(acc[p], 0, (size_t)tokens * sizeof acc[p][0]);
            for (int64_t c0 = 0; c0 < columns; c0 += CHUNK_COLUMNS) {
                const int64_t count = c0 + CHUNK_COLUMNS < columns ? CHUNK_COLUMNS : columns - c0;
                for (int32_t p = 0; p < panels; p++) {
                    const uint8_t *panel = data + (size_t)p * panel_bytes + c0 * column_bytes;
                    const int32_t widened = tiles > 1 && type != SK_F32;
                    if (widened) w->kernels->widen[type](panel, count, wide);
                    for (int32_t i = 0, t = 0; i < tiles; i++) {
                        const int32_t size = part_size(tokens, tiles, i);
                        const float *x[SK_TILE_LIMIT];
                        for (int32_t k = 0; k < size; k++) x[k] = rows[t + k] + c0;
                        w->kernels->floats[widened ? SK_F32 : type][size](widened ? (const uint8_t *)wide : panel, 0, count,
                                                                          x, acc[p][t]);
                        t += size;
                    }
                }
            }
            finish(w, p0, panels, t0, tokens, acc);
        }
    }
}

static void walk_panels(const walk *w, int64_t begin, int64_t end) {
    if (sk_is_blocked(w->matrix.type)) {
        walk_blocks(w, begin, end);
    } else {
        walk_floats(w, begin, end);
    }
}

void sk_tiles_matmul(const sk_tile_kernels *kernels, const sk_matmul_job *job, const sk_epilogue *epilogue,
                     int32_t begin, int32_t end) {
    int32_t first = 0;
    for (int32_t p = 0; p < job->projection_count; p++) {
        const sk_projection *projection = &job->projections[p];
        const int32_t panels = sk_panels_of(projection->matrix.rows);
        const int32_t from = begin > first ? begin - first : 0, to = end - first < panels ? end - first : panels;
        const walk w = {kernels,  projection,       NULL,       epilogue, projection->matrix,
                        &job->x,  job->token_index, job->tokens};
        if (from < to) walk_panels(&w, from, to);
        first += panels;
    }
}

void sk_tiles_gated(const sk_tile_kernels *kernels, const sk_gated_job *job, int32_t begin, int32_t end) {
    const walk w = {kernels, NULL, job, NULL, job->gate_up, &job->x, job->token_index, job->tokens};
    if (begin < end) walk_panels(&w, 2 * (int64_t)begin, 2 * (int64_t)end);
}
