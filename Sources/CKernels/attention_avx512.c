// Attention over one page with AVX-512.
#if defined(__x86_64__)
#include <math.h>

#include "attention_levels.h"
#include "sk_matmul.h"

// Vectors of 64 bytes travel between functions that are all inlined; their calling convention never matters.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), \
                             apply_to = function)

// 32 registers: 24 sums, the rest for keys or values.
#define SK_NAME(x) x##_avx512
#define SK_REGISTER 16
#define SK_EACH_FEW(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define SK_EACH_MANY(X) SK_EACH_FEW(X) X(7) X(8) X(9) X(10) X(11) X(12)
#define SK_FEW_ROWS 6
#define SK_FEW_ROWS_OF_HALVES 6
#define SK_FEW_VECTORS 4
#define SK_MANY_ROWS 12
#define SK_MANY_VECTORS 2
#include "attention_page.h"

#pragma clang attribute pop
#endif
