// Where things lie in a panel (the layout itself is described in sk_matmul.h).
#ifndef SK_PANEL_H
#define SK_PANEL_H
#include "sk_half.h"
#include "sk_matmul.h"

static inline int32_t sk_is_blocked(int32_t type) { return type >= SK_Q8 && type <= SK_MXFP4; }

static inline int64_t sk_blocks(int64_t columns) { return (columns + SK_BLOCK - 1) / SK_BLOCK; }

static inline int32_t sk_panels_of(int32_t rows) { return (int32_t)(((int64_t)rows + SK_PANEL_ROWS - 1) / SK_PANEL_ROWS); }

// Bytes of quants of one block: 16 rows x 32 columns.
#define SK_Q8_BLOCK_BYTES 512
#define SK_Q4_BLOCK_BYTES 256

// Scales of a q8 panel: [blocks][16] half.
static inline const uint16_t *sk_q8_scales(const void *panel, int64_t columns) {
    return (const uint16_t *)((const uint8_t *)panel + sk_blocks(columns) * SK_Q8_BLOCK_BYTES);
}

// Scales and minima of a q4 or mxfp4 panel: [blocks][2][16] half.
static inline const uint16_t *sk_q4_scales(const void *panel, int64_t columns) {
    return (const uint16_t *)((const uint8_t *)panel + sk_blocks(columns) * SK_Q4_BLOCK_BYTES);
}

// Offset of a column (0..31) of one row in a block's quants: q8 one byte each, q4 two columns (c, c + 16) a byte.
static inline int32_t sk_q8_at(int32_t row, int32_t column) { return (column / 4) * 64 + row * 4 + column % 4; }
static inline int32_t sk_q4_at(int32_t row, int32_t column) { return sk_q8_at(row, column % 16); }

#endif
