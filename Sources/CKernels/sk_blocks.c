#include "sk_blocks.h"

#include <string.h>

#include "sk_ggml.h"
#include "sk_half.h"

float sk_half_to_float(uint16_t half) { return sk_half_value(half); }
uint16_t sk_float_to_half(float value) { return sk_half_bits(value); }
float sk_bfloat16_to_float(uint16_t value) { return sk_bfloat16_value(value); }
uint16_t sk_float_to_bfloat16(float value) { return sk_bfloat16_bits(value); }

int32_t sk_ggml_block_weights(int32_t type) {
    switch (type) {
    case SK_GGML_F32: case SK_GGML_F16: case SK_GGML_BF16: return 1;
    case SK_GGML_Q4_0: case SK_GGML_Q4_1: case SK_GGML_Q5_0: case SK_GGML_Q5_1: case SK_GGML_Q8_0: case SK_GGML_MXFP4:
        return 32;
    case SK_GGML_Q4_K: case SK_GGML_Q5_K: case SK_GGML_Q6_K: return 256;
    default: return 0;
    }
}

int32_t sk_ggml_block_bytes(int32_t type) {
    switch (type) {
    case SK_GGML_F32: return 4;
    case SK_GGML_F16: case SK_GGML_BF16: return 2;
    case SK_GGML_Q4_0: return 18;
    case SK_GGML_Q4_1: return 20;
    case SK_GGML_Q5_0: return 22;
    case SK_GGML_Q5_1: return 24;
    case SK_GGML_Q8_0: return 34;
    case SK_GGML_MXFP4: return 17;
    case SK_GGML_Q4_K: return 144;
    case SK_GGML_Q5_K: return 176;
    case SK_GGML_Q6_K: return 210;
    default: return 0;
    }
}

static void block_q4_0(const uint8_t *block, float *out) {
    const float scale = sk_half_value(sk_ggml_u16(block));
    for (int i = 0; i < 16; i++) {
        out[i] = scale * (float)((block[2 + i] & 15) - 8);
        out[i + 16] = scale * (float)((block[2 + i] >> 4) - 8);
    }
}

static void block_q4_1(const uint8_t *block, float *out) {
    const float scale = sk_half_value(sk_ggml_u16(block)), minimum = sk_half_value(sk_ggml_u16(block + 2));
    for (int i = 0; i < 16; i++) {
        out[i] = scale * (float)(block[4 + i] & 15) + minimum;
        out[i + 16] = scale * (float)(block[4 + i] >> 4) + minimum;
    }
}

static void block_q5_0(const uint8_t *block, float *out) {
    const float scale = sk_half_value(sk_ggml_u16(block));
    int8_t quants[32];
    sk_ggml_q5_0_quants(block, quants);
    for (int i = 0; i < 32; i++) out[i] = scale * (float)quants[i];
}

static void block_q5_1(const uint8_t *block, float *out) {
    const float scale = sk_half_value(sk_ggml_u16(block)), minimum = sk_half_value(sk_ggml_u16(block + 2));
    uint32_t fifth;
    memcpy(&fifth, block + 4, 4);
    for (int i = 0; i < 16; i++) {
        const uint32_t low = (block[8 + i] & 15u) | ((fifth >> i) & 1) << 4;
        const uint32_t high = (block[8 + i] >> 4) | ((fifth >> (i + 16)) & 1) << 4;
        out[i] = scale * (float)low + minimum;
        out[i + 16] = scale * (float)high + minimum;
    }
}

static void block_q8_0(const uint8_t *block, float *out) {
    const float scale = sk_half_value(sk_ggml_u16(block));
    for (int i = 0; i < 32; i++) out[i] = scale * (float)(int8_t)block[2 + i];
}

static void block_mxfp4(const uint8_t *block, float *out) {
    const float scale = sk_ggml_half_e8m0(block[0]);
    for (int i = 0; i < 16; i++) {
        out[i] = scale * (float)((int)sk_mxfp4_table[block[1 + i] & 15] - 12);
        out[i + 16] = scale * (float)((int)sk_mxfp4_table[block[1 + i] >> 4] - 12);
    }
}

