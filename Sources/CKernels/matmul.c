// Entry points that choose the instruction set.
#include "sk_cpu.h"
#include "sk_kernels.h"

static sk_level usable(sk_level level) { return level > sk_best_level() ? sk_best_level() : level; }

void sk_matmul_at(sk_level level, const sk_matmul_job *job, int32_t begin, int32_t end) {
    (void)usable(level);
    sk_matmul_scalar(job, begin, end);
}

void sk_gated_at(sk_level level, const sk_gated_job *job, int32_t begin, int32_t end) {
    (void)usable(level);
    sk_gated_scalar(job, begin, end);
}

void sk_quantize_rows_at(sk_level level, const float *x, int64_t stride, int32_t columns, int32_t tokens,
                         const sk_activations *out) {
    (void)usable(level);
    sk_quantize_rows_scalar(x, stride, columns, tokens, out);
}

void sk_matmul(const sk_matmul_job *job, int32_t begin, int32_t end) {
    sk_matmul_at(sk_current_level(), job, begin, end);
}

void sk_gated(const sk_gated_job *job, int32_t begin, int32_t end) { sk_gated_at(sk_current_level(), job, begin, end); }

void sk_quantize_rows(const float *x, int64_t stride, int32_t columns, int32_t tokens, const sk_activations *out) {
    sk_quantize_rows_at(sk_current_level(), x, stride, columns, tokens, out);
}
