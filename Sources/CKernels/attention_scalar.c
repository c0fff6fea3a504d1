// Attention over one page in portable C: the arithmetic that the vector levels repeat, in their order.
#include <math.h>
#include <string.h>

#include "attention_digits.h"
#include "sk_half.h"
#include "sk_matmul.h"
#include "sk_steps.h"

float sk_page_key_element(const sk_page_layout *layout, const void *keys, int32_t column, int32_t position) {
    const size_t index = (size_t)column * SK_PAGE + (size_t)position;
    switch (layout->type) {
    case SK_F32: return ((const float *)keys)[index];
    case SK_F16: return sk_half_value(((const uint16_t *)keys)[index]);
    default: {
        const float *scales = sk_key_scales(layout, keys);
        return fmaf((float)((const uint8_t *)keys)[index], scales[column], scales[layout->k_width + column]);
    }
    }
}

void sk_page_key_channel(const sk_page_layout *layout, const void *keys, int32_t column, float *to) {
    const size_t first = (size_t)column * SK_PAGE;
    if (layout->type == SK_F32) {
        memcpy(to, (const float *)keys + first, SK_PAGE * sizeof(float));
    } else if (layout->type == SK_F16) {
        for (int32_t p = 0; p < SK_PAGE; p++) to[p] = sk_half_value(((const uint16_t *)keys)[first + (size_t)p]);
    } else {
        const uint8_t *codes = (const uint8_t *)keys + first;
        const float *scales = sk_key_scales(layout, keys);
        const float scale = scales[column], minimum = scales[layout->k_width + column];
        for (int32_t p = 0; p < SK_PAGE; p++) to[p] = fmaf((float)codes[p], scale, minimum);
    }
}

static int32_t sk_page_value_code(const sk_page_layout *layout, const void *values, int32_t position, int32_t column) {
    if (layout->type == SK_PAGE_Q8) return ((const uint8_t *)values)[(int64_t)position * layout->v_stride + column];
    const int32_t run = column / SK_VALUE_RUN, place = column % SK_VALUE_RUN;
    const uint8_t *row = (const uint8_t *)values + position * sk_value_row_bytes(layout) + run * (SK_VALUE_RUN / 2);
    return place < SK_LANES ? row[place] & 15 : row[place - SK_LANES] >> 4;
}

float sk_page_value_element(const sk_page_layout *layout, const void *values, int32_t position, int32_t column) {
    const size_t index = (size_t)position * (size_t)layout->v_stride + (size_t)column;
    if (layout->type == SK_F32) return ((const float *)values)[index];
    if (layout->type == SK_F16) return sk_half_value(((const uint16_t *)values)[index]);
    const uint16_t *scales = sk_value_scales(layout, values) + column / SK_VALUE_RUN * SK_PAGE + position;
    return fmaf((float)sk_page_value_code(layout, values, position, column), sk_half_value(scales[0]),
                sk_half_value(scales[sk_value_runs(layout) * SK_PAGE]));
}

// keys -> panel [k_width][128], converted and turned by their offset, the columns in the order of the sums.
static void unpack_keys(const sk_page_layout *layout, const void *keys, const float *cosines, const float *sines,
                        float *panel) {
    const int32_t half = layout->rope_width / 2;
    for (int32_t place = 0; place < layout->k_width; place++) {
        const int32_t column = sk_attend_column(layout, place);
        for (int32_t p = 0; p < SK_PAGE; p++) panel[place * SK_PAGE + p] = sk_page_key_element(layout, keys, column, p);
    }
    for (int32_t pair = 0; pair < half; pair++) {
        float *first = panel + (layout->rope_begin + 2 * pair) * SK_PAGE, *second = first + SK_PAGE;
        for (int32_t p = 0; p < SK_PAGE; p++) {
            const float cosine = cosines[pair * SK_PAGE + p], sine = sines[pair * SK_PAGE + p];
            const float a = first[p], b = second[p];
            first[p] = fmaf(a, cosine, -(b * sine));
            second[p] = fmaf(b, cosine, a * sine);
        }
    }
}

// Turns the scores of first ..< last into exp(score - maximum), updates the row's running maximum and total, and
// returns the factor that the row's earlier sums shrink by.
static float soften(const sk_query_tile *tile, int32_t row, int32_t first, int32_t last, float *scores) {
    float lanes[SK_LANES];
    for (int lane = 0; lane < SK_LANES; lane++) lanes[lane] = -INFINITY;
    for (int32_t p = first; p < last; p++) {
        if (scores[p] > lanes[p % SK_LANES]) lanes[p % SK_LANES] = scores[p];
    }
    const float before = tile->maximum[row], found = sk_step_maximum(lanes);
    const float maximum = found > before ? found : before;
    // While nothing finite was seen, -inf - base must still give exp(-inf) = 0, and NaN must stay NaN.
    const float base = maximum == -INFINITY ? 0.0f : maximum;
    for (int lane = 0; lane < SK_LANES; lane++) lanes[lane] = 0;
    for (int32_t p = first; p < last; p++) {
        scores[p] = sk_step_exp(scores[p] - base);
        lanes[p % SK_LANES] += scores[p];
    }
    const float total = sk_step_sum(lanes), factor = sk_step_exp(before - base);
    tile->maximum[row] = maximum;
    tile->total[row] = fmaf(tile->total[row], factor, total);
    if (tile->page_maximum) tile->page_maximum[row] = maximum;
    if (tile->page_total) tile->page_total[row] = total;
    return factor;
}

