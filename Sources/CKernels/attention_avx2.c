// Attention over one page with AVX2, FMA and F16C.
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

#include "attention_levels.h"
#include "sk_matmul.h"

// Vectors of 64 bytes travel between functions that are all inlined; their calling convention never matters.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// 16 registers: 12 sums, the rest for keys or values and a broadcast. A vector of 16 floats is two of them.
#define SK_NAME(x) x##_avx2
#define SK_REGISTER 8
#define SK_EACH_FEW(X) X(1) X(2) X(3)
#define SK_EACH_MANY(X) SK_EACH_FEW(X) X(4) X(5) X(6)
#define SK_FEW_ROWS 3
#define SK_FEW_ROWS_OF_HALVES 2
#define SK_FEW_VECTORS 2
#define SK_MANY_ROWS 6
#define SK_MANY_VECTORS 1
#include "attention_page.h"
#include "attention_store.h"

#pragma clang attribute pop
#endif
