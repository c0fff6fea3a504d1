// Layer norm and GELU: the entry points, choosing the level of the running processor.
#include "layers_levels.h"
#include "sk_dispatch.h"

void sk_layer_norm(const float *x, int64_t x_stride, const float *weight, const float *bias, float epsilon,
                   int32_t rows, int32_t columns, float *out, int64_t out_stride) {
    SK_DISPATCH(sk_layer_norm, x, x_stride, weight, bias, epsilon, rows, columns, out, out_stride);
}

void sk_gelu(float *x, int64_t count) {
    SK_DISPATCH(sk_gelu, x, count);
}

void sk_gelu_tanh(float *x, int64_t count) {
    SK_DISPATCH(sk_gelu_tanh, x, count);
}
