// GELU in scalar code. Vector levels repeat these steps lane by lane, so every level gives equal bytes.
#ifndef SK_GELU_H
#define SK_GELU_H
#include "sk_matmul.h"
#include "sk_steps.h"

// The upper tail of the normal distribution: Q(a) = exp(-a^2 / 2) * t * (c0 + c1 t + ... + c8 t^8), t = 1 / (1 + p a),
// a >= 0. Fitted for the least relative error (3.2e-8) up to a = 14. The tail rather than erf is what GELU needs: for
// negative arguments 1 + erf would cancel.
#define SK_TAIL_END 20.0f
#define SK_TAIL_P 0.35f
#define SK_TAIL_C0 0x1.1df1d4p-3f
#define SK_TAIL_C1 0x1.1e6feap-3f
#define SK_TAIL_C2 0x1.ead5b4p-4f
#define SK_TAIL_C3 0x1.b029d6p-4f
#define SK_TAIL_C4 (-0x1.7aa822p-6f)
#define SK_TAIL_C5 0x1.45fe4cp-3f
#define SK_TAIL_C6 (-0x1.05da7cp-2f)
#define SK_TAIL_C7 0x1.26db26p-3f
#define SK_TAIL_C8 (-0x1.dd87c0p-6f)

// -2 * sqrt(2 / pi), and that times 0.044715.
#define SK_GELU_TANH_1 (-0x1.988454p+0f)
#define SK_GELU_TANH_3 (-0x1.2444f2p-4f)

static inline float sk_step_gelu(float x) {
    // Beyond 20 the tail is 0 in floats; infinity times 0 must not arise.
    float a = fabsf(x);
    a = a > SK_TAIL_END ? SK_TAIL_END : a;
    // exp(-(square + rest) / 2): the rounding of the square would show in the result at large a.
    const float square = a * a, rest = fmaf(a, a, -square);
    const float power = sk_step_exp(-0.5f * square);
    const float t = 1.0f / fmaf(a, SK_TAIL_P, 1.0f);
    float p = fmaf(t, SK_TAIL_C8, SK_TAIL_C7);
    p = fmaf(p, t, SK_TAIL_C6);
    p = fmaf(p, t, SK_TAIL_C5);
    p = fmaf(p, t, SK_TAIL_C4);
    p = fmaf(p, t, SK_TAIL_C3);
    p = fmaf(p, t, SK_TAIL_C2);
    p = fmaf(p, t, SK_TAIL_C1);
    p = fmaf(p, t, SK_TAIL_C0);
    const float tail = p * t * fmaf(power, -0.5f * rest, power);
    // NaN stays NaN: it is not larger than 0, and NaN times the tail follows.
    return fmaf(-a, tail, x > 0 ? x : 0.0f);
}

static inline float sk_step_gelu_tanh(float x) {
    const float u = x * fmaf(x * x, SK_GELU_TANH_3, SK_GELU_TANH_1);
    return x / (1.0f + sk_step_exp(u));
}

static inline float sk_step_pointwise(int32_t pointwise, float x) {
    if (pointwise == SK_GELU) return sk_step_gelu(x);
    return pointwise == SK_GELU_TANH ? sk_step_gelu_tanh(x) : x;
}

#endif
