#include "sk_fit.h"

#include <math.h>
#include <string.h>

#include "sk_panel.h"

// Adding and subtracting 1.5 * 2^23 rounds |v| < 2^22 to the nearest even integer, in vector code of any machine.
static inline float nearest(float v) { return (v + 12582912.0f) - 12582912.0f; }
static inline float clamp(float v, float low, float high) { return v < low ? low : v > high ? high : v; }

int32_t sk_fit_q8(const float *x, int32_t count, int8_t *quants, uint16_t *scale) {
    float largest = 0;
    for (int32_t i = 0; i < count; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    *scale = sk_half_bits(largest / 127.0f);
    // Subnormal halves are coarse: the next one rather than clipping the largest weight.
    if (sk_half_value(*scale) * 127.5f < largest) *scale += 1;
    if (!sk_half_is_finite(*scale)) return -1;
    const float rounded = sk_half_value(*scale);
    const float inverse = rounded > 0 ? 1.0f / rounded : 0;
    for (int32_t i = 0; i < count; i++) quants[i] = (int8_t)nearest(clamp(x[i] * inverse, -127, 127));
    return 0;
}

typedef struct {
    uint8_t nibbles[SK_BLOCK];
    float scale, minimum;  // values that half holds exactly
    float error;
} q4_fit;

// Rounds a block to the grid of a scale and a minimum, both rounded to half first.
static void try_q4(const float *x, int32_t count, float scale, float minimum, q4_fit *fit) {
    fit->scale = sk_half_value(sk_half_bits(scale));
    fit->minimum = sk_half_value(sk_half_bits(minimum));
    fit->error = INFINITY;
    if (!isfinite(fit->scale) || !isfinite(fit->minimum) || !(fit->scale >= 0)) return;
    const float inverse = fit->scale > 0 ? 1.0f / fit->scale : 0;
    float error = 0;
    for (int32_t i = 0; i < count; i++) {
        const float q = nearest(clamp((x[i] - fit->minimum) * inverse, 0, 15));
        const float distance = fit->scale * q + fit->minimum - x[i];
        error += distance * distance;
        fit->nibbles[i] = (uint8_t)q;
    }
    fit->error = error;
}

// The scale and minimum that fit given nibbles best. Returns 0 if the nibbles are all the same.
static int32_t refit_q4(const float *x, int32_t count, const q4_fit *fit, float *scale, float *minimum) {
    float q_sum = 0, qq_sum = 0, x_sum = 0, qx_sum = 0;
    for (int32_t i = 0; i < count; i++) {
        const float q = (float)fit->nibbles[i];
        q_sum += q;
        qq_sum += q * q;
        x_sum += x[i];
        qx_sum += q * x[i];
    }
    const float determinant = (float)count * qq_sum - q_sum * q_sum;
    if (!(determinant > 0)) return 0;
    *scale = ((float)count * qx_sum - q_sum * x_sum) / determinant;
    *minimum = (x_sum - *scale * q_sum) / (float)count;
    return *scale > 0;
}

int32_t sk_fit_q4(const float *x, int32_t count, uint8_t *nibbles, uint16_t *scale, uint16_t *minimum) {
    float low = x[0], high = x[0];
    for (int32_t i = 1; i < count; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    q4_fit best;
    memset(&best, 0, sizeof best);
    best.error = INFINITY;
    const float range = high - low;
    for (int32_t candidate = 0; candidate < 9; candidate++) {
        const float begin = low + 0.04f * (float)(candidate / 3) * range;
        const float end = high - 0.04f * (float)(candidate % 3) * range;
        float next_scale = (end - begin) / 15.0f, next_minimum = begin;
        for (int32_t round = 0; round < 3; round++) {
            q4_fit fit;
            memset(&fit, 0, sizeof fit);
            try_q4(x, count, next_scale, next_minimum, &fit);
            if (fit.error < best.error) best = fit;
            if (!isfinite(fit.error) || !refit_q4(x, count, &fit, &next_scale, &next_minimum)) break;
        }
    }
    if (!isfinite(best.error)) return -1;
    memcpy(nibbles, best.nibbles, (size_t)count);
    *scale = sk_half_bits(best.scale);
    *minimum = sk_half_bits(best.minimum);
    return 0;
}

// Code (0..15) of the nearest of 0, 1, 2, 3, 4, 6, 8, 12 with either sign; a tie goes to the even code.
static uint8_t nearest_mxfp4(float v) {
    const float m = fabsf(v);
    const uint8_t code = m <= 0.5f ? 0 : m < 1.5f ? 1 : m <= 2.5f ? 2 : m < 3.5f ? 3 : m <= 5 ? 4 : m < 7 ? 5
        : m <= 10 ? 6 : 7;
    return (uint8_t)(code | (v < 0 && code ? 8 : 0));
}

static float try_mxfp4(const float *x, int32_t count, float scale, uint8_t *nibbles) {
    float error = 0;
    for (int32_t i = 0; i < count; i++) {
        nibbles[i] = nearest_mxfp4(x[i] / scale);
        const float distance = scale * (float)((int32_t)sk_mxfp4_table[nibbles[i]] - 12) - x[i];
        error += distance * distance;
    }
    return error;
}

int32_t sk_fit_mxfp4(const float *x, int32_t count, uint8_t *nibbles, uint16_t *scale, uint16_t *minimum) {
    float largest = 0;
    for (int32_t i = 0; i < count; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    float wide = 0x1p-24f;  // the smallest positive half
    while (wide * 12.0f < largest && wide < 0x1p13f) wide *= 2;
    if (wide * 12.0f < largest) return -1;
    float chosen = largest > 0 ? wide : 0;
    if (chosen > 0) {
        const float error = try_mxfp4(x, count, wide, nibbles);
        uint8_t clipped[SK_BLOCK];
        if (wide > 0x1p-24f && try_mxfp4(x, count, wide / 2, clipped) < error) {
            memcpy(nibbles, clipped, (size_t)count);
            chosen = wide / 2;
        }
    } else {
        memset(nibbles, 0, (size_t)count);
    }
    *scale = sk_half_bits(chosen);
    *minimum = sk_half_bits(-12.0f * chosen);
    return sk_half_is_finite(*minimum) ? 0 : -1;
}
