// Kernels in registers of 64 bytes, which hold one column of a panel in floats or one column group (16 rows x 4
// columns) in bytes. Included inside a target region by a file that defines, before it:
//   dot4(sum, w, x)   sum[lane] += dot product of the four bytes of w (unsigned) and of x (signed) in that lane
//   look_up(codes)    sk_mxfp4_table[code] of each of 64 bytes below 16
// Everything else is plain vector code, so that the logic runs (in the tests) on processors without AVX-512.
#include "sk_avx2.h"
#include "sk_lanes.h"
#include "sk_panel.h"
#include "sk_tiles.h"

typedef uint16_t w32 __attribute__((ext_vector_type(32)));

#define SK_UNROLL _Pragma("clang loop unroll(full)")

SK_ALWAYS u64 load64(const uint8_t *from) {
    u64 x;
    memcpy(&x, from, sizeof x);
    return x;
}

// The four quants of a column group, in every lane.
SK_ALWAYS i16 four_quants(const uint8_t *from) {
    int32_t value;
    memcpy(&value, from, sizeof value);
    return (i16)value;
}

SK_ALWAYS float float_at(const uint8_t *from) {
    float value;
    memcpy(&value, from, sizeof value);
    return value;
}

// The eight column groups of a block as bytes.
SK_ALWAYS void groups_of(int32_t type, const uint8_t *quants, u64 groups[8]) {
    if (type == SK_Q8) {
        SK_UNROLL for (int32_t j = 0; j < 8; j++) groups[j] = load64(quants + j * 64);
        return;
    }
    SK_UNROLL for (int32_t j = 0; j < 4; j++) {
        const u64 packed = load64(quants + j * 64);
        groups[j] = packed & 15;
        groups[j + 4] = (u64)((w32)packed >> 4) & 15;
    }
    if (type == SK_MXFP4) {
        SK_UNROLL for (int32_t j = 0; j < 8; j++) groups[j] = look_up(groups[j]);
    }
}

// q8 stores q + 128 and starts from -128 * sum(x); the others have their minimum beside the scale.
SK_ALWAYS void block_tile(const int32_t type, const int32_t tokens, const uint8_t *quants, const uint16_t *scales,
                          int64_t blocks, const uint8_t *tile, float *acc) {
    v16 sum[SK_TILE_LIMIT];
    SK_UNROLL for (int32_t t = 0; t < tokens; t++) sum[t] = load16(acc + t * SK_PANEL_ROWS);
    for (int64_t b = 0; b < blocks; b++) {
        u64 groups[8];
        groups_of(type, quants, groups);
        const v16 scale = load16_half(scales);
        const v16 minimum = type == SK_Q8 ? (v16)0.0f : load16_half(scales + SK_PANEL_ROWS);
        SK_UNROLL for (int32_t t = 0; t < tokens; t++) {
            i16 dot = type == SK_Q8 ? four_quants(tile + tokens * 40 + t * 4) : (i16)0;
            SK_UNROLL for (int32_t j = 0; j < 8; j++) dot = dot4(dot, groups[j], four_quants(tile + t * 32 + j * 4));
            const v16 x_scale = (v16)float_at(tile + tokens * 32 + t * 4);
            sum[t] = fma16(__builtin_convertvector(dot, v16), scale * x_scale, sum[t]);
            if (type != SK_Q8) sum[t] = fma16(minimum, (v16)float_at(tile + tokens * 36 + t * 4), sum[t]);
        }
        const int32_t quant_bytes = type == SK_Q8 ? SK_Q8_BLOCK_BYTES : SK_Q4_BLOCK_BYTES;
        const int32_t scale_bytes = type == SK_Q8 ? 2 * SK_PANEL_ROWS : 4 * SK_PANEL_ROWS;
        ask_ahead(quants + b * scale_bytes, quant_bytes + scale_bytes, SK_BLOCKS_AHEAD);
        quants += quant_bytes;
        scales += scale_bytes / 2;
        tile += SK_TILE_BLOCK_BYTES(tokens);
    }
    SK_UNROLL for (int32_t t = 0; t < tokens; t++) store16(acc + t * SK_PANEL_ROWS, sum[t]);
}

// Column `column` of a float panel; bf16 lies in pairs of columns.
SK_ALWAYS v16 column_of(const int32_t type, const uint8_t *panel, int64_t column) {
    if (type == SK_F32) return load16((const float *)panel + column * SK_PANEL_ROWS);
    if (type == SK_F16) return load16_half((const uint16_t *)panel + column * SK_PANEL_ROWS);
    i16 pair;
    memcpy(&pair, panel + column / 2 * 64, sizeof pair);
    return (v16)(column % 2 ? pair & (int32_t)0xffff0000 : pair << 16);
}

