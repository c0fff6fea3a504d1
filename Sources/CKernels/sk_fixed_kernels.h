// What a level brings to products in fixed point, and the driver that walks panels and tokens with it.
#ifndef SK_FIXED_KERNELS_H
#define SK_FIXED_KERNELS_H
#include "sk_fixed.h"

#define SK_FIXED_TILE 12         // most tokens of one kernel call, at any level
#define SK_FIXED_LARGEST 8191.0f
#define SK_FIXED_BLOCK_VALUES (SK_BLOCK * SK_PANEL_ROWS)

// Blocks of a panel of bfloat16 pairs [pairs][16][2] as integers in the same order, whole blocks, and the scale of every
// row of every block.
typedef void (*sk_fixed_convert)(const uint16_t *panel, int64_t columns, int16_t *values, float *scales);
// acc[t][16] += panel x tokens over `blocks` blocks: fma(float(dot), weight_scale * x_scale, acc) block by block.
typedef void (*sk_fixed_kernel)(const int16_t *weights, const float *scales, int64_t blocks, const int16_t *const *x,
                                const float *const *x_scales, float *acc);

typedef struct {
    int32_t tile;
    sk_fixed_convert convert;
    sk_fixed_kernel kernels[SK_FIXED_TILE + 1];    // by tokens
    void (*pointwise)(int32_t pointwise, int32_t count, float *x);
    void (*rows_from)(const float *x, int64_t x_stride, int32_t columns, int32_t rows, const sk_fixed_rows *out);
} sk_fixed_level;

extern const sk_fixed_level sk_fixed_scalar;
#if defined(__x86_64__)
extern const sk_fixed_level sk_fixed_avx2, sk_fixed_avx512;
void sk_fixed_convert_avx2(const uint16_t *panel, int64_t columns, int16_t *values, float *scales);
void sk_fixed_rows_from_avx2(const float *x, int64_t x_stride, int32_t columns, int32_t rows, const sk_fixed_rows *out);
#endif

void sk_fixed_walk(const sk_fixed_level *level, const sk_fixed_job *job, int32_t begin, int32_t end);

#endif
