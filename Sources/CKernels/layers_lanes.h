// Layer norm and GELU with vectors: the steps of layers_scalar.c, lane by lane. Included inside a target region with
// SK_NAME(x), the name of x at this level.
#include "sk_lanes.h"

#include "sk_gelu_lanes.h"

// The vector at i of a row of `count`; a ragged end is filled with `rest`.
SK_ALWAYS v16 part_at(const float *row, int64_t i, int64_t count, float rest) {
    return i + SK_LANES <= count ? load16(row + i) : load_some(row + i, count - i, rest);
}

SK_ALWAYS void put_part(float *row, int64_t i, int64_t count, v16 x) {
    if (i + SK_LANES <= count) store16(row + i, x);
    else store_some(row + i, count - i, x);
}

void SK_NAME(sk_layer_norm)(const float *x, int64_t x_stride, const float *weight, const float *bias, float epsilon,
                            int32_t rows, int32_t columns, float *out, int64_t out_stride) {
    for (int32_t row = 0; row < rows; row++) {
        const float *from = x + row * x_stride;
        float *to = out + row * out_stride;
        v16 sum = 0;
        for (int32_t i = 0; i < columns; i += SK_LANES) sum += part_at(from, i, columns, 0);
        const float mean = sum16(sum) / (float)columns;
        v16 squares = 0;
        for (int32_t i = 0; i < columns; i += SK_LANES) {
            // The lanes behind a ragged end lie at the mean: no distance.
            const v16 distance = part_at(from, i, columns, mean) - mean;
            squares = fma16(distance, distance, squares);
        }
        const float factor = 1.0f / sqrtf(sum16(squares) / (float)columns + epsilon);
        for (int32_t i = 0; i < columns; i += SK_LANES) {
            const v16 value = (part_at(from, i, columns, 0) - mean) * factor;
            put_part(to, i, columns, fma16(value, part_at(weight, i, columns, 0), part_at(bias, i, columns, 0)));
        }
    }
}

void SK_NAME(sk_gelu)(float *x, int64_t count) {
    for (int64_t i = 0; i < count; i += SK_LANES) put_part(x, i, count, gelu16(part_at(x, i, count, 0)));
}

void SK_NAME(sk_gelu_tanh)(float *x, int64_t count) {
    for (int64_t i = 0; i < count; i += SK_LANES) put_part(x, i, count, gelu_tanh16(part_at(x, i, count, 0)));
}
