// Row kernels with vectors: the steps of rows_scalar.c, lane by lane. Included inside a target region with SK_NAME(x),
// the name of x at this level.
#include "sk_lanes.h"

// The vector at i of a row of `count`; a ragged end is filled with `rest`.
SK_ALWAYS v16 load_at(const float *row, int64_t i, int64_t count, float rest) {
    return i + SK_LANES <= count ? load16(row + i) : load_some(row + i, count - i, rest);
}

SK_ALWAYS void store_at(float *row, int64_t i, int64_t count, v16 x) {
    if (i + SK_LANES <= count) store16(row + i, x);
    else store_some(row + i, count - i, x);
}

void SK_NAME(sk_rms_norm)(const float *x, int64_t x_stride, const float *weight, float epsilon, int32_t rows,
                          int32_t columns, float *out, int64_t out_stride) {
    for (int32_t row = 0; row < rows; row++) {
        const float *from = x + row * x_stride;
        float *to = out + row * out_stride;
        v16 squares = 0;
        for (int32_t i = 0; i < columns; i += SK_LANES) {
            const v16 value = load_at(from, i, columns, 0);
            squares = fma16(value, value, squares);
        }
        const float factor = 1.0f / sqrtf(sum16(squares) / (float)columns + epsilon);
        for (int32_t i = 0; i < columns; i += SK_LANES) {
            store_at(to, i, columns, load_at(from, i, columns, 0) * factor * load_at(weight, i, columns, 0));
        }
    }
}

void SK_NAME(sk_add)(float *y, const float *x, int64_t count) {
    for (int64_t i = 0; i < count; i += SK_LANES) {
        store_at(y, i, count, load_at(y, i, count, 0) + load_at(x, i, count, 0));
    }
}

void SK_NAME(sk_add_scaled)(float *y, const float *x, float scale, int64_t count) {
    for (int64_t i = 0; i < count; i += SK_LANES) {
        store_at(y, i, count, fma16((v16)scale, load_at(x, i, count, 0), load_at(y, i, count, 0)));
    }
}

void SK_NAME(sk_scale)(float *y, float scale, int64_t count) {
    for (int64_t i = 0; i < count; i += SK_LANES) store_at(y, i, count, load_at(y, i, count, 0) * scale);
}

SK_ALWAYS float row_maximum(const float *x, int64_t count) {
    // Four sets of lanes: one would wait for itself. The order does not matter to a maximum, except for the sign of
    // a zero, which no caller can see.
    v16 top[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    int64_t i = 0;
    for (; i + 4 * SK_LANES <= count; i += 4 * SK_LANES) {
        for (int set = 0; set < 4; set++) top[set] = larger16(load16(x + i + set * SK_LANES), top[set]);
    }
    for (; i < count; i += SK_LANES) top[0] = larger16(load_at(x, i, count, -INFINITY), top[0]);
    return maximum16(larger16(larger16(top[0], top[1]), larger16(top[2], top[3])));
}

void SK_NAME(sk_softmax)(float *x, int32_t count) {
    const float maximum = row_maximum(x, count);
    const float base = maximum == -INFINITY ? 0.0f : maximum;
    v16 sum = 0;
    for (int32_t i = 0; i < count; i += SK_LANES) {
        const v16 weight = exp16(load_at(x, i, count, -INFINITY) - base);
        store_at(x, i, count, weight);
        sum += weight;
    }
    const float total = sum16(sum);
    if (total == 0) return;
    for (int32_t i = 0; i < count; i += SK_LANES) store_at(x, i, count, load_at(x, i, count, 0) / total);
}

void SK_NAME(sk_sigmoid)(float *x, int32_t count) {
    for (int32_t i = 0; i < count; i += SK_LANES) {
        store_at(x, i, count, 1.0f / (1.0f + exp16(-load_at(x, i, count, 0))));
    }
}

int32_t SK_NAME(sk_argmax)(const float *x, int64_t count) {
    const float maximum = row_maximum(x, count);
    int64_t i = 0;
    for (; i + SK_LANES <= count; i += SK_LANES) {
        if (__builtin_reduce_or(load16(x + i) == maximum)) break;
    }
    for (; i < count; i++) {
        if (x[i] == maximum) return (int32_t)i;
    }
    return -1;
}

double SK_NAME(sk_log_sum_exp)(const float *x, int64_t count) {
    const float maximum = row_maximum(x, count);
    const float base = isinf(maximum) ? 0.0f : maximum;
    d16 sum = 0;
    for (int64_t i = 0; i < count; i += SK_LANES) {
        sum += __builtin_convertvector(exp16(load_at(x, i, count, -INFINITY) - base), d16);
    }
    return (double)base + log(sum16_double(sum));
}

void SK_NAME(sk_rotate_rows)(const float *x, int64_t x_stride, int32_t rows, int32_t columns, int32_t begin,
                             int32_t width, const float *cosines, const float *sines, int64_t table_stride,
                             float *out, int64_t out_stride) {
    const int32_t half = width / 2, rest = begin + 2 * half;
    for (int32_t row = 0; row < rows; row++) {
        const float *from = x + row * x_stride;
        const float *cosine_row = cosines + row * table_stride, *sine_row = sines + row * table_stride;
        float *to = out + row * out_stride;
        if (to != from) {
            memcpy(to, from, sizeof(float) * (size_t)begin);
            memcpy(to + rest, from + rest, sizeof(float) * (size_t)(columns - rest));
        }
        for (int32_t i = 0; i < half; i += SK_LANES) {
            const v16 a = load_at(from + begin, i, half, 0), b = load_at(from + begin + half, i, half, 0);
            const v16 cosine = load_at(cosine_row, i, half, 0), sine = load_at(sine_row, i, half, 0);
            store_at(to + begin, i, half, fma16(a, cosine, -(b * sine)));
            store_at(to + begin + half, i, half, fma16(b, cosine, a * sine));
        }
    }
}
