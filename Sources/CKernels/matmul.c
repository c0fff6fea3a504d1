// Entry points that choose the instruction set.
#include "sk_cpu.h"
#include "sk_kernels.h"

static sk_level usable(sk_level level) { return level > sk_best_level() ? sk_best_level() : level; }

void sk_matmul_then_at(sk_level level, const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin,
                       int32_t end) {
    switch (usable(level)) {
#if defined(__x86_64__)
    case SK_LEVEL_AVX512: sk_matmul_avx512(job, epilogue, begin, end); break;
    case SK_LEVEL_AVX2: sk_matmul_avx2(job, epilogue, begin, end); break;
#endif
    default: sk_matmul_then_scalar(job, epilogue, begin, end); break;
    }
}

void sk_matmul_at(sk_level level, const sk_matmul_job *job, int32_t begin, int32_t end) {
    sk_matmul_then_at(level, job, NULL, begin, end);
}

void sk_gated_at(sk_level level, const sk_gated_job *job, int32_t begin, int32_t end) {
    switch (usable(level)) {
#if defined(__x86_64__)
    case SK_LEVEL_AVX512: sk_gated_avx512(job, begin, end); break;
    case SK_LEVEL_AVX2: sk_gated_avx2(job, begin, end); break;
#endif
    default: sk_gated_scalar(job, begin, end); break;
    }
}

void sk_quantize_rows_at(sk_level level, const float *x, int64_t stride, int32_t columns, int32_t tokens,
                         const sk_activations *out) {
    switch (usable(level)) {
#if defined(__x86_64__)
    // Quantizing is a small part of any product: AVX2 serves the level above too.
    case SK_LEVEL_AVX512:
    case SK_LEVEL_AVX2: sk_quantize_rows_avx2(x, stride, columns, tokens, out); break;
#endif
    default: sk_quantize_rows_scalar(x, stride, columns, tokens, out); break;
    }
}

void sk_matmul(const sk_matmul_job *job, int32_t begin, int32_t end) {
    sk_matmul_at(sk_current_level(), job, begin, end);
}

void sk_matmul_then(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end) {
    sk_matmul_then_at(sk_current_level(), job, epilogue, begin, end);
}

void sk_gated(const sk_gated_job *job, int32_t begin, int32_t end) { sk_gated_at(sk_current_level(), job, begin, end); }

void sk_quantize_rows(const float *x, int64_t stride, int32_t columns, int32_t tokens, const sk_activations *out) {
    sk_quantize_rows_at(sk_current_level(), x, stride, columns, tokens, out);
}
