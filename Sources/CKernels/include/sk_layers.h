// Row operations of encoder blocks: layer norm and GELU. As in sk_rows.h, sums run in a fixed order, so results do not
// depend on threads, and every level gives the same bytes.
#ifndef SK_LAYERS_H
#define SK_LAYERS_H
#include <stdint.h>

// out[t] = (x[t] - mean(x[t])) / sqrt(variance(x[t]) + epsilon) * weight + bias, the variance over all columns (not
// columns - 1). In place allowed. rows x columns. A row with NaN or infinity gives NaN, and spoils no other.
void sk_layer_norm(const float *x, int64_t x_stride, const float *weight, const float *bias, float epsilon,
                   int32_t rows, int32_t columns, float *out, int64_t out_stride);
void sk_layer_norm_scalar(const float *x, int64_t x_stride, const float *weight, const float *bias, float epsilon,
                          int32_t rows, int32_t columns, float *out, int64_t out_stride);

// In place x * P(normal <= x), the exact GELU. Error below 5e-7 of the result's size down to x = -13, below which results
// are 0, for -infinity too. NaN stays NaN.
void sk_gelu(float *x, int64_t count);
void sk_gelu_scalar(float *x, int64_t count);
// In place x / (1 + exp(-2u)), u = sqrt(2 / pi) * (x + 0.044715 x^3): the tanh approximation of GELU, written so that
// nothing cancels. Error below 3e-6 of the result's size where that is above 1e-6; -infinity gives NaN.
void sk_gelu_tanh(float *x, int64_t count);
void sk_gelu_tanh_scalar(float *x, int64_t count);

#endif
