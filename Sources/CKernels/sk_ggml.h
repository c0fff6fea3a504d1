// Fields inside GGUF blocks that both dequantization and packing read.
#ifndef SK_GGML_H
#define SK_GGML_H
#include <stdint.h>
#include <string.h>

#include "sk_half.h"
#include "sk_matmul.h"

static inline uint16_t sk_ggml_u16(const uint8_t *bytes) {
    uint16_t value;
    memcpy(&value, bytes, 2);
    return value;
}

// Half of the E8M0 scale: 2^(exponent - 128), subnormal for the two smallest.
static inline float sk_ggml_half_e8m0(uint8_t exponent) {
    return sk_bits_float(exponent < 2 ? (uint32_t)0x00200000 << exponent : (uint32_t)(exponent - 1) << 23);
}

// The 6-bit scale and minimum of sub-block `part` (0..7) of Q4_K and Q5_K: 12 bytes hold 8 pairs.
static inline void sk_ggml_k_scale(const uint8_t *packed, int part, uint8_t *scale, uint8_t *minimum) {
    if (part < 4) {
        *scale = packed[part] & 63;
        *minimum = packed[part + 4] & 63;
    } else {
        *scale = (uint8_t)((packed[part + 4] & 15) | (packed[part - 4] >> 6) << 4);
        *minimum = (uint8_t)((packed[part + 4] >> 4) | (packed[part] >> 6) << 4);
    }
}

// Quants -16 ... 15 of a Q5_0 block: half scale, 32 fifth bits, 16 bytes of nibbles.
static inline void sk_ggml_q5_0_quants(const uint8_t *block, int8_t quants[32]) {
    uint32_t fifth;
    memcpy(&fifth, block + 2, 4);
    for (int i = 0; i < 16; i++) {
        quants[i] = (int8_t)((int)((block[6 + i] & 15u) | ((fifth >> i) & 1) << 4) - 16);
        quants[i + 16] = (int8_t)((int)((block[6 + i] >> 4) | ((fifth >> (i + 16)) & 1) << 4) - 16);
    }
}

#endif