static int16_t rounded(float x) {
    const float shifted = x + SK_STEP_ROUND;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return (int16_t)(uint16_t)bits;
}

// A query's columns as factors of the codes of keys.
static sk_digits query_digits(const sk_page_layout *layout, const float *scales, const float *query, int16_t *digits) {
    float largest[SK_LANES] = {0}, base[SK_LANES] = {0};
    for (int32_t c = 0; c < layout->k_width; c++) {
        const float x = fabsf(query[c] * scales[c]);
        if (x > largest[c % SK_LANES]) largest[c % SK_LANES] = x;
        base[c % SK_LANES] = fmaf(query[c], scales[layout->k_width + c], base[c % SK_LANES]);
    }
    const sk_digits result = sk_make_digits(sk_step_maximum(largest), sk_step_sum(base));
    for (int32_t c = 0; c < layout->k_width; c++) {
        const float x = query[c] * scales[c] * result.inverse;
        digits[c] = rounded(x == x ? x : 0);
    }
    return result;
}

// A row's weights of first ..< last as factors of the codes of a run of a value's columns.
static sk_digits weight_digits(const sk_page_layout *layout, const void *values, int32_t run, int32_t first,
                               int32_t last, const float *weights, int16_t *digits) {
    const uint16_t *scales = sk_value_scales(layout, values) + run * SK_PAGE;
    const uint16_t *minima = scales + sk_value_runs(layout) * SK_PAGE;
    float largest[SK_LANES] = {0}, base[SK_LANES] = {0};
    for (int32_t p = first; p < last; p++) {
        const float x = weights[p] * sk_half_value(scales[p]);
        if (x > largest[p % SK_LANES]) largest[p % SK_LANES] = x;
        base[p % SK_LANES] = fmaf(weights[p], sk_half_value(minima[p]), base[p % SK_LANES]);
    }
    const sk_digits result = sk_make_digits(sk_step_maximum(largest), sk_step_sum(base));
    for (int32_t p = first; p < last; p++) {
        const float x = weights[p] * sk_half_value(scales[p]) * result.inverse;
        digits[p] = rounded(x > 0 ? x : 0);
    }
    return result;
}

// Scores of first ..< last from the codes of keys.
static void score_codes(const sk_page_layout *layout, const void *keys, const float *query, int32_t first,
                        int32_t last, float *scores) {
    int16_t digits[SK_DIGITS];
    const sk_digits factors = query_digits(layout, sk_key_scales(layout, keys), query, digits);
    for (int32_t p = first; p < last; p++) {
        int32_t sum = 0;
        for (int32_t c = 0; c < layout->k_width; c++) sum += digits[c] * ((const uint8_t *)keys)[c * SK_PAGE + p];
        scores[p] = fmaf((float)sum, factors.step, factors.base);
    }
}

// Adds the weighted sum of sealed values to a row.
static void add_codes(const sk_page_layout *layout, const void *values, const float *weights, int32_t first,
                      int32_t last, float *out) {
    int16_t digits[SK_DIGITS];
    sk_digits factors = {0};
    for (int32_t column = 0; column < layout->v_stride; column++) {
        if (column % SK_VALUE_RUN == 0) {
            factors = weight_digits(layout, values, column / SK_VALUE_RUN, first, last, weights, digits);
        }
        int32_t sum = 0;
        for (int32_t p = first; p < last; p++) sum += digits[p] * sk_page_value_code(layout, values, p, column);
        out[column] = fmaf((float)sum, factors.step, out[column]) + factors.base;
    }
}

void sk_attend_page_scalar(const sk_page_layout *layout, const void *keys, const void *values, const float *cosines,
                           const float *sines, const sk_query_tile *tile, float *scratch) {
    float *scores = scratch, *panel = scratch + SK_PAGE;
    const int scoresCodes = sk_scores_codes(layout);
    if (!scoresCodes) unpack_keys(layout, keys, cosines, sines, panel);
    for (int32_t row = 0; row < tile->rows; row++) {
        const int32_t first = sk_attend_first(tile, row), last = sk_attend_last(tile, row);
        if (first >= last) {
            if (tile->page_maximum) tile->page_maximum[row] = tile->maximum[row];
            if (tile->page_total) tile->page_total[row] = 0;
            continue;
        }
        const float *query = tile->queries + row * tile->query_stride;
        for (int32_t p = first; p < last; p++) scores[p] = 0;
        if (scoresCodes) score_codes(layout, keys, query, first, last, scores);
        for (int32_t place = 0; place < layout->k_width && !scoresCodes; place++) {
            const float q = query[sk_attend_column(layout, place)];
            for (int32_t p = first; p < last; p++) scores[p] = fmaf(q, panel[place * SK_PAGE + p], scores[p]);
        }
        const float factor = soften(tile, row, first, last, scores);
        float *out = tile->out + (int64_t)row * layout->v_stride;
        if (sk_page_is_sealed(layout)) {
            for (int32_t column = 0; column < layout->v_stride; column++) out[column] *= factor;
            add_codes(layout, values, scores, first, last, out);
            continue;
        }
        for (int32_t column = 0; column < layout->v_stride; column++) {
            float sum = out[column] * factor;
            for (int32_t p = first; p < last; p++) {
                sum = fmaf(scores[p], sk_page_value_element(layout, values, p, column), sum);
            }
            out[column] = sum;
        }
    }
}
