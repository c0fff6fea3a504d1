// Layer norm and GELU of each level, as the dispatcher calls them.
#ifndef SK_LAYERS_LEVELS_H
#define SK_LAYERS_LEVELS_H
#include "sk_layers.h"

#if defined(__x86_64__)
#define SK_LAYERS_LEVEL(level)                                                                                        \
    void sk_layer_norm_##level(const float *x, int64_t x_stride, const float *weight, const float *bias,              \
                               float epsilon, int32_t rows, int32_t columns, float *out, int64_t out_stride);         \
    void sk_gelu_##level(float *x, int64_t count);                                                                    \
    void sk_gelu_tanh_##level(float *x, int64_t count);
SK_LAYERS_LEVEL(avx2)
SK_LAYERS_LEVEL(avx512)
#endif

#endif
