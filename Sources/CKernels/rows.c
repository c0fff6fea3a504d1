// Row kernels: the entry points, choosing the level of the running processor.
#include "rows_levels.h"
#include "sk_dispatch.h"

void sk_rms_norm(const float *x, int64_t x_stride, const float *weight, float epsilon, int32_t rows, int32_t columns,
                 float *out, int64_t out_stride) {
    SK_DISPATCH(sk_rms_norm, x, x_stride, weight, epsilon, rows, columns, out, out_stride);
}

void sk_add(float *y, const float *x, int64_t count) {
    SK_DISPATCH(sk_add, y, x, count);
}

void sk_add_scaled(float *y, const float *x, float scale, int64_t count) {
    SK_DISPATCH(sk_add_scaled, y, x, scale, count);
}

void sk_scale(float *y, float scale, int64_t count) {
    SK_DISPATCH(sk_scale, y, scale, count);
}

void sk_softmax(float *x, int32_t count) {
    SK_DISPATCH(sk_softmax, x, count);
}

void sk_sigmoid(float *x, int32_t count) {
    SK_DISPATCH(sk_sigmoid, x, count);
}

int32_t sk_argmax(const float *x, int64_t count) {
    SK_DISPATCH(sk_argmax, x, count);
}

double sk_log_sum_exp(const float *x, int64_t count) {
    SK_DISPATCH(sk_log_sum_exp, x, count);
}

void sk_rotate_rows(const float *x, int64_t x_stride, int32_t rows, int32_t columns, int32_t begin, int32_t width,
                    const float *cosines, const float *sines, int64_t table_stride, float *out, int64_t out_stride) {
    SK_DISPATCH(sk_rotate_rows, x, x_stride, rows, columns, begin, width, cosines, sines, table_stride, out,
                out_stride);
}
