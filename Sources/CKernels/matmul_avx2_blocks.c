// Quantized panels times tiles of tokens with AVX2.
#include "sk_avx2.h"

#if defined(__x86_64__)
#include <string.h>

#include "sk_panel.h"

// The four quants of a column group, in every lane.
AVX2 static inline __m256i four(const uint8_t *quants) {
    int32_t value;
    memcpy(&value, quants, 4);
    return _mm256_set1_epi32(value);
}

AVX2 static inline __m256 halves(const uint16_t *half) {
    return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)half));
}

// sum + dot * (weight_scale * x_scale), then + minimum * x_sum: the step that all levels share.
AVX2_INLINE __m256 step(__m256 sum, __m256i dot, __m256 scale, float x_scale) {
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_mul_ps(scale, _mm256_set1_ps(x_scale)), sum);
}

// One token keeps its sums in registers from block to block; more need the registers for dot products.
#define IN_REGISTERS(tokens) ((tokens) == 1)

AVX2_INLINE void load_sums(const int32_t tokens, const float *acc, __m256 sum[6][2]) {
    UNROLL for (int32_t i = 0; i < 2 * tokens; i++) sum[i / 2][i % 2] = _mm256_load_ps(acc + i * 8);
}

AVX2_INLINE void store_sums(const int32_t tokens, float *acc, __m256 sum[6][2]) {
    UNROLL for (int32_t i = 0; i < 2 * tokens; i++) _mm256_store_ps(acc + i * 8, sum[i / 2][i % 2]);
}

// Adds a block's dots; minimum is NULL for q8.
AVX2_INLINE void add_block(const int32_t tokens, __m256i dot[6][2], const __m256 scale[2], const __m256 *minimum,
                           const float *x_scale, float *acc, __m256 kept[6][2]) {
    const float *x_sum = x_scale + tokens;
    UNROLL for (int32_t i = 0; i < 2 * tokens; i++) {
        const int32_t t = i / 2, h = i % 2;
        __m256 sum = IN_REGISTERS(tokens) ? kept[t][h] : _mm256_load_ps(acc + i * 8);
        sum = step(sum, dot[t][h], scale[h], x_scale[t]);
        if (minimum) sum = _mm256_fmadd_ps(minimum[h], _mm256_set1_ps(x_sum[t]), sum);
        if (IN_REGISTERS(tokens)) kept[t][h] = sum; else _mm256_store_ps(acc + i * 8, sum);
    }
    if (!IN_REGISTERS(tokens)) KEEP_IN_MEMORY;
}

// One column group of 16 rows times the same columns of each token, added in 16 bits; the first starts the sums.
AVX2_INLINE void add_group(const int32_t tokens, const int32_t first, const __m256i weights[2], const uint8_t *x,
                           __m256i sum[6][2]) {
    UNROLL for (int32_t t = 0; t < tokens; t++) {
        const __m256i quants = four(x + t * 32);
        UNROLL for (int32_t h = 0; h < 2; h++) {
            const __m256i product = _mm256_maddubs_epi16(weights[h], quants);
            sum[t][h] = first ? product : _mm256_add_epi16(sum[t][h], product);
            FIX(sum[t][h]);
        }
    }
}

// Groups j and j + 4, packed: the low nibbles and the high ones.
AVX2_INLINE void add_packed(const int32_t tokens, const int32_t first, const int32_t table, const uint8_t *quants, int64_t j,
                            const uint8_t *tile, __m256i sum[6][2]) {
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i values = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)sk_mxfp4_table));
    UNROLL for (int32_t side = 0; side < 2; side++) {
        __m256i w[2];
        UNROLL for (int32_t h = 0; h < 2; h++) {
            w[h] = _mm256_load_si256((const __m256i *)(quants + j * 64 + h * 32));
            w[h] = _mm256_and_si256(side ? _mm256_srli_epi16(w[h], 4) : w[h], low);
            if (table) w[h] = _mm256_shuffle_epi8(values, w[h]);
            FIX(w[h]);
        }
        add_group(tokens, first && side == 0, w, tile + side * 16 + j * 4, sum);
    }
}

