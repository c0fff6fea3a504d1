// Sixteen floats as one value: one register with AVX-512, two with AVX2. The same source serves both levels.
//
// Included inside a target region (see rows_avx2.c), once per translation unit. Everything here is inlined into
// functions of that target, so how vectors travel between functions never matters.
#ifndef SK_LANES_H
#define SK_LANES_H
#include "sk_steps.h"

typedef float v16 __attribute__((ext_vector_type(16)));
typedef float v8 __attribute__((ext_vector_type(8)));
typedef float v4 __attribute__((ext_vector_type(4)));
typedef float v2 __attribute__((ext_vector_type(2)));
typedef int32_t i16 __attribute__((ext_vector_type(16)));
typedef double d16 __attribute__((ext_vector_type(16)));
typedef double d8 __attribute__((ext_vector_type(8)));
typedef double d4 __attribute__((ext_vector_type(4)));
typedef double d2 __attribute__((ext_vector_type(2)));
typedef _Float16 h16 __attribute__((ext_vector_type(16)));

#define SK_ALWAYS static inline __attribute__((always_inline))

SK_ALWAYS v16 load16(const float *from) {
    v16 x;
    memcpy(&x, from, sizeof x);
    return x;
}

SK_ALWAYS v16 load16_half(const uint16_t *from) {
    h16 x;
    memcpy(&x, from, sizeof x);
    return __builtin_convertvector(x, v16);
}

SK_ALWAYS void store16(float *to, v16 x) { memcpy(to, &x, sizeof x); }

// The first `count` (below 16) elements, and `rest` in the lanes behind them.
SK_ALWAYS v16 load_some(const float *from, int64_t count, float rest) {
    float lanes[SK_LANES];
    for (int lane = 0; lane < SK_LANES; lane++) lanes[lane] = lane < count ? from[lane] : rest;
    return load16(lanes);
}

SK_ALWAYS void store_some(float *to, int64_t count, v16 x) {
    float lanes[SK_LANES];
    store16(lanes, x);
    for (int lane = 0; lane < SK_LANES; lane++) {
        if (lane < count) to[lane] = lanes[lane];
    }
}

SK_ALWAYS v16 fma16(v16 a, v16 b, v16 c) { return __builtin_elementwise_fma(a, b, c); }

// b where a is not larger, also if a is NaN.
SK_ALWAYS v16 larger16(v16 a, v16 b) { return a > b ? a : b; }

// sk_step_exp in every lane.
SK_ALWAYS v16 exp16(v16 x) {
    const v16 y = x > SK_STEP_EXP_HIGH ? (v16)SK_STEP_EXP_HIGH : x;
    const v16 shifted = fma16(y, (v16)SK_STEP_LOG2_E, (v16)SK_STEP_ROUND);
    const v16 n = shifted - SK_STEP_ROUND;
    v16 r = fma16(n, (v16)-SK_STEP_LN2_HIGH, y);
    r = fma16(n, (v16)-SK_STEP_LN2_LOW, r);
    v16 p = fma16(r, (v16)SK_STEP_C4, (v16)SK_STEP_C3);
    p = fma16(p, r, (v16)SK_STEP_C2);
    p = fma16(p, r, (v16)SK_STEP_C1);
    p = fma16(p, r, (v16)SK_STEP_C0);
    p = fma16(p, r * r, r) + 1.0f;
    const v16 power = (v16)(((i16)shifted + 126) << 23);
    const v16 result = (p + p) * power;
    return x < SK_STEP_EXP_LOW ? (v16)0.0f : result;
}

// sk_step_exp in every lane, of numbers that are 0, negative or NaN: the same bits as exp16.
SK_ALWAYS v16 exp16_below(v16 x) {
    const v16 shifted = fma16(x, (v16)SK_STEP_LOG2_E, (v16)SK_STEP_ROUND);
    const v16 n = shifted - SK_STEP_ROUND;
    v16 r = fma16(n, (v16)-SK_STEP_LN2_HIGH, x);
    r = fma16(n, (v16)-SK_STEP_LN2_LOW, r);
    v16 p = fma16(r, (v16)SK_STEP_C4, (v16)SK_STEP_C3);
    p = fma16(p, r, (v16)SK_STEP_C2);
    p = fma16(p, r, (v16)SK_STEP_C1);
    p = fma16(p, r, (v16)SK_STEP_C0);
    p = fma16(p, r * r, r) + 1.0f;
    const v16 power = (v16)(((i16)shifted + 127) << 23);
    return x < SK_STEP_EXP_LOW ? (v16)0.0f : p * power;
}

// The tree of sk_step_sum.
SK_ALWAYS float sum16(v16 x) {
    const v8 a = x.lo + x.hi;
    const v4 b = a.lo + a.hi;
    const v2 c = b.lo + b.hi;
    return c.x + c.y;
}

SK_ALWAYS double sum16_double(d16 x) {
    const d8 a = x.lo + x.hi;
    const d4 b = a.lo + a.hi;
    const d2 c = b.lo + b.hi;
    return c.x + c.y;
}

// The tree of sk_step_maximum.
SK_ALWAYS float maximum16(v16 x) {
    const v8 a = x.hi > x.lo ? x.hi : x.lo;
    const v4 b = a.hi > a.lo ? a.hi : a.lo;
    const v2 c = b.hi > b.lo ? b.hi : b.lo;
    return c.y > c.x ? c.y : c.x;
}

#endif
