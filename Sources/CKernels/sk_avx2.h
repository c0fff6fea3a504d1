// What the AVX2 sources share.
#ifndef SK_AVX2_H
#define SK_AVX2_H
#if defined(__x86_64__)
#include <immintrin.h>

#include "sk_tiles.h"

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define AVX2_INLINE AVX2 static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
#define ROLLED _Pragma("clang loop unroll(disable)")
// Panels lie one behind the other and are read in that order: asks for `bytes` that come `distance` later, since the
// processor's own prefetching stops at the end of every page. Asking past the end of a matrix is harmless.
AVX2_INLINE void ask_ahead(const uint8_t *stream, int32_t bytes, int32_t distance) {
    UNROLL for (int32_t i = 0; i < bytes; i += 64) _mm_prefetch((const char *)stream + distance + i, _MM_HINT_T0);
}
// Bytes ahead that measured best for quantized panels: two pages.
#define SK_BLOCKS_AHEAD 8192
// Keeps the compiler from regrouping a chain of sums, which would need more registers than there are.
#define FIX(vector) __asm__("" : "+x"(vector))
// Sums of larger tiles stay in memory over a loop: registers are for what is inside it.
#define KEEP_IN_MEMORY __asm__ volatile("" ::: "memory")

#define SK_BLOCK_KERNELS(T)                                                                                        \
    void sk_avx2_q8_##T(const uint8_t *, const uint16_t *, int64_t, const uint8_t *, float *);                     \
    void sk_avx2_q4_##T(const uint8_t *, const uint16_t *, int64_t, const uint8_t *, float *);                     \
    void sk_avx2_mxfp4_##T(const uint8_t *, const uint16_t *, int64_t, const uint8_t *, float *);                  \
    void sk_avx2_wide_q4_##T(const uint8_t *, const uint16_t *, int64_t, const uint8_t *, float *);                \
    void sk_avx2_wide_mxfp4_##T(const uint8_t *, const uint16_t *, int64_t, const uint8_t *, float *);             \
    void sk_avx2_f32_##T(const uint8_t *, int64_t, int64_t, const float *const *, float *);                        \
    void sk_avx2_f16_##T(const uint8_t *, int64_t, int64_t, const float *const *, float *);                        \
    void sk_avx2_bf16_##T(const uint8_t *, int64_t, int64_t, const float *const *, float *);
SK_BLOCK_KERNELS(1)
SK_BLOCK_KERNELS(2)
SK_BLOCK_KERNELS(3)
SK_BLOCK_KERNELS(4)
SK_BLOCK_KERNELS(5)
SK_BLOCK_KERNELS(6)
void sk_avx2_expand_q4(const uint8_t *quants, int64_t blocks, uint8_t *out);
void sk_avx2_expand_mxfp4(const uint8_t *quants, int64_t blocks, uint8_t *out);
void sk_avx2_f32_four(const uint8_t *, int64_t, int64_t, const float *const *, float *);
void sk_avx2_f16_four(const uint8_t *, int64_t, int64_t, const float *const *, float *);
void sk_avx2_bf16_four(const uint8_t *, int64_t, int64_t, const float *const *, float *);
void sk_avx2_pointwise(int32_t pointwise, int32_t count, float *x);
void sk_avx2_gate(const sk_gated_job *job, int32_t count, float *gate, const float *up);
void sk_avx2_widen_f16(const uint8_t *weights, int64_t columns, float *out);
void sk_avx2_widen_bf16(const uint8_t *weights, int64_t columns, float *out);
#endif
#endif