// Group j, expanded to bytes.
AVX2_INLINE void add_expanded(const int32_t tokens, const int32_t first, const uint8_t *quants, int64_t j, const uint8_t *tile,
                              __m256i sum[6][2]) {
    const __m256i *from = (const __m256i *)(quants + j * 64);
    const __m256i w[2] = {_mm256_load_si256(from), _mm256_load_si256(from + 1)};
    add_group(tokens, first, w, tile + j * 4, sum);
}

// Nibbles are at most 15, so that eight products of a pair fit 16 bits (8 * 2 * 15 * 127 = 30480) and one widening
// sums all; the table of mxfp4 goes to 24, where four fit (24384): two rounds.
// Weights are read as packed, or `expanded` to bytes in the order of the column groups.
AVX2_INLINE void nibble_tile(const int32_t tokens, const int32_t table, const int32_t expanded, const uint8_t *quants,
                             const uint16_t *scales, int64_t blocks, const uint8_t *tile, float *acc) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256 kept[6][2];
    if (IN_REGISTERS(tokens)) load_sums(tokens, acc, kept);
    for (int64_t b = 0; b < blocks; b++) {
        __m256i dot[6][2];
        UNROLL for (int32_t round = 0; round < (table ? 2 : 1); round++) {
            const int32_t begin = round * 2, end = table ? begin + 2 : 4;
            __m256i sum[6][2];
            if (expanded && table) {
                UNROLL for (int32_t t = 0; t < tokens; t++) sum[t][0] = sum[t][1] = _mm256_setzero_si256();
                ROLLED for (int64_t j = 2 * begin; j < 2 * end; j++) add_expanded(tokens, 0, quants, j, tile, sum);
            } else if (expanded) {
                add_expanded(tokens, 1, quants, 2 * begin, tile, sum);
                ROLLED for (int64_t j = 2 * begin + 1; j < 2 * end; j++) add_expanded(tokens, 0, quants, j, tile, sum);
            } else if (IN_REGISTERS(tokens)) {
                UNROLL for (int64_t j = begin; j < end; j++) add_packed(tokens, j == begin, table, quants, j, tile, sum);
            } else {
                add_packed(tokens, 1, table, quants, begin, tile, sum);
                ROLLED for (int64_t j = begin + 1; j < end; j++) add_packed(tokens, 0, table, quants, j, tile, sum);
            }
            UNROLL for (int32_t t = 0; t < tokens; t++) {
                UNROLL for (int32_t h = 0; h < 2; h++) {
                    const __m256i part = _mm256_madd_epi16(sum[t][h], ones);
                    dot[t][h] = round == 0 ? part : _mm256_add_epi32(dot[t][h], part);
                }
            }
        }
        const __m256 scale[2] = {halves(scales), halves(scales + 8)};
        const __m256 minimum[2] = {halves(scales + 16), halves(scales + 24)};
        add_block(tokens, dot, scale, minimum, (const float *)(tile + tokens * 32), acc, kept);
        if (!expanded) ask_ahead(quants + b * 64, SK_Q4_BLOCK_BYTES + 64, SK_BLOCKS_AHEAD);
        quants += expanded ? SK_Q8_BLOCK_BYTES : SK_Q4_BLOCK_BYTES;
        scales += 32;
        tile += SK_TILE_BLOCK_BYTES(tokens);
    }
    if (IN_REGISTERS(tokens)) store_sums(tokens, acc, kept);
}

