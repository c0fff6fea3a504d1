// GGUF block formats: sizes and dequantization (import and tests only; scalar).
#ifndef SK_BLOCKS_H
#define SK_BLOCKS_H
#include <stddef.h>
#include <stdint.h>

typedef enum {
    SK_GGML_F32 = 0, SK_GGML_F16 = 1, SK_GGML_Q4_0 = 2, SK_GGML_Q4_1 = 3, SK_GGML_Q5_0 = 6, SK_GGML_Q5_1 = 7,
    SK_GGML_Q8_0 = 8, SK_GGML_Q4_K = 12, SK_GGML_Q5_K = 13, SK_GGML_Q6_K = 14, SK_GGML_BF16 = 30,
    SK_GGML_MXFP4 = 39
} sk_ggml_type;

// Weights per block and bytes per block; 0 for a type that is not supported.
int32_t sk_ggml_block_weights(int32_t type);
int32_t sk_ggml_block_bytes(int32_t type);
// Dequantizes `count` weights (a multiple of the block). Returns 0, or -1 for an unknown type or ragged count.
int32_t sk_ggml_dequantize(int32_t type, const void *blocks, int64_t count, float *out);
float sk_half_to_float(uint16_t half);
uint16_t sk_float_to_half(float value);      // round to nearest even
float sk_bfloat16_to_float(uint16_t value);
uint16_t sk_float_to_bfloat16(float value);  // round to nearest even, NaN stays NaN
#endif
