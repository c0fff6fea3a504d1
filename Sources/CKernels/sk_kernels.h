// The kernels of each level, as the dispatcher (and the tests, by level) calls them.
#ifndef SK_KERNELS_H
#define SK_KERNELS_H
#include "sk_matmul.h"

#if defined(__x86_64__)
void sk_quantize_rows_avx2(const float *x, int64_t stride, int32_t columns, int32_t tokens, const sk_activations *out);
void sk_matmul_avx2(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end);
void sk_gated_avx2(const sk_gated_job *job, int32_t begin, int32_t end);
void sk_matmul_avx512(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end);
void sk_gated_avx512(const sk_gated_job *job, int32_t begin, int32_t end);
#endif

#endif
