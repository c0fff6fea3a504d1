// The AVX2 level: its kernels for the driver, its gates, its quantizer.
#include "sk_avx2.h"

#if defined(__x86_64__)
#include <float.h>

#include "sk_kernels.h"
#include "sk_panel.h"

#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "sk_lanes.h"

#include "sk_gelu_lanes.h"

// sk_gate lane by lane.
void sk_avx2_gate(const sk_gated_job *job, int32_t count, float *gate, const float *up) {
    const v16 limit = (v16)job->limit;
    for (int32_t i = 0; i < count; i += SK_LANES) {
        v16 g = load16(gate + i), u = load16(up + i), z = g;
        if (job->activation != SK_SILU) {
            g = g > limit ? limit : g;
            u = u > limit ? limit : u;
            u = (u < -limit ? -limit : u) + 1.0f;
            z = job->alpha * g;
        }
        store16(gate + i, g / (1.0f + exp16(-z)) * u);
    }
}

void sk_avx2_pointwise(int32_t pointwise, int32_t count, float *x) {
    for (int32_t i = 0; i < count; i += SK_LANES) store16(x + i, pointwise16(pointwise, load16(x + i)));
}
#pragma clang attribute pop

#define BY_TOKENS(name) {NULL, name##_1, name##_2, name##_3, name##_4, name##_5, name##_6}
static const sk_tile_kernels kernels = {
    .block_tile = 6,
    .float_tile = 6,
    .blocks = {BY_TOKENS(sk_avx2_q8), BY_TOKENS(sk_avx2_q4), BY_TOKENS(sk_avx2_mxfp4)},
    .expand = {NULL, sk_avx2_expand_q4, sk_avx2_expand_mxfp4},
    .wide_blocks = {{NULL}, BY_TOKENS(sk_avx2_wide_q4), BY_TOKENS(sk_avx2_wide_mxfp4)},
    .floats = {BY_TOKENS(sk_avx2_f32), BY_TOKENS(sk_avx2_f16), BY_TOKENS(sk_avx2_bf16)},
    .four_panels = {sk_avx2_f32_four, sk_avx2_f16_four, sk_avx2_bf16_four},
    .widen = {NULL, sk_avx2_widen_f16, sk_avx2_widen_bf16},
    .gate = sk_avx2_gate,
    .pointwise = sk_avx2_pointwise,
};

void sk_matmul_avx2(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end) {
    sk_tiles_matmul(&kernels, job, epilogue, begin, end);
}

void sk_gated_avx2(const sk_gated_job *job, int32_t begin, int32_t end) { sk_tiles_gated(&kernels, job, begin, end); }

AVX2_INLINE __m256 negated(__m256 x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f)); }

// Eight values with NaN as zero and infinities as the largest float.
AVX2_INLINE __m256 tame(__m256 v) {
    v = _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q));
    v = _mm256_min_ps(v, _mm256_set1_ps(FLT_MAX));
    return _mm256_max_ps(v, _mm256_set1_ps(-FLT_MAX));
}

AVX2_INLINE float largest_of(__m256 v) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

AVX2_INLINE int32_t total_of(__m256i v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

// One block of 32 values: quants, and the scale and sum of quants by return.
AVX2_INLINE float quantize_block(const float *x, int8_t *quants, int32_t *sum) {
    __m256 v[4];
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 m = _mm256_setzero_ps();
    UNROLL for (int32_t i = 0; i < 4; i++) {
        v[i] = tame(_mm256_loadu_ps(x + 8 * i));
        m = _mm256_max_ps(m, _mm256_andnot_ps(sign, v[i]));
    }
    const float scale = largest_of(m) / 127.0f;
    __m256i q[4];
    if (!(scale > 0)) {
        _mm256_storeu_si256((__m256i *)quants, _mm256_setzero_si256());
        *sum = 0;
        return scale;
    }
    const __m256 divisor = _mm256_set1_ps(scale), most = _mm256_set1_ps(127.0f);
    UNROLL for (int32_t i = 0; i < 4; i++) {
        const __m256 quotient = _mm256_min_ps(_mm256_div_ps(v[i], divisor), most);
        q[i] = _mm256_cvtps_epi32(_mm256_max_ps(quotient, negated(most)));
    }
    *sum = total_of(_mm256_add_epi32(_mm256_add_epi32(q[0], q[1]), _mm256_add_epi32(q[2], q[3])));
    const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256((__m256i *)quants, _mm256_permutevar8x32_epi32(packed, order));
    return scale;
}

AVX2 void sk_quantize_rows_avx2(const float *x, int64_t stride, int32_t columns, int32_t tokens,
                                const sk_activations *out) {
    for (int32_t t = 0; t < tokens; t++) {
        const float *row = x + t * stride;
        int8_t *quants = (int8_t *)(uintptr_t)out->q8 + t * out->q8_stride;
        float *scales = (float *)(uintptr_t)out->scale + t * out->block_stride;
        float *sums = (float *)(uintptr_t)out->sum + t * out->block_stride;
        int32_t *offsets = (int32_t *)(uintptr_t)out->offset + t * out->block_stride;
        for (int64_t b = 0; b < sk_blocks(columns); b++) {
            float rest[SK_BLOCK] = {0};
            const float *block = row + b * SK_BLOCK;
            if ((b + 1) * SK_BLOCK > columns) {
                for (int64_t i = b * SK_BLOCK; i < columns; i++) rest[i - b * SK_BLOCK] = row[i];
                block = rest;
            }
            int32_t sum;
            scales[b] = quantize_block(block, quants + b * SK_BLOCK, &sum);
            sums[b] = scales[b] * (float)sum;
            offsets[b] = -128 * sum;
        }
    }
}
#endif
