// Products in fixed point in registers of 64 bytes: a pair of columns of 16 rows. Included inside a target region by a
// file that defines, before it, LANES_LEVEL (the name of the table it makes) and
//   dot2(sum, w, x)   sum[lane] += dot product of the two 16-bit integers of w and of x in that lane
// Everything else is plain vector code, so that the logic runs (in the tests) on processors without AVX-512.
#include "sk_avx2.h"
#include "sk_fixed_kernels.h"
#include "sk_lanes.h"

SK_ALWAYS i16 load_pairs(const int16_t *from) {
    i16 x;
    memcpy(&x, from, sizeof x);
    return x;
}

SK_ALWAYS i16 same_pair(const int16_t *from) {
    int32_t two;
    memcpy(&two, from, sizeof two);
    return (i16)two;
}

SK_ALWAYS void fixed_tile(const int32_t tokens, const int16_t *weights, const float *scales, int64_t blocks,
                          const int16_t *const *x, const float *const *x_scales, float *acc) {
    const int16_t *row[SK_FIXED_TILE];
    v16 sum[SK_FIXED_TILE];
    UNROLL for (int32_t t = 0; t < tokens; t++) row[t] = x[t];
    UNROLL for (int32_t t = 0; t < tokens; t++) sum[t] = load16(acc + t * SK_PANEL_ROWS);
    for (int64_t b = 0; b < blocks; b++) {
        i16 dot[SK_FIXED_TILE];
        UNROLL for (int32_t t = 0; t < tokens; t++) dot[t] = 0;
        const int64_t at = b * SK_BLOCK;
        UNROLL for (int32_t j = 0; j < SK_BLOCK / 2; j++) {
            const i16 w = load_pairs(weights + at * SK_PANEL_ROWS + j * 2 * SK_PANEL_ROWS);
            UNROLL for (int32_t t = 0; t < tokens; t++) dot[t] = dot2(dot[t], w, same_pair(row[t] + at + 2 * j));
        }
        const v16 scale = load16(scales + b * SK_PANEL_ROWS);
        UNROLL for (int32_t t = 0; t < tokens; t++) {
            sum[t] = fma16(__builtin_convertvector(dot[t], v16), scale * x_scales[t][b], sum[t]);
        }
    }
    UNROLL for (int32_t t = 0; t < tokens; t++) store16(acc + t * SK_PANEL_ROWS, sum[t]);
}

#define SK_DEFINE_FIXED(T)                                                                                          \
    static void fixed_##T(const int16_t *weights, const float *scales, int64_t blocks, const int16_t *const *x,     \
                          const float *const *x_scales, float *acc) {                                               \
        fixed_tile(T, weights, scales, blocks, x, x_scales, acc);                                                   \
    }
SK_DEFINE_FIXED(1)
SK_DEFINE_FIXED(2)
SK_DEFINE_FIXED(3)
SK_DEFINE_FIXED(4)
SK_DEFINE_FIXED(5)
SK_DEFINE_FIXED(6)
SK_DEFINE_FIXED(7)
SK_DEFINE_FIXED(8)
SK_DEFINE_FIXED(9)
SK_DEFINE_FIXED(10)
SK_DEFINE_FIXED(11)
SK_DEFINE_FIXED(12)

// 12 dots, 12 sums, a pair of columns, scales.
const sk_fixed_level LANES_LEVEL = {
    .tile = 12,
    .convert = sk_fixed_convert_avx2,
    .kernels = {NULL, fixed_1, fixed_2, fixed_3, fixed_4, fixed_5, fixed_6, fixed_7, fixed_8, fixed_9, fixed_10,
                fixed_11, fixed_12},
    .pointwise = sk_avx2_pointwise,
    .rows_from = sk_fixed_rows_from_avx2,
};
