// The row kernels of each level, as the dispatcher calls them.
#ifndef SK_ROWS_LEVELS_H
#define SK_ROWS_LEVELS_H
#include "sk_rows.h"

// The scalar twins that sk_rows.h does not declare.
void sk_add_scalar(float *y, const float *x, int64_t count);
void sk_add_scaled_scalar(float *y, const float *x, float scale, int64_t count);
void sk_scale_scalar(float *y, float scale, int64_t count);
void sk_sigmoid_scalar(float *x, int32_t count);
int32_t sk_argmax_scalar(const float *x, int64_t count);
void sk_rotate_rows_scalar(const float *x, int64_t x_stride, int32_t rows, int32_t columns, int32_t begin,
                           int32_t width, const float *cosines, const float *sines, int64_t table_stride, float *out,
                           int64_t out_stride);

#if defined(__x86_64__)
void sk_rms_norm_avx2(const float *x, int64_t x_stride, const float *weight, float epsilon, int32_t rows,
                      int32_t columns, float *out, int64_t out_stride);
void sk_add_avx2(float *y, const float *x, int64_t count);
void sk_add_scaled_avx2(float *y, const float *x, float scale, int64_t count);
void sk_scale_avx2(float *y, float scale, int64_t count);
void sk_softmax_avx2(float *x, int32_t count);
void sk_sigmoid_avx2(float *x, int32_t count);
int32_t sk_argmax_avx2(const float *x, int64_t count);
double sk_log_sum_exp_avx2(const float *x, int64_t count);
void sk_rotate_rows_avx2(const float *x, int64_t x_stride, int32_t rows, int32_t columns, int32_t begin, int32_t width,
                         const float *cosines, const float *sines, int64_t table_stride, float *out,
                         int64_t out_stride);

void sk_rms_norm_avx512(const float *x, int64_t x_stride, const float *weight, float epsilon, int32_t rows,
                        int32_t columns, float *out, int64_t out_stride);
void sk_add_avx512(float *y, const float *x, int64_t count);
void sk_add_scaled_avx512(float *y, const float *x, float scale, int64_t count);
void sk_scale_avx512(float *y, float scale, int64_t count);
void sk_softmax_avx512(float *x, int32_t count);
void sk_sigmoid_avx512(float *x, int32_t count);
int32_t sk_argmax_avx512(const float *x, int64_t count);
double sk_log_sum_exp_avx512(const float *x, int64_t count);
void sk_rotate_rows_avx512(const float *x, int64_t x_stride, int32_t rows, int32_t columns, int32_t begin,
                           int32_t width, const float *cosines, const float *sines, int64_t table_stride, float *out,
                           int64_t out_stride);
#endif

#endif
