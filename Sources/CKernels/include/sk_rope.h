// Small helpers around rotary embedding and waiting.
#ifndef SK_ROPE_H
#define SK_ROPE_H
#include <stdint.h>

// Angles a - b from the cosines and sines of a and b, element by element.
static inline void sk_angle_difference(const float *cosines_a, const float *sines_a, const float *cosines_b,
                                       const float *sines_b, int32_t count, float *cosines, float *sines) {
    for (int32_t i = 0; i < count; i++) {
        cosines[i] = cosines_a[i] * cosines_b[i] + sines_a[i] * sines_b[i];
        sines[i] = sines_a[i] * cosines_b[i] - cosines_a[i] * sines_b[i];
    }
}

// Tells the processor that this is a spin loop.
static inline void sk_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}
#endif
