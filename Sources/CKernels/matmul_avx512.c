// Products with AVX-512 and VNNI.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "sk_kernels.h"

// Vectors of 64 bytes travel between functions that are all inlined; their calling convention never matters.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), \
                             apply_to = function)

typedef int32_t lanes16 __attribute__((ext_vector_type(16)));
typedef uint8_t u64 __attribute__((ext_vector_type(64)));

static inline __attribute__((always_inline)) lanes16 dot4(lanes16 sum, u64 w, lanes16 x) {
    return (lanes16)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, (__m512i)x);
}

static inline __attribute__((always_inline)) u64 look_up(u64 codes) {
    const __m128i table = _mm_loadu_si128((const __m128i *)sk_mxfp4_table);
    return (u64)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), (__m512i)codes);
}

#define SK_REGISTER 16
#include "matmul_lanes.h"

#pragma clang attribute pop

void sk_matmul_avx512(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end) {
    sk_tiles_matmul(&lane_kernels, job, epilogue, begin, end);
}

void sk_gated_avx512(const sk_gated_job *job, int32_t begin, int32_t end) {
    sk_tiles_gated(&lane_kernels, job, begin, end);
}
#endif