// Signed times signed: |w| times x with the sign of w; a pair is at most 2 * 128 * 127 = 32512.
AVX2_INLINE void byte_tile(const int32_t tokens, const uint8_t *quants, const uint16_t *scales, int64_t blocks,
                           const uint8_t *tile, float *acc) {
    const __m256i bias = _mm256_set1_epi8((char)128), ones = _mm256_set1_epi16(1);
    __m256 kept[6][2];
    if (IN_REGISTERS(tokens)) load_sums(tokens, acc, kept);
    for (int64_t b = 0; b < blocks; b++) {
        __m256i dot[6][2];
        UNROLL for (int32_t j = 0; j < 8; j++) {
            __m256i w[2], size[2];
            UNROLL for (int32_t h = 0; h < 2; h++) {
                w[h] = _mm256_xor_si256(_mm256_load_si256((const __m256i *)(quants + j * 64 + h * 32)), bias);
                size[h] = _mm256_abs_epi8(w[h]);
            }
            UNROLL for (int32_t t = 0; t < tokens; t++) {
                const __m256i x = four(tile + t * 32 + j * 4);
                UNROLL for (int32_t h = 0; h < 2; h++) {
                    const __m256i pairs = _mm256_maddubs_epi16(size[h], _mm256_sign_epi8(x, w[h]));
                    const __m256i fours = _mm256_madd_epi16(pairs, ones);
                    dot[t][h] = j == 0 ? fours : _mm256_add_epi32(dot[t][h], fours);
                }
            }
        }
        const __m256 scale[2] = {halves(scales), halves(scales + 8)};
        add_block(tokens, dot, scale, NULL, (const float *)(tile + tokens * 32), acc, kept);
        ask_ahead(quants + b * 32, SK_Q8_BLOCK_BYTES + 32, SK_BLOCKS_AHEAD);
        quants += SK_Q8_BLOCK_BYTES;
        scales += 16;
        tile += SK_TILE_BLOCK_BYTES(tokens);
    }
    if (IN_REGISTERS(tokens)) store_sums(tokens, acc, kept);
}

AVX2_INLINE void expand(const int32_t table, const uint8_t *quants, int64_t blocks, uint8_t *out) {
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i values = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)sk_mxfp4_table));
    for (int64_t b = 0; b < blocks; b++, quants += SK_Q4_BLOCK_BYTES, out += SK_Q8_BLOCK_BYTES) {
        ask_ahead(quants + b * 64, SK_Q4_BLOCK_BYTES + 64, SK_BLOCKS_AHEAD);
        for (int32_t i = 0; i < SK_Q4_BLOCK_BYTES; i += 32) {
            const __m256i w = _mm256_load_si256((const __m256i *)(quants + i));
            __m256i first = _mm256_and_si256(w, low), second = _mm256_and_si256(_mm256_srli_epi16(w, 4), low);
            if (table) {
                first = _mm256_shuffle_epi8(values, first);
                second = _mm256_shuffle_epi8(values, second);
            }
            _mm256_store_si256((__m256i *)(out + i), first);
            _mm256_store_si256((__m256i *)(out + SK_Q4_BLOCK_BYTES + i), second);
        }
    }
}

AVX2 void sk_avx2_expand_q4(const uint8_t *quants, int64_t blocks, uint8_t *out) { expand(0, quants, blocks, out); }
AVX2 void sk_avx2_expand_mxfp4(const uint8_t *quants, int64_t blocks, uint8_t *out) { expand(1, quants, blocks, out); }

#define ARGUMENTS const uint8_t *quants, const uint16_t *scales, int64_t blocks, const uint8_t *tile, float *acc
#define DEFINE(T)                                                                                              \
    AVX2 void sk_avx2_q8_##T(ARGUMENTS) { byte_tile(T, quants, scales, blocks, tile, acc); }                   \
    AVX2 void sk_avx2_q4_##T(ARGUMENTS) { nibble_tile(T, 0, 0, quants, scales, blocks, tile, acc); }           \
    AVX2 void sk_avx2_mxfp4_##T(ARGUMENTS) { nibble_tile(T, 1, 0, quants, scales, blocks, tile, acc); }        \
    AVX2 void sk_avx2_wide_q4_##T(ARGUMENTS) { nibble_tile(T, 0, 1, quants, scales, blocks, tile, acc); }      \
    AVX2 void sk_avx2_wide_mxfp4_##T(ARGUMENTS) { nibble_tile(T, 1, 1, quants, scales, blocks, tile, acc); }
DEFINE(1)
DEFINE(2)
DEFINE(3)
DEFINE(4)
DEFINE(5)
DEFINE(6)
#endif
