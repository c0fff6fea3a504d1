#include <float.h>
#include <math.h>

#include "sk_panel.h"

// NaN counts as zero, infinities as the largest finite float.
static inline float tame(float v) { return v != v ? 0 : v > FLT_MAX ? FLT_MAX : v < -FLT_MAX ? -FLT_MAX : v; }

void sk_quantize_rows_scalar(const float *x, int64_t stride, int32_t columns, int32_t tokens,
                             const sk_activations *out) {
    const int64_t blocks = sk_blocks(columns);
    for (int32_t t = 0; t < tokens; t++) {
        const float *row = x + t * stride;
        int8_t *quants = (int8_t *)(uintptr_t)out->q8 + t * out->q8_stride;
        float *scales = (float *)(uintptr_t)out->scale + t * out->block_stride;
        float *sums = (float *)(uintptr_t)out->sum + t * out->block_stride;
        int32_t *offsets = (int32_t *)(uintptr_t)out->offset + t * out->block_stride;
        for (int64_t b = 0; b < blocks; b++) {
            const int32_t count = (int32_t)(columns - b * SK_BLOCK < SK_BLOCK ? columns - b * SK_BLOCK : SK_BLOCK);
            float values[SK_BLOCK] = {0};
            float largest = 0;
            for (int32_t i = 0; i < count; i++) {
                values[i] = tame(row[b * SK_BLOCK + i]);
                largest = fabsf(values[i]) > largest ? fabsf(values[i]) : largest;
            }
            const float scale = largest / 127.0f;
            int32_t sum = 0;
            for (int32_t i = 0; i < SK_BLOCK; i++) {
                // A subnormal scale is coarse: the quotient may pass 127.
                float q = scale > 0 ? values[i] / scale : 0;
                q = q > 127 ? 127 : q < -127 ? -127 : q;
                quants[b * SK_BLOCK + i] = (int8_t)((q + 12582912.0f) - 12582912.0f);
                sum += quants[b * SK_BLOCK + i];
            }
            scales[b] = scale;
            sums[b] = scale * (float)sum;
            offsets[b] = -128 * sum;
        }
    }
}
