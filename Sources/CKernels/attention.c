// Pages of keys and values: sizes, storing a position, merging and finishing running sums, choice of the level.
#include <math.h>

#include "attention_digits.h"
#include "sk_cpu.h"
#include "sk_half.h"
#include "sk_matmul.h"
#include "sk_steps.h"

size_t sk_page_key_bytes(const sk_page_layout *layout) {
    const size_t codes = (size_t)layout->k_width * (size_t)sk_key_column_bytes(layout);
    if (!sk_page_is_sealed(layout)) return codes;
    return (codes + 2 * sizeof(float) * (size_t)layout->k_width + 63) / 64 * 64;
}

size_t sk_page_value_bytes(const sk_page_layout *layout) {
    const size_t codes = SK_PAGE * (size_t)sk_value_row_bytes(layout);
    if (!sk_page_is_sealed(layout)) return codes;
    return codes + 2 * sizeof(uint16_t) * SK_PAGE * (size_t)sk_value_runs(layout);
}

void sk_page_store_halves_scalar(const sk_page_layout *layout, uint16_t *keys, uint16_t *values, int32_t offset,
                                 const float *key, const float *value) {
    uint16_t *to = keys + offset;
    for (int32_t i = 0; i < layout->k_width; i++, to += SK_PAGE) *to = sk_half_bits(key[i]);
    to = values + (int64_t)offset * layout->v_stride;
    for (int32_t i = 0; i < layout->v_stride; i++) to[i] = i < layout->v_width ? sk_half_bits(value[i]) : 0;
}

void sk_page_store(const sk_page_layout *layout, void *keys, void *values, int32_t offset, const float *key,
                   const float *value) {
    if (layout->type == SK_F16) {
        switch (sk_current_level()) {
#if defined(__x86_64__)
        case SK_LEVEL_AVX512: sk_page_store_halves_avx512(layout, keys, values, offset, key, value); return;
        case SK_LEVEL_AVX2: sk_page_store_halves_avx2(layout, keys, values, offset, key, value); return;
#endif
        default: sk_page_store_halves_scalar(layout, keys, values, offset, key, value); return;
        }
    }
    float *to = (float *)keys + offset;
    for (int32_t i = 0; i < layout->k_width; i++, to += SK_PAGE) *to = key[i];
    to = (float *)values + (int64_t)offset * layout->v_stride;
    for (int32_t i = 0; i < layout->v_stride; i++) to[i] = i < layout->v_width ? value[i] : 0;
}

size_t sk_attend_scratch_floats(const sk_page_layout *layout, int32_t rows) {
    // Portable: one row of scores and the turned page. Vectors: scores and queries of all rows, the factor of each
    // row, one strip of keys or values; of sealed pages also the scales of values as floats, and the digits of all rows.
    const size_t width = (size_t)layout->k_width, count = rows < 1 ? 1 : (size_t)rows;
    const size_t portable = SK_PAGE + width * SK_PAGE;
    const size_t strip = (width > SK_PAGE ? width : SK_PAGE) * SK_ATTEND_STRIP;
    const size_t scales = sk_page_is_sealed(layout) ? 2 * SK_PAGE * (size_t)sk_value_runs(layout) : 0;
    const size_t digits = sk_page_is_sealed(layout) ? count * SK_DIGITS / 2 : 0;
    const size_t vectors = count * SK_PAGE + strip + (count * (width + 1) + 15) / 16 * 16 + scales + digits;
    return portable > vectors ? portable : vectors;
}

void sk_attend_page(const sk_page_layout *layout, const void *keys, const void *values, const float *cosines,
                    const float *sines, const sk_query_tile *tile, float *scratch) {
    switch (sk_current_level()) {
#if defined(__x86_64__)
    case SK_LEVEL_AVX512: sk_attend_page_avx512(layout, keys, values, cosines, sines, tile, scratch); return;
    case SK_LEVEL_AVX2: sk_attend_page_avx2(layout, keys, values, cosines, sines, tile, scratch); return;
#endif
    default: sk_attend_page_scalar(layout, keys, values, cosines, sines, tile, scratch);
    }
}

void sk_attend_merge(int32_t rows, int32_t v_stride, float *maximum, float *total, float *out,
                     const float *other_maximum, const float *other_total, const float *other_out) {
    for (int32_t row = 0; row < rows; row++) {
        const float mine = maximum[row], other = other_maximum[row];
        const float merged = other > mine ? other : mine;
        const float base = merged == -INFINITY ? 0.0f : merged;
        const float shrink = sk_step_exp(mine - base), other_shrink = sk_step_exp(other - base);
        maximum[row] = merged;
        total[row] = total[row] * shrink + other_total[row] * other_shrink;
        float *to = out + (int64_t)row * v_stride;
        const float *from = other_out + (int64_t)row * v_stride;
        for (int32_t i = 0; i < v_stride; i++) to[i] = to[i] * shrink + from[i] * other_shrink;
    }
}

void sk_attend_finish(int32_t rows, int32_t v_width, int32_t v_stride, const float *total, float *out) {
    for (int32_t row = 0; row < rows; row++) {
        float *to = out + (int64_t)row * v_stride;
        const float factor = total[row];
        for (int32_t i = 0; i < v_width; i++) to[i] = factor == 0 ? 0 : to[i] / factor;
    }
}
