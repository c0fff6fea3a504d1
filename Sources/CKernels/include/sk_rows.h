// Operations on rows of floats. Every one accumulates in a fixed order, so results do not depend on threads.
#ifndef SK_ROWS_H
#define SK_ROWS_H
#include <stddef.h>
#include <stdint.h>

// out[t] = x[t] / sqrt(mean(x[t]^2) + epsilon) * weight. In place allowed. rows x columns.
void sk_rms_norm(const float *x, int64_t x_stride, const float *weight, float epsilon, int32_t rows, int32_t columns,
                 float *out, int64_t out_stride);
void sk_rms_norm_scalar(const float *x, int64_t x_stride, const float *weight, float epsilon, int32_t rows,
                        int32_t columns, float *out, int64_t out_stride);
// y += x; y += scale * x
void sk_add(float *y, const float *x, int64_t count);
void sk_add_scaled(float *y, const float *x, float scale, int64_t count);
void sk_scale(float *y, float scale, int64_t count);
// In-place softmax of one row (max-subtracted); -inf entries give 0; a row of only -inf gives all 0.
void sk_softmax(float *x, int32_t count);
void sk_softmax_scalar(float *x, int32_t count);
void sk_sigmoid(float *x, int32_t count);
// Index of the largest value, first one on ties; NaN never wins; -1 if count is 0 or all are NaN.
int32_t sk_argmax(const float *x, int64_t count);
// log(sum(exp(x))) in double.
double sk_log_sum_exp(const float *x, int64_t count);
double sk_log_sum_exp_scalar(const float *x, int64_t count);
// Rotates pairs (i, i + width/2) of x[row][begin ..< begin + width] by the row's angles:
// cosines, sines: [rows][width/2]. Other columns are copied. out may equal x.
void sk_rotate_rows(const float *x, int64_t x_stride, int32_t rows, int32_t columns, int32_t begin, int32_t width,
                    const float *cosines, const float *sines, int64_t table_stride, float *out, int64_t out_stride);
#endif
