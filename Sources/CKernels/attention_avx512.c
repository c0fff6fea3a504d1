// Attention over one page with AVX-512.
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

#include "attention_levels.h"
#include "sk_matmul.h"

// Vectors of 64 bytes travel between functions that are all inlined; their calling convention never matters.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), \
                             apply_to = function)

#define SK_NAME(x) x##_avx512
#define SK_VNNI
#include "attention_shape512.h"
#include "attention_page.h"
#include "attention_store.h"

#pragma clang attribute pop
#endif
