// Sealing a page: codes of 8 or 4 bits with a scale and a minimum; reading single positions back.
//
// Portable C alone: a page is sealed once, and the bytes must be the same on every processor.
#include <math.h>
#include <string.h>

#include "attention_levels.h"
#include "sk_half.h"
#include "sk_steps.h"

typedef struct {
    float minimum, range;  // NaN and 0 if not all numbers, or their distance, are finite
} span;

static span span_of(const float *numbers, int32_t count) {
    float low = numbers[0], high = numbers[0], poison = 0;
    for (int32_t i = 0; i < count; i++) {
        low = numbers[i] < low ? numbers[i] : low;
        high = numbers[i] > high ? numbers[i] : high;
        // Stays 0 for finite numbers, becomes NaN for others.
        poison += numbers[i] * 0;
    }
    const float range = high - low;
    if (poison != 0 || !isfinite(range)) return (span){NAN, 0};
    return (span){low, range};
}

static uint8_t code_of(float number, float minimum, float inverse, int32_t most) {
    const float place = (number - minimum) * inverse + 0.5f;
    // Also what is below 0 or not a number becomes 0.
    if (!(place >= 1)) return 0;
    return place >= (float)most ? (uint8_t)most : (uint8_t)place;
}

static void seal_keys(const sk_page_layout *open, const void *keys, const sk_page_layout *sealed, uint8_t *to) {
    float *scales = (float *)(to + sealed->k_width * SK_PAGE), *minima = scales + sealed->k_width;
    for (int32_t column = 0; column < open->k_width; column++) {
        float numbers[SK_PAGE];
        sk_page_key_channel(open, keys, column, numbers);
        const span found = span_of(numbers, SK_PAGE);
        scales[column] = found.range / 255;
        minima[column] = found.minimum;
        const float inverse = found.range > 0 ? 255 / found.range : 0;
        for (int32_t p = 0; p < SK_PAGE; p++, to++) *to = code_of(numbers[p], found.minimum, inverse, 255);
    }
    char *end = (char *)(minima + sealed->k_width);
    memset(end, 0, (64 - (size_t)sealed->k_width * 8 % 64) % 64);
}

static void seal_values(const sk_page_layout *open, const void *values, const sk_page_layout *sealed, uint8_t *to) {
    const int32_t runs = sk_value_runs(sealed), most = sealed->type == SK_PAGE_Q8 ? 255 : 15;
    const int64_t row_bytes = sk_value_row_bytes(sealed);
    uint16_t *scales = (uint16_t *)(to + row_bytes * SK_PAGE), *minima = scales + runs * SK_PAGE;
    for (int32_t p = 0; p < SK_PAGE; p++) {
        uint8_t *row = to + p * row_bytes;
        for (int32_t run = 0; run < runs; run++) {
            const int32_t first = run * SK_VALUE_RUN;
            const int32_t stored = open->v_stride - first < SK_VALUE_RUN ? open->v_stride - first : SK_VALUE_RUN;
            // The padding behind the last column does not widen the span.
            const int32_t count = open->v_width - first < stored ? open->v_width - first : stored;
            float numbers[SK_VALUE_RUN] = {0};
            uint8_t codes[SK_VALUE_RUN] = {0};
            for (int32_t i = 0; i < count; i++) numbers[i] = sk_page_value_element(open, values, p, first + i);
            const span found = span_of(numbers, count);
            // Codes count from what the halves really say.
            const uint16_t low = sk_half_bits(found.minimum);
            const float minimum = sk_half_value(low);
            const uint16_t step = sk_half_bits((found.minimum - minimum + found.range) / (float)most);
            const float scale = sk_half_value(step), inverse = scale > 0 ? 1 / scale : 0;
            const int spoilt = !isfinite(minimum) || !isfinite(scale);
            scales[run * SK_PAGE + p] = spoilt ? 0 : step;
            minima[run * SK_PAGE + p] = spoilt ? 0x7e00 : low;
            for (int32_t i = 0; i < count && !spoilt; i++) codes[i] = code_of(numbers[i], minimum, inverse, most);
            if (sealed->type == SK_PAGE_Q8) {
                memcpy(row + first, codes, (size_t)stored);
            } else {
                for (int32_t i = 0; i < SK_LANES; i++) {
                    row[run * SK_LANES + i] = (uint8_t)(codes[i] | codes[i + SK_LANES] << 4);
                }
            }
        }
    }
}

void sk_page_seal(const sk_page_layout *open, const void *keys, const void *values, const sk_page_layout *sealed,
                  void *sealed_keys, void *sealed_values) {
    seal_keys(open, keys, sealed, sealed_keys);
    seal_values(open, values, sealed, sealed_values);
}

void sk_page_load(const sk_page_layout *layout, const void *keys, const void *values, int32_t offset, float *key,
                  float *value) {
    for (int32_t i = 0; key && i < layout->k_width; i++) key[i] = sk_page_key_element(layout, keys, i, offset);
    for (int32_t i = 0; value && i < layout->v_width; i++) value[i] = sk_page_value_element(layout, values, offset, i);
}
