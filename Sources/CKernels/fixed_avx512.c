// Products in fixed point with AVX-512 and VNNI.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

// Vectors of 64 bytes travel between functions that are all inlined; their calling convention never matters.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), \
                             apply_to = function)

typedef int32_t lanes16 __attribute__((ext_vector_type(16)));

static inline __attribute__((always_inline)) lanes16 dot2(lanes16 sum, lanes16 w, lanes16 x) {
    return (lanes16)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)w, (__m512i)x);
}

#define LANES_LEVEL sk_fixed_avx512
#include "fixed_lanes.h"

#pragma clang attribute pop
#endif
