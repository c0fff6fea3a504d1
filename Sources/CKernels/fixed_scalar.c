// Products in fixed point: the portable twin.
#include <float.h>

#include "sk_fixed_kernels.h"
#include "sk_gelu.h"
#include "sk_panel.h"

// The larger of a block's exponents decides its scale: values below 2^(E + 1) become integers below 2^13. Blocks below
// 2^-110 count as zero: their scale would leave the range of normal floats.
static float block_factor(uint32_t largest, float *scale) {
    const uint32_t exponent = largest >> 7;
    *scale = 0;
    if (exponent < 17) return 0;
    const uint32_t factor_bits = (266 - exponent) << 23, scale_bits = (exponent - 12) << 23;
    float factor;
    memcpy(&factor, &factor_bits, sizeof factor);
    memcpy(scale, &scale_bits, sizeof *scale);
    return factor;
}

static void convert(const uint16_t *panel, int64_t columns, int16_t *values, float *scales) {
    for (int64_t first = 0; first < columns; first += SK_BLOCK, scales += SK_PANEL_ROWS) {
        for (int32_t row = 0; row < SK_PANEL_ROWS; row++) {
            uint32_t largest = 0;
            for (int64_t c = first; c < first + SK_BLOCK && c / 2 < (columns + 1) / 2; c++) {
                const uint32_t bits = panel[(c / 2 * SK_PANEL_ROWS + row) * 2 + c % 2] & 0x7fff;
                if (bits > largest) largest = bits;
            }
            const float factor = block_factor(largest, &scales[row]);
            for (int64_t c = first; c < first + SK_BLOCK; c++) {
                const int64_t at = (c / 2 * SK_PANEL_ROWS + row) * 2 + c % 2;
                // A pair of an odd matrix is padded; beyond it the block is.
                const float w = c / 2 < (columns + 1) / 2 ? sk_bfloat16_value(panel[at]) : 0.0f;
                values[at] = (int16_t)rintf(w * factor);
            }
        }
    }
}

static void kernel(const int16_t *weights, const float *scales, int64_t blocks, const int16_t *const *x,
                   const float *const *x_scales, float *acc) {
    for (int64_t b = 0; b < blocks; b++) {
        for (int32_t row = 0; row < SK_PANEL_ROWS; row++) {
            int32_t dot = 0;
            for (int32_t c = 0; c < SK_BLOCK; c++) {
                const int32_t w = weights[b * SK_FIXED_BLOCK_VALUES + (c / 2 * SK_PANEL_ROWS + row) * 2 + c % 2];
                dot += w * x[0][b * SK_BLOCK + c];
            }
            acc[row] = fmaf((float)dot, scales[b * SK_PANEL_ROWS + row] * x_scales[0][b], acc[row]);
        }
    }
}

static void pointwise(int32_t kind, int32_t count, float *x) {
    for (int32_t i = 0; i < count; i++) x[i] = sk_step_pointwise(kind, x[i]);
}

static float tame(float x) {
    if (x != x) return 0;
    return x > FLT_MAX ? FLT_MAX : x < -FLT_MAX ? -FLT_MAX : x;
}

static void rows_from(const float *x, int64_t x_stride, int32_t columns, int32_t rows, const sk_fixed_rows *out) {
    for (int32_t row = 0; row < rows; row++) {
        for (int64_t b = 0; b < sk_blocks(columns); b++) {
            const float *from = x + row * x_stride + b * SK_BLOCK;
            const int64_t count = columns - b * SK_BLOCK < SK_BLOCK ? columns - b * SK_BLOCK : SK_BLOCK;
            float largest = 0;
            for (int64_t i = 0; i < count; i++) {
                const float size = fabsf(tame(from[i]));
                if (size > largest) largest = size;
            }
            const int is_zero = !(largest >= 1e-30f);
            const float factor = is_zero ? 0 : SK_FIXED_LARGEST / largest;
            out->scale[row * out->block_stride + b] = is_zero ? 0 : largest / SK_FIXED_LARGEST;
            for (int64_t i = 0; i < SK_BLOCK; i++) {
                float value = i < count ? tame(from[i]) * factor : 0;
                value = value > SK_FIXED_LARGEST ? SK_FIXED_LARGEST : value;
                value = value < -SK_FIXED_LARGEST ? -SK_FIXED_LARGEST : value;
                out->values[row * out->stride + b * SK_BLOCK + i] = (int16_t)rintf(value);
            }
        }
    }
}

const sk_fixed_level sk_fixed_scalar = {
    .tile = 1, .convert = convert, .kernels = {NULL, kernel}, .pointwise = pointwise, .rows_from = rows_from};
