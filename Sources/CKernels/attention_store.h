// Storing one position of halves, sixteen at a time. Included inside a target region with SK_NAME(x).
#include "sk_lanes.h"

// The halves at i of a row of `count` floats; zeros behind its end.
SK_ALWAYS void halves_at(const float *row, int32_t i, int32_t count, uint16_t halves[SK_LANES]) {
    const v16 x = i + SK_LANES <= count ? load16(row + i) : load_some(row + i, count - i, 0);
    const h16 rounded = __builtin_convertvector(x, h16);
    memcpy(halves, &rounded, sizeof rounded);
}

void SK_NAME(sk_page_store_halves)(const sk_page_layout *layout, uint16_t *keys, uint16_t *values, int32_t offset,
                                   const float *key, const float *value) {
    uint16_t halves[SK_LANES];
    uint16_t *to = keys + offset;
    for (int32_t i = 0; i < layout->k_width; i += SK_LANES) {
        halves_at(key, i, layout->k_width, halves);
        const int32_t count = layout->k_width - i < SK_LANES ? layout->k_width - i : SK_LANES;
        for (int32_t c = 0; c < count; c++, to += SK_PAGE) *to = halves[c];
    }
    to = values + (int64_t)offset * layout->v_stride;
    // The stride is the width rounded up to whole vectors, so the zeros behind a ragged end are its padding.
    for (int32_t i = 0; i < layout->v_stride; i += SK_LANES) halves_at(value, i, layout->v_width, to + i);
}
