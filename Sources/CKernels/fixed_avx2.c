// Products in fixed point with AVX2.
#include "sk_avx2.h"

#if defined(__x86_64__)
#include <float.h>
#include <string.h>

#include "sk_fixed_kernels.h"
#include "sk_panel.h"

// One half (8 rows) of one block: `pairs` pairs of columns, 0 behind them.
AVX2_INLINE void convert_half(const uint16_t *panel, int64_t pairs, int16_t *values, float *scales) {
    const __m256i magnitude = _mm256_set1_epi16(0x7fff), high = _mm256_set1_epi32((int32_t)0xffff0000);
    __m256i largest = _mm256_setzero_si256();
    for (int64_t j = 0; j < pairs; j++) {
        const __m256i pair = _mm256_load_si256((const __m256i *)(panel + j * 2 * SK_PANEL_ROWS));
        largest = _mm256_max_epu16(largest, _mm256_and_si256(pair, magnitude));
    }
    const __m256i low = _mm256_set1_epi32(0xffff);
    const __m256i larger = _mm256_max_epi32(_mm256_and_si256(largest, low), _mm256_srli_epi32(largest, 16));
    const __m256i exponent = _mm256_srli_epi32(larger, 7);
    const __m256i isUsed = _mm256_cmpgt_epi32(exponent, _mm256_set1_epi32(16));
    const __m256i factorBits = _mm256_slli_epi32(_mm256_sub_epi32(_mm256_set1_epi32(266), exponent), 23);
    const __m256i scaleBits = _mm256_slli_epi32(_mm256_sub_epi32(exponent, _mm256_set1_epi32(12)), 23);
    const __m256 factor = _mm256_castsi256_ps(_mm256_and_si256(factorBits, isUsed));
    _mm256_storeu_ps(scales, _mm256_castsi256_ps(_mm256_and_si256(scaleBits, isUsed)));
    for (int64_t j = 0; j < pairs; j++) {
        const __m256i pair = _mm256_load_si256((const __m256i *)(panel + j * 2 * SK_PANEL_ROWS));
        const __m256 first = _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16));
        const __m256 second = _mm256_castsi256_ps(_mm256_and_si256(pair, high));
        const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(first, factor));
        const __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(second, factor));
        const __m256i both = _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xaa);
        _mm256_store_si256((__m256i *)(values + j * 2 * SK_PANEL_ROWS), both);
    }
    for (int64_t j = pairs; j < SK_BLOCK / 2; j++) {
        _mm256_store_si256((__m256i *)(values + j * 2 * SK_PANEL_ROWS), _mm256_setzero_si256());
    }
}

AVX2 void sk_fixed_convert_avx2(const uint16_t *panel, int64_t columns, int16_t *values, float *scales) {
    for (int64_t first = 0; first < columns; first += SK_BLOCK) {
        const int64_t rest = (columns - first + 1) / 2, pairs = rest < SK_BLOCK / 2 ? rest : SK_BLOCK / 2;
        for (int32_t half = 0; half < 2; half++) {
            convert_half(panel + half * SK_PANEL_ROWS, pairs, values + half * SK_PANEL_ROWS, scales + half * 8);
        }
        panel += SK_FIXED_BLOCK_VALUES;
        values += SK_FIXED_BLOCK_VALUES;
        scales += SK_PANEL_ROWS;
    }
}

