#include "sk_blocks.h"
#include "sk_fit.h"
#include "sk_ggml.h"
#include "sk_pack.h"
#include "sk_panel.h"

// One GGUF sub-block of 32 weights as a q4 block: nibbles in order of columns, scale, minimum.
typedef struct {
    uint8_t nibbles[SK_BLOCK];
    float scale, minimum;
} nibble_block;

static void read_nibbles(const uint8_t *bytes, uint8_t *nibbles) {
    for (int i = 0; i < 16; i++) {
        nibbles[i] = bytes[i] & 15;
        nibbles[i + 16] = bytes[i] >> 4;
    }
}

// Weights 32 * part ... of a GGUF block.
static void read_block(int32_t ggml_type, const uint8_t *block, int32_t part, nibble_block *out) {
    switch (ggml_type) {
    case SK_GGML_Q4_0:
        out->scale = sk_half_value(sk_ggml_u16(block));
        out->minimum = -8.0f * out->scale;
        read_nibbles(block + 2, out->nibbles);
        break;
    case SK_GGML_Q4_1:
        out->scale = sk_half_value(sk_ggml_u16(block));
        out->minimum = sk_half_value(sk_ggml_u16(block + 2));
        read_nibbles(block + 4, out->nibbles);
        break;
    case SK_GGML_MXFP4:
        out->scale = sk_ggml_half_e8m0(block[0]);
        read_nibbles(block + 1, out->nibbles);
        uint8_t any = 0;
        for (int i = 0; i < SK_BLOCK; i++) any |= out->nibbles[i] & 7;
        if (!any) out->scale = 0;  // a block of zeros, whatever its exponent says
        out->minimum = -12.0f * out->scale;
        break;
    default: {
        uint8_t scale, minimum;
        sk_ggml_k_scale(block + 4, part, &scale, &minimum);
        out->scale = sk_half_value(sk_ggml_u16(block)) * (float)scale;
        out->minimum = -sk_half_value(sk_ggml_u16(block + 2)) * (float)minimum;
        const uint8_t *bytes = block + 16 + 32 * (part / 2);
        for (int i = 0; i < SK_BLOCK; i++) out->nibbles[i] = part & 1 ? bytes[i] >> 4 : bytes[i] & 15;
        break;
    }
    }
}

static int32_t store_nibbles(int32_t ggml_type, const uint8_t *source, int32_t row, int64_t columns, uint8_t *panel) {
    const int32_t parts = sk_ggml_block_weights(ggml_type) / SK_BLOCK, bytes = sk_ggml_block_bytes(ggml_type);
    uint16_t *scales = (uint16_t *)sk_q4_scales(panel, columns);
    for (int64_t b = 0; b < columns / SK_BLOCK; b++) {
        nibble_block block;
        read_block(ggml_type, source + b / parts * bytes, (int32_t)(b % parts), &block);
        const uint16_t scale = sk_half_bits(block.scale), minimum = sk_half_bits(block.minimum);
        if (!sk_half_is_finite(scale) || !sk_half_is_finite(minimum)) return -1;
        for (int32_t c = 0; c < 16; c++) {
            panel[b * SK_Q4_BLOCK_BYTES + sk_q4_at(row, c)] = (uint8_t)(block.nibbles[c] | block.nibbles[c + 16] << 4);
        }
        scales[b * 32 + row] = scale;
        scales[b * 32 + 16 + row] = minimum;
    }
    return 0;
}

static int32_t store_bytes(int32_t ggml_type, const uint8_t *source, int32_t row, int64_t columns, uint8_t *panel) {
    const int32_t bytes = sk_ggml_block_bytes(ggml_type);
    uint16_t *scales = (uint16_t *)sk_q8_scales(panel, columns);
    for (int64_t b = 0; b < columns / SK_BLOCK; b++, source += bytes) {
        const uint16_t scale = sk_ggml_u16(source);
        if (!sk_half_is_finite(scale)) return -1;
        int8_t quants[SK_BLOCK];
        if (ggml_type == SK_GGML_Q8_0) {
            memcpy(quants, source + 2, SK_BLOCK);
        } else {
            sk_ggml_q5_0_quants(source, quants);
        }
        for (int32_t c = 0; c < SK_BLOCK; c++) {
            panel[b * SK_Q8_BLOCK_BYTES + sk_q8_at(row, c)] = (uint8_t)(quants[c] + 128);
        }
        scales[b * SK_PANEL_ROWS + row] = scale;
    }
    return 0;
}

int32_t sk_pack_panel_blocks(int32_t ggml_type, int32_t type, const void *const *sources, int32_t row_count,
                             int64_t columns, void *panel) {
    const int32_t to_q4 = type == SK_Q4
        && (ggml_type == SK_GGML_Q4_0 || ggml_type == SK_GGML_Q4_1 || ggml_type == SK_GGML_Q4_K);
    const int32_t to_q8 = type == SK_Q8 && (ggml_type == SK_GGML_Q5_0 || ggml_type == SK_GGML_Q8_0);
    const int32_t to_mxfp4 = type == SK_MXFP4 && ggml_type == SK_GGML_MXFP4;
    if (!(to_q4 || to_q8 || to_mxfp4)) return -1;
    if (sk_panel_bytes(type, columns) == 0 || columns % sk_ggml_block_weights(ggml_type) != 0) return -1;
    if (row_count < 0 || row_count > SK_PANEL_ROWS) return -1;
    sk_clear_panel(type, columns, panel);
    for (int32_t row = 0; row < row_count; row++) {
        const int32_t failed = to_q8 ? store_bytes(ggml_type, sources[row], row, columns, panel)
                                     : store_nibbles(ggml_type, sources[row], row, columns, panel);
        if (failed) {
            sk_clear_panel(type, columns, panel);
            return -1;
        }
    }
    return 0;
}