SK_ALWAYS void float_tile(const int32_t type, const int32_t panels, const int32_t tokens, const uint8_t *weights,
                          int64_t stride, int64_t columns, const float *const *x, float *acc) {
    v16 sum[4][SK_TILE_LIMIT];
    const float *row[SK_TILE_LIMIT];
    SK_UNROLL for (int32_t t = 0; t < tokens; t++) row[t] = x[t];
    SK_UNROLL for (int32_t i = 0; i < panels * tokens; i++) sum[i / tokens][i % tokens] = load16(acc + i * SK_PANEL_ROWS);
    int64_t c = 0;
    for (; c + 2 <= columns; c += 2) {
        SK_UNROLL for (int32_t k = 0; k < 2; k++) {
            SK_UNROLL for (int32_t p = 0; p < panels; p++) {
                const v16 w = column_of(type, weights + p * stride, c + k);
                SK_UNROLL for (int32_t t = 0; t < tokens; t++) sum[p][t] = fma16(w, (v16)row[t][c + k], sum[p][t]);
            }
        }
    }
    if (c < columns) {
        SK_UNROLL for (int32_t p = 0; p < panels; p++) {
            const v16 w = column_of(type, weights + p * stride, c);
            SK_UNROLL for (int32_t t = 0; t < tokens; t++) sum[p][t] = fma16(w, (v16)row[t][c], sum[p][t]);
        }
    }
    SK_UNROLL for (int32_t i = 0; i < panels * tokens; i++) store16(acc + i * SK_PANEL_ROWS, sum[i / tokens][i % tokens]);
}

#define SK_BLOCK_ARGUMENTS const uint8_t *quants, const uint16_t *scales, int64_t blocks, const uint8_t *tile, float *acc
#define SK_FLOAT_ARGUMENTS const uint8_t *weights, int64_t stride, int64_t columns, const float *const *x, float *acc
#define SK_DEFINE_BLOCKS(T)                                                                                     \
    static void q8_##T(SK_BLOCK_ARGUMENTS) { block_tile(SK_Q8, T, quants, scales, blocks, tile, acc); }         \
    static void q4_##T(SK_BLOCK_ARGUMENTS) { block_tile(SK_Q4, T, quants, scales, blocks, tile, acc); }         \
    static void mxfp4_##T(SK_BLOCK_ARGUMENTS) { block_tile(SK_MXFP4, T, quants, scales, blocks, tile, acc); }
#define SK_DEFINE_FLOATS(T)                                                                                     \
    static void f32_##T(SK_FLOAT_ARGUMENTS) { float_tile(SK_F32, 1, T, weights, stride, columns, x, acc); }     \
    static void f16_##T(SK_FLOAT_ARGUMENTS) { float_tile(SK_F16, 1, T, weights, stride, columns, x, acc); }     \
    static void bf16_##T(SK_FLOAT_ARGUMENTS) { float_tile(SK_BF16, 1, T, weights, stride, columns, x, acc); }

#define SK_UP_TO_10(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10)
#define SK_UP_TO_16(X) SK_UP_TO_10(X) X(11) X(12) X(13) X(14) X(15) X(16)
SK_UP_TO_16(SK_DEFINE_BLOCKS)
SK_UP_TO_10(SK_DEFINE_FLOATS)
static void f32_four(SK_FLOAT_ARGUMENTS) { float_tile(SK_F32, 4, 1, weights, stride, columns, x, acc); }
static void f16_four(SK_FLOAT_ARGUMENTS) { float_tile(SK_F16, 4, 1, weights, stride, columns, x, acc); }
static void bf16_four(SK_FLOAT_ARGUMENTS) { float_tile(SK_BF16, 4, 1, weights, stride, columns, x, acc); }

#define SK_TABLE_10(name) \
    NULL, name##_1, name##_2, name##_3, name##_4, name##_5, name##_6, name##_7, name##_8, name##_9, name##_10
#define SK_TABLE_16(name) SK_TABLE_10(name), name##_11, name##_12, name##_13, name##_14, name##_15, name##_16

// 16 tokens: 16 sums, 8 column groups and the rest for what passes. 10 tokens: as many rows as there are pointers.
static const sk_tile_kernels lane_kernels = {
    .block_tile = 16,
    .float_tile = 10,
    .blocks = {{SK_TABLE_16(q8)}, {SK_TABLE_16(q4)}, {SK_TABLE_16(mxfp4)}},
    .floats = {{SK_TABLE_10(f32)}, {SK_TABLE_10(f16)}, {SK_TABLE_10(bf16)}},
    .four_panels = {f32_four, f16_four, bf16_four},
    .widen = {NULL, sk_avx2_widen_f16, sk_avx2_widen_bf16},
    .gate = sk_avx2_gate,
    .pointwise = sk_avx2_pointwise,
};