AVX2_INLINE void fixed_tile(const int32_t tokens, const int16_t *weights, const float *scales, int64_t blocks,
                            const int16_t *const *x, const float *const *x_scales, float *acc) {
    const int16_t *row[6];
    UNROLL for (int32_t t = 0; t < tokens; t++) row[t] = x[t];
    for (int64_t b = 0; b < blocks; b++) {
        __m256i dot[6][2];
        UNROLL for (int32_t t = 0; t < tokens; t++) dot[t][0] = dot[t][1] = _mm256_setzero_si256();
        const int64_t at = b * SK_BLOCK;
        UNROLL for (int32_t j = 0; j < SK_BLOCK / 2; j++) {
            const __m256i *w = (const __m256i *)(weights + at * SK_PANEL_ROWS + j * 2 * SK_PANEL_ROWS);
            const __m256i w0 = _mm256_load_si256(w), w1 = _mm256_load_si256(w + 1);
            UNROLL for (int32_t t = 0; t < tokens; t++) {
                int32_t two;
                memcpy(&two, row[t] + at + 2 * j, sizeof two);
                const __m256i pair = _mm256_set1_epi32(two);
                dot[t][0] = _mm256_add_epi32(dot[t][0], _mm256_madd_epi16(w0, pair));
                dot[t][1] = _mm256_add_epi32(dot[t][1], _mm256_madd_epi16(w1, pair));
                FIX(dot[t][0]);
                FIX(dot[t][1]);
            }
        }
        const __m256 s0 = _mm256_load_ps(scales + b * SK_PANEL_ROWS), s1 = _mm256_load_ps(scales + b * SK_PANEL_ROWS + 8);
        UNROLL for (int32_t t = 0; t < tokens; t++) {
            const __m256 scale = _mm256_broadcast_ss(x_scales[t] + b);
            float *to = acc + t * SK_PANEL_ROWS;
            _mm256_store_ps(to, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[t][0]), _mm256_mul_ps(s0, scale),
                                                _mm256_load_ps(to)));
            _mm256_store_ps(to + 8, _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[t][1]), _mm256_mul_ps(s1, scale),
                                                    _mm256_load_ps(to + 8)));
        }
    }
}

#define DEFINE(T)                                                                                                  \
    AVX2 static void tile_##T(const int16_t *weights, const float *scales, int64_t blocks,                         \
                              const int16_t *const *x, const float *const *x_scales, float *acc) {                 \
        fixed_tile(T, weights, scales, blocks, x, x_scales, acc);                                                  \
    }
DEFINE(1)
DEFINE(2)
DEFINE(3)
DEFINE(4)
DEFINE(5)
DEFINE(6)

// Eight values with NaN as zero and infinities as the largest float.
AVX2_INLINE __m256 tame(__m256 v) {
    v = _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q));
    v = _mm256_min_ps(v, _mm256_set1_ps(FLT_MAX));
    return _mm256_max_ps(v, _mm256_set1_ps(-FLT_MAX));
}

AVX2_INLINE float fixed_block(const float *x, int16_t *values) {
    __m256 v[4], m = _mm256_setzero_ps();
    UNROLL for (int32_t i = 0; i < 4; i++) {
        v[i] = tame(_mm256_loadu_ps(x + 8 * i));
        m = _mm256_max_ps(m, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v[i]));
    }
    __m128 top = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
    top = _mm_max_ps(top, _mm_movehl_ps(top, top));
    const float largest = _mm_cvtss_f32(_mm_max_ss(top, _mm_movehdup_ps(top)));
    if (!(largest >= 1e-30f)) {
        memset(values, 0, SK_BLOCK * sizeof *values);
        return 0;
    }
    const __m256 factor = _mm256_set1_ps(SK_FIXED_LARGEST / largest), most = _mm256_set1_ps(SK_FIXED_LARGEST);
    const __m256 least = _mm256_set1_ps(-SK_FIXED_LARGEST);
    __m256i q[4];
    UNROLL for (int32_t i = 0; i < 4; i++) {
        q[i] = _mm256_cvtps_epi32(_mm256_max_ps(_mm256_min_ps(_mm256_mul_ps(v[i], factor), most), least));
    }
    UNROLL for (int32_t i = 0; i < 4; i += 2) {
        const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(q[i], q[i + 1]), 0xd8);
        _mm256_storeu_si256((__m256i *)(values + i * 8), packed);
    }
    return largest / SK_FIXED_LARGEST;
}

AVX2 void sk_fixed_rows_from_avx2(const float *x, int64_t x_stride, int32_t columns, int32_t rows,
                                  const sk_fixed_rows *out) {
    for (int32_t row = 0; row < rows; row++) {
        for (int64_t b = 0; b < sk_blocks(columns); b++) {
            float rest[SK_BLOCK] = {0};
            const float *from = x + row * x_stride + b * SK_BLOCK;
            if ((b + 1) * SK_BLOCK > columns) {
                memcpy(rest, from, sizeof(float) * (size_t)(columns - b * SK_BLOCK));
                from = rest;
            }
            out->scale[row * out->block_stride + b] = fixed_block(from, out->values + row * out->stride + b * SK_BLOCK);
        }
    }
}

const sk_fixed_level sk_fixed_avx2 = {
    .tile = 6,
    .convert = sk_fixed_convert_avx2,
    .kernels = {NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6},
    .pointwise = sk_avx2_pointwise,
    .rows_from = sk_fixed_rows_from_avx2,
};
#endif
