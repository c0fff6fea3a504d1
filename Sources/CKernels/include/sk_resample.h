// Resampling of 8-bit RGB rows with fixed-point filters: the two passes of a separable resize.
#ifndef SK_RESAMPLE_H
#define SK_RESAMPLE_H
#include <stdint.h>

#include "sk_cpu.h"

// Taps are padded with zero weights to a multiple of this many.
#define SK_RESAMPLE_TAPS 16

// Output o = clamp((2^(shift - 1) + sum_j weights[o * stride + j] * input[starts[o] + j]) >> shift, 0, 255).
// The sum of |weights| * 255 must fit an int32_t; counts[o] <= stride is how many taps are not padding.
typedef struct {
    const int32_t *starts;
    const int32_t *counts;
    const int16_t *weights;    // [outputs][stride]
    int32_t stride;            // a multiple of SK_RESAMPLE_TAPS
    int32_t outputs;
    int32_t shift;             // 1...22
} sk_resample_taps;

// Along a row: `width` RGB pixels to taps->outputs RGB pixels.
// planes: scratch of 3 * plane_stride elements, plane_stride >= width + taps->stride.
void sk_resample_row(const uint8_t *rgb, int32_t width, const sk_resample_taps *taps, int16_t *planes,
                     int32_t plane_stride, uint8_t *out);
void sk_resample_row_scalar(const uint8_t *rgb, int32_t width, const sk_resample_taps *taps, int16_t *planes,
                            int32_t plane_stride, uint8_t *out);
// Across rows: one output row of `bytes` bytes, from rows `bytes` apart; rows + 0 is the row taps->starts[output].
void sk_resample_column(const uint8_t *rows, int32_t bytes, const sk_resample_taps *taps, int32_t output,
                        uint8_t *out);
void sk_resample_column_scalar(const uint8_t *rows, int32_t bytes, const sk_resample_taps *taps, int32_t output,
                               uint8_t *out);
#endif
