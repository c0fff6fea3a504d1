// Conversions between float and the 16-bit types, by bits: the same on every processor.
#ifndef SK_HALF_H
#define SK_HALF_H
#include <stdint.h>
#include <string.h>

static inline uint32_t sk_float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float sk_bits_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float sk_half_value(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t rest = half & 0x7fff;
    if (rest >= 0x7c00) return sk_bits_float(sign | 0x7f800000 | ((rest & 0x3ff) << 13) | ((rest & 0x3ff) ? 0x400000 : 0));
    if (rest >= 0x0400) return sk_bits_float(sign | ((rest << 13) + 0x38000000));
    // A subnormal half is a small integer times 2^-24.
    const float magnitude = (float)rest * 0x1p-24f;
    return sk_bits_float(sign | sk_float_bits(magnitude));
}

static inline uint16_t sk_half_bits(float value) {
    const uint32_t bits = sk_float_bits(value);
    const uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
    const uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | ((magnitude >> 13) & 0x1ff));
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);  // 65520 and above round to infinity
    if (magnitude < 0x38800000) {
        // Adding 0.5 leaves the multiple of 2^-24, rounded to even, in the low bits of the sum.
        const float sum = sk_bits_float(magnitude) + 0.5f;
        return (uint16_t)(sign | (sk_float_bits(sum) - 0x3f000000));
    }
    const uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
    return (uint16_t)(sign | ((rounded - 0x38000000) >> 13));
}

static inline float sk_bfloat16_value(uint16_t value) { return sk_bits_float((uint32_t)value << 16); }

static inline uint16_t sk_bfloat16_bits(float value) {
    const uint32_t bits = sk_float_bits(value);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)((bits >> 16) | 0x40);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// True for a half that is neither infinite nor NaN.
static inline int sk_half_is_finite(uint16_t half) { return (half & 0x7c00) != 0x7c00; }

#endif
