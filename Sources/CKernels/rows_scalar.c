#include <math.h>

#include "rows_levels.h"
#include "sk_steps.h"

void sk_rms_norm_scalar(const float *x, int64_t x_stride, const float *weight, float epsilon, int32_t rows,
                        int32_t columns, float *out, int64_t out_stride) {
    for (int32_t row = 0; row < rows; row++) {
        const float *from = x + row * x_stride;
        float *to = out + row * out_stride;
        float lanes[SK_LANES] = {0};
        for (int32_t i = 0; i < columns; i++) lanes[i % SK_LANES] = fmaf(from[i], from[i], lanes[i % SK_LANES]);
        const float factor = 1.0f / sqrtf(sk_step_sum(lanes) / (float)columns + epsilon);
        for (int32_t i = 0; i < columns; i++) to[i] = from[i] * factor * weight[i];
    }
}

void sk_add_scalar(float *y, const float *x, int64_t count) {
    for (int64_t i = 0; i < count; i++) y[i] += x[i];
}

void sk_add_scaled_scalar(float *y, const float *x, float scale, int64_t count) {
    for (int64_t i = 0; i < count; i++) y[i] = fmaf(scale, x[i], y[i]);
}

void sk_scale_scalar(float *y, float scale, int64_t count) {
    for (int64_t i = 0; i < count; i++) y[i] *= scale;
}

// The largest element in the 16-lane order; NaN never wins.
static float row_maximum(const float *x, int64_t count) {
    float lanes[SK_LANES];
    for (int lane = 0; lane < SK_LANES; lane++) lanes[lane] = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        if (x[i] > lanes[i % SK_LANES]) lanes[i % SK_LANES] = x[i];
    }
    return sk_step_maximum(lanes);
}

void sk_softmax_scalar(float *x, int32_t count) {
    const float maximum = row_maximum(x, count);
    // Without a finite element -inf - base must still give exp(-inf) = 0, and NaN must stay NaN.
    const float base = maximum == -INFINITY ? 0.0f : maximum;
    float lanes[SK_LANES] = {0};
    for (int32_t i = 0; i < count; i++) {
        x[i] = sk_step_exp(x[i] - base);
        lanes[i % SK_LANES] += x[i];
    }
    const float total = sk_step_sum(lanes);
    if (total == 0) return;
    for (int32_t i = 0; i < count; i++) x[i] /= total;
}

void sk_sigmoid_scalar(float *x, int32_t count) {
    for (int32_t i = 0; i < count; i++) x[i] = 1.0f / (1.0f + sk_step_exp(-x[i]));
}

int32_t sk_argmax_scalar(const float *x, int64_t count) {
    const float maximum = row_maximum(x, count);
    for (int64_t i = 0; i < count; i++) {
        if (x[i] == maximum) return (int32_t)i;
    }
    return -1;
}

double sk_log_sum_exp_scalar(const float *x, int64_t count) {
    const float maximum = row_maximum(x, count);
    // An infinite maximum would turn into inf - inf; with base 0 the exponentials give the right limit themselves.
    const float base = isinf(maximum) ? 0.0f : maximum;
    double lanes[SK_LANES] = {0};
    for (int64_t i = 0; i < count; i++) lanes[i % SK_LANES] += (double)sk_step_exp(x[i] - base);
    for (int half = SK_LANES / 2; half > 0; half /= 2) {
        for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
    }
    return (double)base + log(lanes[0]);
}

void sk_rotate_rows_scalar(const float *x, int64_t x_stride, int32_t rows, int32_t columns, int32_t begin,
                           int32_t width, const float *cosines, const float *sines, int64_t table_stride, float *out,
                           int64_t out_stride) {
    const int32_t half = width / 2;
    for (int32_t row = 0; row < rows; row++) {
        const float *from = x + row * x_stride;
        const float *cosine = cosines + row * table_stride, *sine = sines + row * table_stride;
        float *to = out + row * out_stride;
        if (to != from) {
            for (int32_t i = 0; i < begin; i++) to[i] = from[i];
            for (int32_t i = begin + 2 * half; i < columns; i++) to[i] = from[i];
        }
        for (int32_t i = 0; i < half; i++) {
            const float a = from[begin + i], b = from[begin + half + i];
            to[begin + i] = fmaf(a, cosine[i], -(b * sine[i]));
            to[begin + half + i] = fmaf(b, cosine[i], a * sine[i]);
        }
    }
}
