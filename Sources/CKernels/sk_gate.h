// The gates in scalar code. Vector levels repeat these steps lane by lane, so every level gives equal bytes.
#ifndef SK_GATE_H
#define SK_GATE_H
#include "sk_matmul.h"
#include "sk_steps.h"

// gate * sigmoid(alpha * gate) * up, or gpt-oss's clamped form (see sk_activation).
static inline float sk_gate(int32_t activation, float alpha, float limit, float gate, float up) {
    if (activation == SK_SILU) return gate / (1.0f + sk_step_exp(-gate)) * up;
    gate = gate > limit ? limit : gate;
    up = up > limit ? limit : up;
    up = up < -limit ? -limit : up;
    return gate / (1.0f + sk_step_exp(-(alpha * gate))) * (up + 1.0f);
}

#endif
