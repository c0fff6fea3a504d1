#include <string.h>

#include "../../Sources/CKernels/sk_fixed_kernels.h"
#include "CKernelsEmulated.h"

#if defined(__x86_64__)
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

typedef int32_t lanes16 __attribute__((ext_vector_type(16)));

// vpdpwssd: no saturation, sums modulo 2^32.
static __attribute__((noinline)) lanes16 dot2(lanes16 sum, lanes16 w, lanes16 x) {
    int16_t weights[32], values[32];
    memcpy(weights, &w, 64);
    memcpy(values, &x, 64);
    for (int lane = 0; lane < 16; lane++) {
        for (int i = 0; i < 2; i++) sum[lane] += (int32_t)weights[lane * 2 + i] * values[lane * 2 + i];
    }
    return sum;
}

extern const sk_fixed_level sk_fixed_emulated;
#define LANES_LEVEL sk_fixed_emulated
#include "../../Sources/CKernels/fixed_lanes.h"

#pragma clang attribute pop

void sk_fixed_matmul_emulated(const sk_fixed_job *job, int32_t begin, int32_t end) {
    sk_fixed_walk(&sk_fixed_emulated, job, begin, end);
}
#else
void sk_fixed_matmul_emulated(const sk_fixed_job *job, int32_t begin, int32_t end) {
    sk_fixed_matmul_at(SK_LEVEL_SCALAR, job, begin, end);
}
#endif
