// Fitting one block of up to 32 finite floats to a quantized type. Each returns 0, or -1 if half cannot hold the scale.
#ifndef SK_FIT_H
#define SK_FIT_H
#include <stdint.h>

int32_t sk_fit_q8(const float *x, int32_t count, int8_t *quants, uint16_t *scale);
// Scale and minimum by least squares, alternating with rounding, from several clipped ranges.
int32_t sk_fit_q4(const float *x, int32_t count, uint8_t *nibbles, uint16_t *scale, uint16_t *minimum);
// Power-of-two scale: the smallest that clips nothing, or half of it where that errs less.
int32_t sk_fit_mxfp4(const float *x, int32_t count, uint8_t *nibbles, uint16_t *scale, uint16_t *minimum);

// A panel without rows: every weight is zero.
void sk_clear_panel(int32_t type, int64_t columns, void *panel);

#endif
