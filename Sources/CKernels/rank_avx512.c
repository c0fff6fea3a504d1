// Ranking kernels with AVX-512.
#if defined(__x86_64__)
#include <math.h>

#include "rank_levels.h"

// Vectors of 64 bytes travel between functions that are all inlined; their calling convention never matters.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), \
                             apply_to = function)

#define SK_NAME(x) x##_avx512
#define SK_REGISTER 16
// As the instruction wants them.
typedef short shorts __attribute__((vector_size(64)));
#define SK_PAIR_PRODUCTS(a, b) __builtin_ia32_pmaddwd512((shorts)(a), (shorts)(b))
#include "rank_lanes.h"

#pragma clang attribute pop
#endif
