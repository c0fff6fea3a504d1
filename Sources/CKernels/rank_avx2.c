// Ranking kernels with AVX2 and FMA.
#if defined(__x86_64__)
#include <math.h>

#include "rank_levels.h"

// Vectors of 64 bytes travel between functions that are all inlined; their calling convention never matters.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#define SK_NAME(x) x##_avx2
#define SK_REGISTER 8
// As the instruction wants them.
typedef short shorts __attribute__((vector_size(32)));
#define SK_PAIR_PRODUCTS(a, b) __builtin_ia32_pmaddwd256((shorts)(a), (shorts)(b))
#include "rank_lanes.h"

#pragma clang attribute pop
#endif
