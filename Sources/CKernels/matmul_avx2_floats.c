// Float panels times tiles of tokens with AVX2: one fused multiply-add per column, in the order of the columns.
#include "sk_avx2.h"

#if defined(__x86_64__)
#include "sk_panel.h"

// Rows 8 * half ... of `count` (1 or 2) columns that lie together: bf16 holds columns in pairs.
AVX2_INLINE void weights_of(const int32_t type, const uint8_t *panel, int64_t column, int32_t half, __m256 out[2]) {
    if (type == SK_F32) {
        const float *w = (const float *)panel + column * SK_PANEL_ROWS + half * 8;
        out[0] = _mm256_load_ps(w);
        out[1] = _mm256_load_ps(w + SK_PANEL_ROWS);
    } else if (type == SK_F16) {
        const uint16_t *w = (const uint16_t *)panel + column * SK_PANEL_ROWS + half * 8;
        out[0] = _mm256_cvtph_ps(_mm_load_si128((const __m128i *)w));
        out[1] = _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(w + SK_PANEL_ROWS)));
    } else {
        const uint16_t *w = (const uint16_t *)panel + column * SK_PANEL_ROWS + half * 16;
        const __m256i pairs = _mm256_load_si256((const __m256i *)w);
        out[0] = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
        out[1] = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int32_t)0xffff0000)));
    }
}

// `columns` may be odd; the last column then stands alone (bf16 pads it, f16 and f32 must not be read past it).
AVX2_INLINE void float_tile(const int32_t type, const int32_t panels, const int32_t tokens, const uint8_t *weights,
                            int64_t stride, int64_t columns, const float *const *x, float *acc) {
    __m256 sum[4][6][2];
    UNROLL for (int32_t p = 0; p < panels; p++) {
        UNROLL for (int32_t t = 0; t < tokens; t++) {
            UNROLL for (int32_t h = 0; h < 2; h++) sum[p][t][h] = _mm256_loadu_ps(acc + (p * tokens + t) * 16 + h * 8);
        }
    }
    const float *row[6];
    UNROLL for (int32_t t = 0; t < tokens; t++) row[t] = x[t];
    const int32_t column_bytes = type == SK_F32 ? 64 : 32;
    int64_t c = 0;
    for (; c + 2 <= columns; c += 2) {
        UNROLL for (int32_t p = 0; p < panels; p++) {
            __m256 w[2][2];
            if (panels == 1) ask_ahead(weights + c * column_bytes, 2 * column_bytes, 1024);
            UNROLL for (int32_t h = 0; h < 2; h++) weights_of(type, weights + p * stride, c, h, w[h]);
            UNROLL for (int32_t k = 0; k < 2; k++) {
                UNROLL for (int32_t t = 0; t < tokens; t++) {
                    const __m256 value = _mm256_broadcast_ss(row[t] + c + k);
                    UNROLL for (int32_t h = 0; h < 2; h++) sum[p][t][h] = _mm256_fmadd_ps(w[h][k], value, sum[p][t][h]);
                }
            }
        }
    }
    if (c < columns) {
        UNROLL for (int32_t p = 0; p < panels; p++) {
            UNROLL for (int32_t h = 0; h < 2; h++) {
                const uint8_t *panel = weights + p * stride;
                __m256 w[2];
                if (type == SK_F32) {
                    w[0] = _mm256_load_ps((const float *)panel + c * SK_PANEL_ROWS + h * 8);
                } else if (type == SK_F16) {
                    w[0] = _mm256_cvtph_ps(_mm_load_si128((const __m128i *)((const uint16_t *)panel + c * SK_PANEL_ROWS + h * 8)));
                } else {
                    weights_of(type, panel, c, h, w);
                }
                UNROLL for (int32_t t = 0; t < tokens; t++) {
                    sum[p][t][h] = _mm256_fmadd_ps(w[0], _mm256_broadcast_ss(row[t] + c), sum[p][t][h]);
                }
            }
        }
    }
    UNROLL for (int32_t p = 0; p < panels; p++) {
        UNROLL for (int32_t t = 0; t < tokens; t++) {
            UNROLL for (int32_t h = 0; h < 2; h++) _mm256_storeu_ps(acc + (p * tokens + t) * 16 + h * 8, sum[p][t][h]);
        }
    }
}

#define ARGUMENTS const uint8_t *weights, int64_t stride, int64_t columns, const float *const *x, float *acc
#define DEFINE(T)                                                                                                    \
    AVX2 void sk_avx2_f32_##T(ARGUMENTS) { float_tile(SK_F32, 1, T, weights, stride, columns, x, acc); }             \
    AVX2 void sk_avx2_f16_##T(ARGUMENTS) { float_tile(SK_F16, 1, T, weights, stride, columns, x, acc); }             \
    AVX2 void sk_avx2_bf16_##T(ARGUMENTS) { float_tile(SK_BF16, 1, T, weights, stride, columns, x, acc); }
DEFINE(1)
DEFINE(2)
DEFINE(3)
DEFINE(4)
DEFINE(5)
DEFINE(6)
AVX2 void sk_avx2_f32_four(ARGUMENTS) { float_tile(SK_F32, 4, 1, weights, stride, columns, x, acc); }
AVX2 void sk_avx2_f16_four(ARGUMENTS) { float_tile(SK_F16, 4, 1, weights, stride, columns, x, acc); }
AVX2 void sk_avx2_bf16_four(ARGUMENTS) { float_tile(SK_BF16, 4, 1, weights, stride, columns, x, acc); }

AVX2 void sk_avx2_widen_f16(const uint8_t *weights, int64_t columns, float *out) {
    for (int64_t i = 0; i < columns * SK_PANEL_ROWS; i += 8) {
        _mm256_store_ps(out + i, _mm256_cvtph_ps(_mm_load_si128((const __m128i *)((const uint16_t *)weights + i))));
    }
}

AVX2 void sk_avx2_widen_bf16(const uint8_t *weights, int64_t columns, float *out) {
    for (int64_t c = 0; c < columns; c += 2) {
        for (int32_t h = 0; h < 2; h++) {
            __m256 w[2];
            weights_of(SK_BF16, weights, c, h, w);
            _mm256_store_ps(out + c * SK_PANEL_ROWS + h * 8, w[0]);
            _mm256_store_ps(out + (c + 1) * SK_PANEL_ROWS + h * 8, w[1]);
        }
    }
}
#endif
