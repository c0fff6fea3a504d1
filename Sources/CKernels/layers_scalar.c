#include "layers_levels.h"
#include "sk_gelu.h"

void sk_layer_norm_scalar(const float *x, int64_t x_stride, const float *weight, const float *bias, float epsilon,
                          int32_t rows, int32_t columns, float *out, int64_t out_stride) {
    for (int32_t row = 0; row < rows; row++) {
        const float *from = x + row * x_stride;
        float *to = out + row * out_stride;
        float lanes[SK_LANES] = {0};
        for (int32_t i = 0; i < columns; i++) lanes[i % SK_LANES] += from[i];
        const float mean = sk_step_sum(lanes) / (float)columns;
        memset(lanes, 0, sizeof lanes);
        for (int32_t i = 0; i < columns; i++) {
            const float distance = from[i] - mean;
            lanes[i % SK_LANES] = fmaf(distance, distance, lanes[i % SK_LANES]);
        }
        const float factor = 1.0f / sqrtf(sk_step_sum(lanes) / (float)columns + epsilon);
        for (int32_t i = 0; i < columns; i++) to[i] = fmaf((from[i] - mean) * factor, weight[i], bias[i]);
    }
}

void sk_gelu_scalar(float *x, int64_t count) {
    for (int64_t i = 0; i < count; i++) x[i] = sk_step_gelu(x[i]);
}

void sk_gelu_tanh_scalar(float *x, int64_t count) {
    for (int64_t i = 0; i < count; i++) x[i] = sk_step_gelu_tanh(x[i]);
}
