// Steps that the row and attention kernels of every level share: 16 lanes, one tree, one exponential.
//
// A sum or maximum over a row runs in 16 lanes (lane l takes elements l, l + 16, ...) and ends in a tree that folds
// the upper half onto the lower one. Vector levels do the same with registers, so all levels give equal bytes.
#ifndef SK_STEPS_H
#define SK_STEPS_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#define SK_LANES 16

// exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln(2) / 2. ln 2 is split so that n * high is exact.
// exp(r) = 1 + r + r^2 * (c0 + c1 r + ... + c4 r^4), fitted for the least relative error (3e-9).
#define SK_STEP_EXP_LOW (-86.9f)  // results below this are 0: no level ever meets a subnormal number here
#define SK_STEP_EXP_HIGH 89.0f    // and above ln(FLT_MAX) the result overflows to infinity by itself
#define SK_STEP_LOG2_E 0x1.715476p+0f
#define SK_STEP_LN2_HIGH 0x1.62e4p-1f
#define SK_STEP_LN2_LOW 0x1.7f7d1cp-20f
#define SK_STEP_ROUND 12582912.0f  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
#define SK_STEP_C0 0x1.fffffcp-2f
#define SK_STEP_C1 0x1.55549p-3f
#define SK_STEP_C2 0x1.5558f8p-5f
#define SK_STEP_C3 0x1.123b02p-7f
#define SK_STEP_C4 0x1.6a2256p-10f

// Within 2 units in the last place; 0 below -86.9 (and for -inf), infinity from 88.73, NaN for NaN.
static inline float sk_step_exp(float x) {
    const float y = x > SK_STEP_EXP_HIGH ? SK_STEP_EXP_HIGH : x;
    const float shifted = fmaf(y, SK_STEP_LOG2_E, SK_STEP_ROUND);
    const float n = shifted - SK_STEP_ROUND;
    float r = fmaf(n, -SK_STEP_LN2_HIGH, y);
    r = fmaf(n, -SK_STEP_LN2_LOW, r);
    float p = fmaf(r, SK_STEP_C4, SK_STEP_C3);
    p = fmaf(p, r, SK_STEP_C2);
    p = fmaf(p, r, SK_STEP_C1);
    p = fmaf(p, r, SK_STEP_C0);
    p = fmaf(p, r * r, r) + 1.0f;
    // 2 * p * 2^(n - 1): the factor stays normal for n = -125 ... 128.
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 126) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    const float result = (p + p) * power;
    return x < SK_STEP_EXP_LOW ? 0.0f : result;
}

static inline float sk_step_sum(float lanes[SK_LANES]) {
    for (int half = SK_LANES / 2; half > 0; half /= 2) {
        for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
    }
    return lanes[0];
}

// NaN never wins; -inf if there is nothing else.
static inline float sk_step_maximum(float lanes[SK_LANES]) {
    for (int half = SK_LANES / 2; half > 0; half /= 2) {
        for (int lane = 0; lane < half; lane++) {
            if (lanes[lane + half] > lanes[lane]) lanes[lane] = lanes[lane + half];
        }
    }
    return lanes[0];
}

#endif
