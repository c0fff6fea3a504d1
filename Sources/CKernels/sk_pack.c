#include "sk_pack.h"

#include <math.h>
#include <string.h>

#include "sk_fit.h"
#include "sk_panel.h"

// 12 + 2 * e2m1: twelve plus 0, 0.5, 1, 1.5, 2, 3, 4, 6 doubled, with either sign.
const uint8_t sk_mxfp4_table[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

static int64_t bytes_per_columns(int32_t type, int64_t columns) {
    switch (type) {
    case SK_F32: return columns * 64;
    case SK_F16: return (columns * 32 + 63) / 64 * 64;
    case SK_BF16: return (columns + 1) / 2 * 64;
    case SK_Q8: return sk_blocks(columns) * SK_Q8_BLOCK_BYTES + (sk_blocks(columns) * 32 + 63) / 64 * 64;
    case SK_Q4: case SK_MXFP4: return sk_blocks(columns) * (SK_Q4_BLOCK_BYTES + 64);
    default: return 0;
    }
}

size_t sk_panel_bytes(int32_t type, int64_t columns) {
    // Rows and columns of a matrix are int32 everywhere else.
    if (columns <= 0 || columns > INT32_MAX) return 0;
    return (size_t)bytes_per_columns(type, columns);
}

size_t sk_packed_bytes(int32_t type, int64_t rows, int64_t columns) {
    const size_t panel = sk_panel_bytes(type, columns);
    if (panel == 0 || rows <= 0 || rows > INT32_MAX) return 0;
    size_t total;
    if (__builtin_mul_overflow(panel, (size_t)((rows + SK_PANEL_ROWS - 1) / SK_PANEL_ROWS), &total)) return 0;
    return total > INT64_MAX ? 0 : total;
}

// Stores one row; each returns 0, or -1 if a value does not fit the type.

static int32_t store_f16(const float *row, int32_t index, int64_t columns, uint16_t *panel) {
    for (int64_t c = 0; c < columns; c++) {
        const uint16_t half = sk_half_bits(row[c]);
        if (!sk_half_is_finite(half)) return -1;
        panel[c * SK_PANEL_ROWS + index] = half;
    }
    return 0;
}

static int32_t store_bf16(const float *row, int32_t index, int64_t columns, uint16_t *panel) {
    for (int64_t c = 0; c < columns; c++) {
        const uint16_t value = sk_bfloat16_bits(row[c]);
        if ((value & 0x7f80) == 0x7f80) return -1;
        panel[(c / 2) * 2 * SK_PANEL_ROWS + index * 2 + c % 2] = value;
    }
    return 0;
}

static int32_t store_q8(const float *row, int32_t index, int64_t columns, uint8_t *panel) {
    uint16_t *scales = (uint16_t *)sk_q8_scales(panel, columns);
    for (int64_t block = 0; block < sk_blocks(columns); block++) {
        const int32_t count = (int32_t)(columns - block * SK_BLOCK < SK_BLOCK ? columns - block * SK_BLOCK : SK_BLOCK);
        int8_t quants[SK_BLOCK];
        uint16_t scale;
        if (sk_fit_q8(row + block * SK_BLOCK, count, quants, &scale) != 0) return -1;
        for (int32_t c = 0; c < count; c++) {
            panel[block * SK_Q8_BLOCK_BYTES + sk_q8_at(index, c)] = (uint8_t)(quants[c] + 128);
        }
        scales[block * SK_PANEL_ROWS + index] = scale;
    }
    return 0;
}

static int32_t store_q4(int32_t type, const float *row, int32_t index, int64_t columns, uint8_t *panel) {
    uint16_t *scales = (uint16_t *)sk_q4_scales(panel, columns);
    for (int64_t block = 0; block < sk_blocks(columns); block++) {
        const int32_t count = (int32_t)(columns - block * SK_BLOCK < SK_BLOCK ? columns - block * SK_BLOCK : SK_BLOCK);
        uint8_t nibbles[SK_BLOCK] = {0};
        uint16_t scale, minimum;
        const float *x = row + block * SK_BLOCK;
        const int32_t failed = type == SK_Q4 ? sk_fit_q4(x, count, nibbles, &scale, &minimum)
                                             : sk_fit_mxfp4(x, count, nibbles, &scale, &minimum);
        if (failed) return -1;
        for (int32_t c = 0; c < 16; c++) {
            panel[block * SK_Q4_BLOCK_BYTES + sk_q4_at(index, c)] = (uint8_t)(nibbles[c] | nibbles[c + 16] << 4);
        }
        scales[block * 32 + index] = scale;
        scales[block * 32 + 16 + index] = minimum;
    }
    return 0;
}

static int32_t store_row(int32_t type, const float *row, int32_t index, int64_t columns, void *panel) {
    switch (type) {
    case SK_F32:
        for (int64_t c = 0; c < columns; c++) ((float *)panel)[c * SK_PANEL_ROWS + index] = row[c];
        return 0;
    case SK_F16: return store_f16(row, index, columns, panel);
    case SK_BF16: return store_bf16(row, index, columns, panel);
    case SK_Q8: return store_q8(row, index, columns, panel);
    default: return store_q4(type, row, index, columns, panel);
    }
}

void sk_clear_panel(int32_t type, int64_t columns, void *panel) {
    memset(panel, 0, sk_panel_bytes(type, columns));
    // A q8 quant of zero is stored as 128.
    if (type == SK_Q8) memset(panel, 128, (size_t)sk_blocks(columns) * SK_Q8_BLOCK_BYTES);
}

int32_t sk_pack_panel_f32(int32_t type, const float *source, int32_t row_count, int64_t columns, void *panel) {
    if (sk_panel_bytes(type, columns) == 0 || row_count < 0 || row_count > SK_PANEL_ROWS) return -1;
    sk_clear_panel(type, columns, panel);
    for (int32_t row = 0; row < row_count; row++) {
        const float *x = source + row * columns;
        int32_t failed = 0;
        for (int64_t c = 0; c < columns; c++) failed |= !isfinite(x[c]);
        if (failed || store_row(type, x, row, columns, panel) != 0) {
            sk_clear_panel(type, columns, panel);
            return -1;
        }
    }
    return 0;
}

static void unpack_q8(const uint8_t *panel, int32_t row, int64_t columns, float *out) {
    const uint16_t *scales = sk_q8_scales(panel, columns);
    for (int64_t c = 0; c < columns; c++) {
        const int64_t block = c / SK_BLOCK;
        const uint8_t quant = panel[block * SK_Q8_BLOCK_BYTES + sk_q8_at(row, (int32_t)(c % SK_BLOCK))];
        out[c] = sk_half_value(scales[block * SK_PANEL_ROWS + row]) * (float)((int32_t)quant - 128);
    }
}

static void unpack_q4(int32_t type, const uint8_t *panel, int32_t row, int64_t columns, float *out) {
    const uint16_t *scales = sk_q4_scales(panel, columns);
    for (int64_t c = 0; c < columns; c++) {
        const int64_t block = c / SK_BLOCK;
        const int32_t column = (int32_t)(c % SK_BLOCK);
        const uint8_t byte = panel[block * SK_Q4_BLOCK_BYTES + sk_q4_at(row, column)];
        const uint8_t nibble = column < 16 ? byte & 15 : byte >> 4;
        const float scale = sk_half_value(scales[block * 32 + row]);
        const float minimum = sk_half_value(scales[block * 32 + 16 + row]);
        out[c] = scale * (float)(type == SK_Q4 ? nibble : sk_mxfp4_table[nibble]) + minimum;
    }
}

void sk_unpack_row(const sk_matrix *matrix, int32_t row, float *out) {
    const int64_t columns = matrix->columns;
    const uint8_t *panel = (const uint8_t *)matrix->data
        + (size_t)(row / SK_PANEL_ROWS) * sk_panel_bytes(matrix->type, columns);
    row %= SK_PANEL_ROWS;
    switch (matrix->type) {
    case SK_F32:
        for (int64_t c = 0; c < columns; c++) out[c] = ((const float *)panel)[c * SK_PANEL_ROWS + row];
        break;
    case SK_F16:
        for (int64_t c = 0; c < columns; c++) {
            out[c] = sk_half_value(((const uint16_t *)panel)[c * SK_PANEL_ROWS + row]);
        }
        break;
    case SK_BF16:
        for (int64_t c = 0; c < columns; c++) {
            out[c] = sk_bfloat16_value(((const uint16_t *)panel)[(c / 2) * 2 * SK_PANEL_ROWS + row * 2 + c % 2]);
        }
        break;
    case SK_Q8: unpack_q8(panel, row, columns, out); break;
    default: unpack_q4(matrix->type, panel, row, columns, out); break;
    }
}