static void block_q4_k(const uint8_t *block, float *out) {
    const float d = sk_half_value(sk_ggml_u16(block)), d_minimum = sk_half_value(sk_ggml_u16(block + 2));
    for (int part = 0; part < 8; part++) {
        uint8_t scale, minimum;
        sk_ggml_k_scale(block + 4, part, &scale, &minimum);
        const float a = d * (float)scale, b = d_minimum * (float)minimum;
        const uint8_t *quants = block + 16 + 32 * (part / 2);
        for (int i = 0; i < 32; i++) {
            out[32 * part + i] = a * (float)(part & 1 ? quants[i] >> 4 : quants[i] & 15) - b;
        }
    }
}

static void block_q5_k(const uint8_t *block, float *out) {
    const float d = sk_half_value(sk_ggml_u16(block)), d_minimum = sk_half_value(sk_ggml_u16(block + 2));
    const uint8_t *fifth = block + 16;
    for (int part = 0; part < 8; part++) {
        uint8_t scale, minimum;
        sk_ggml_k_scale(block + 4, part, &scale, &minimum);
        const float a = d * (float)scale, b = d_minimum * (float)minimum;
        const uint8_t *quants = block + 48 + 32 * (part / 2);
        for (int i = 0; i < 32; i++) {
            const int nibble = part & 1 ? quants[i] >> 4 : quants[i] & 15;
            out[32 * part + i] = a * (float)(nibble + 16 * ((fifth[i] >> part) & 1)) - b;
        }
    }
}

static void block_q6_k(const uint8_t *block, float *out) {
    const float d = sk_half_value(sk_ggml_u16(block + 208));
    for (int half = 0; half < 2; half++) {
        const uint8_t *low = block + 64 * half, *high = block + 128 + 32 * half;
        const int8_t *scales = (const int8_t *)(block + 192 + 8 * half);
        for (int part = 0; part < 4; part++) {
            for (int i = 0; i < 32; i++) {
                const uint8_t byte = low[(part & 1) * 32 + i];
                const int nibble = part < 2 ? byte & 15 : byte >> 4;
                const int quant = (nibble | ((high[i] >> (2 * part)) & 3) << 4) - 32;
                out[128 * half + 32 * part + i] = d * (float)scales[2 * part + i / 16] * (float)quant;
            }
        }
    }
}

int32_t sk_ggml_dequantize(int32_t type, const void *blocks, int64_t count, float *out) {
    const int32_t weights = sk_ggml_block_weights(type), bytes = sk_ggml_block_bytes(type);
    if (weights == 0 || count < 0 || count % weights != 0) return -1;
    const uint8_t *block = blocks;
    for (int64_t i = 0; i < count; i += weights, block += bytes, out += weights) {
        switch (type) {
        case SK_GGML_F32: memcpy(out, block, 4); break;
        case SK_GGML_F16: *out = sk_half_value(sk_ggml_u16(block)); break;
        case SK_GGML_BF16: *out = sk_bfloat16_value(sk_ggml_u16(block)); break;
        case SK_GGML_Q4_0: block_q4_0(block, out); break;
        case SK_GGML_Q4_1: block_q4_1(block, out); break;
        case SK_GGML_Q5_0: block_q5_0(block, out); break;
        case SK_GGML_Q5_1: block_q5_1(block, out); break;
        case SK_GGML_Q8_0: block_q8_0(block, out); break;
        case SK_GGML_Q4_K: block_q4_k(block, out); break;
        case SK_GGML_Q5_K: block_q5_k(block, out); break;
        case SK_GGML_Q6_K: block_q6_k(block, out); break;
        case SK_GGML_MXFP4: block_mxfp4(block, out); break;
        default: return -1;
        }
    }
    return 0;
}
