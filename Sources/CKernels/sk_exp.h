// exp and the gates in scalar code. Vector levels repeat these steps lane by lane, so every level gives equal bytes.
#ifndef SK_EXP_H
#define SK_EXP_H
#include "sk_half.h"
#include "sk_matmul.h"

// exp(x) = 2^n * exp(r), |r| <= ln(2) / 2. The polynomial is the Taylor series to r^7, with an error below 1e-8 relative.
#define SK_EXP_LOW -104.0f
#define SK_EXP_HIGH 89.0f
#define SK_LOG2_E 0x1.715476p+0f
#define SK_LN2_HIGH 0x1.62e4p-1f       // 15 bits: n * SK_LN2_HIGH is exact
#define SK_LN2_LOW 0x1.7f7d1cp-20f     // ln(2) - SK_LN2_HIGH
#define SK_ROUND 12582912.0f           // 1.5 * 2^23: adding it rounds to an integer, held in the low bits
#define SK_EXP_7 (1.0f / 5040.0f)
#define SK_EXP_6 (1.0f / 720.0f)
#define SK_EXP_5 (1.0f / 120.0f)
#define SK_EXP_4 (1.0f / 24.0f)
#define SK_EXP_3 (1.0f / 6.0f)

// Within 2 units in the last place; 0 far below, infinity far above, NaN for NaN.
static inline __attribute__((always_inline)) float sk_exp(float x) {
    x = x < SK_EXP_LOW ? SK_EXP_LOW : x;
    x = x > SK_EXP_HIGH ? SK_EXP_HIGH : x;
    const float shifted = __builtin_fmaf(x, SK_LOG2_E, SK_ROUND);
    const float n = shifted - SK_ROUND;
    float r = __builtin_fmaf(n, -SK_LN2_HIGH, x);
    r = __builtin_fmaf(n, -SK_LN2_LOW, r);
    float p = __builtin_fmaf(r, SK_EXP_7, SK_EXP_6);
    p = __builtin_fmaf(p, r, SK_EXP_5);
    p = __builtin_fmaf(p, r, SK_EXP_4);
    p = __builtin_fmaf(p, r, SK_EXP_3);
    p = __builtin_fmaf(p, r, 0.5f);
    p = __builtin_fmaf(p, r, 1.0f);
    p = __builtin_fmaf(p, r, 1.0f);
    // 2^n as two factors, so that neither leaves the normal range (n is -150 ... 128).
    const uint32_t whole = sk_float_bits(shifted) - sk_float_bits(SK_ROUND);
    const uint32_t first = (uint32_t)((int32_t)whole >> 1), second = whole - first;
    return p * sk_bits_float((first + 127) << 23) * sk_bits_float((second + 127) << 23);
}

// gate * sigmoid(alpha * gate) * up, or gpt-oss's clamped form (see sk_activation).
static inline __attribute__((always_inline)) float sk_gate(int32_t activation, float alpha, float limit, float gate,
                                                           float up) {
    if (activation == SK_SILU) return gate / (1.0f + sk_exp(-gate)) * up;
    gate = gate > limit ? limit : gate;
    up = up > limit ? limit : up;
    up = up < -limit ? -limit : up;
    return gate / (1.0f + sk_exp(-(alpha * gate))) * (up + 1.0f);
}

#endif
