// GELU of sixteen floats: sk_gelu.h lane by lane. Included inside a target region, behind sk_lanes.h.
#ifndef SK_GELU_LANES_H
#define SK_GELU_LANES_H
#include "sk_gelu.h"

SK_ALWAYS v16 gelu16(v16 x) {
    v16 a = __builtin_elementwise_abs(x);
    a = a > SK_TAIL_END ? (v16)SK_TAIL_END : a;
    const v16 square = a * a, rest = fma16(a, a, -square);
    const v16 power = exp16(-0.5f * square);
    const v16 t = 1.0f / fma16(a, (v16)SK_TAIL_P, (v16)1.0f);
    v16 p = fma16(t, (v16)SK_TAIL_C8, (v16)SK_TAIL_C7);
    p = fma16(p, t, (v16)SK_TAIL_C6);
    p = fma16(p, t, (v16)SK_TAIL_C5);
    p = fma16(p, t, (v16)SK_TAIL_C4);
    p = fma16(p, t, (v16)SK_TAIL_C3);
    p = fma16(p, t, (v16)SK_TAIL_C2);
    p = fma16(p, t, (v16)SK_TAIL_C1);
    p = fma16(p, t, (v16)SK_TAIL_C0);
    const v16 tail = p * t * fma16(power, -0.5f * rest, power);
    return fma16(-a, tail, x > 0.0f ? x : (v16)0.0f);
}

SK_ALWAYS v16 gelu_tanh16(v16 x) {
    const v16 u = x * fma16(x * x, (v16)SK_GELU_TANH_3, (v16)SK_GELU_TANH_1);
    return x / (1.0f + exp16(u));
}

SK_ALWAYS v16 pointwise16(int32_t pointwise, v16 x) {
    if (pointwise == SK_GELU) return gelu16(x);
    return pointwise == SK_GELU_TANH ? gelu_tanh16(x) : x;
}

#endif
