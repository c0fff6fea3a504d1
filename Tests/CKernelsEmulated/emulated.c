#include "CKernelsEmulated.h"

#include <string.h>

int32_t sk_emulated_is_possible(void) { return sk_best_level() >= SK_LEVEL_AVX2; }

#if defined(__x86_64__)
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

typedef int32_t lanes16 __attribute__((ext_vector_type(16)));
typedef uint8_t u64 __attribute__((ext_vector_type(64)));

// vpdpbusd: no saturation, sums modulo 2^32.
static __attribute__((noinline)) lanes16 dot4(lanes16 sum, u64 w, lanes16 x) {
    uint8_t weights[64];
    int8_t quants[64];
    memcpy(weights, &w, 64);
    memcpy(quants, &x, 64);
    for (int lane = 0; lane < 16; lane++) {
        for (int i = 0; i < 4; i++) sum[lane] += (int32_t)weights[lane * 4 + i] * quants[lane * 4 + i];
    }
    return sum;
}

static __attribute__((noinline)) u64 look_up(u64 codes) {
    for (int i = 0; i < 64; i++) codes[i] = sk_mxfp4_table[codes[i]];
    return codes;
}

#define SK_REGISTER 8
#include "../../Sources/CKernels/matmul_lanes.h"

#pragma clang attribute pop

void sk_matmul_then_emulated(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end) {
    sk_tiles_matmul(&lane_kernels, job, epilogue, begin, end);
}

void sk_gated_emulated(const sk_gated_job *job, int32_t begin, int32_t end) {
    sk_tiles_gated(&lane_kernels, job, begin, end);
}
#else
void sk_matmul_then_emulated(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end) {
    sk_matmul_then_scalar(job, epilogue, begin, end);
}
void sk_gated_emulated(const sk_gated_job *job, int32_t begin, int32_t end) { sk_gated_scalar(job, begin, end); }
#endif

void sk_matmul_emulated(const sk_matmul_job *job, int32_t begin, int32_t end) {
    sk_matmul_then_emulated(job, NULL, begin, end);
}
