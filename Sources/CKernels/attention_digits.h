// Factors of codes in 16 bits: what the attention kernels of all levels share.
#ifndef SK_ATTENTION_DIGITS_H
#define SK_ATTENTION_DIGITS_H
#include <math.h>
#include <stdint.h>

#include "attention_levels.h"
#include "sk_steps.h"

#define SK_DIGIT_MOST 32767.0f
// Below this the quotient could overflow. What is smaller counts as nothing.
#define SK_DIGIT_LEAST 1e-30f
// Digits of a row, one after the other: those of a query, and then those of a page's weights.
#define SK_DIGITS SK_PAGE

typedef struct {
    float inverse;  // 1 / step, to make digits with
    float step;     // what a digit counts; NaN where the factors were not finite
    float base;     // the sum over minima
} sk_digits;

static inline sk_digits sk_make_digits(float largest, float base) {
    const int isFinite = largest < INFINITY, isSome = isFinite && largest > SK_DIGIT_LEAST;
    return (sk_digits){isSome ? SK_DIGIT_MOST / largest : 0,
                       isSome ? largest * (1 / SK_DIGIT_MOST) : isFinite ? 0 : NAN, base};
}

// Whether scores are made of the codes of keys.
static inline int sk_scores_codes(const sk_page_layout *layout) {
    return sk_page_is_sealed(layout) && layout->rope_width == 0 && layout->k_width <= SK_DIGITS;
}
#endif
