#include <math.h>

#include "../../Sources/CKernels/rank_levels.h"
#include "CKernelsEmulated.h"

#if defined(__x86_64__)
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#define SK_REGISTER 16
#define SK_NAME(x) x##_emulated
#include "../../Sources/CKernels/rank_lanes.h"

#pragma clang attribute pop
#else
void sk_rank_block_emulated(const sk_rank_queries *queries, const void *block, const void *next, float *scores) {
    sk_rank_block_scalar(queries, block, next, scores);
}
#endif
