// Attention over one page in portable C: the arithmetic that the vector levels repeat, in their order.
#include <math.h>

#include "attention_levels.h"
#include "sk_half.h"
#include "sk_matmul.h"
#include "sk_steps.h"

static float element(const sk_page_layout *layout, const void *data, size_t index) {
    return layout->type == SK_F16 ? sk_half_value(((const uint16_t *)data)[index]) : ((const float *)data)[index];
}

// keys -> panel [k_width][128], converted and turned by their offset, the columns in the order of the sums.
static void unpack_keys(const sk_page_layout *layout, const void *keys, const float *cosines, const float *sines,
                        float *panel) {
    const int32_t half = layout->rope_width / 2;
    for (int32_t place = 0; place < layout->k_width; place++) {
        const size_t from = (size_t)sk_attend_column(layout, place) * SK_PAGE;
        for (int32_t p = 0; p < SK_PAGE; p++) panel[place * SK_PAGE + p] = element(layout, keys, from + (size_t)p);
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

void sk_attend_page_scalar(const sk_page_layout *layout, const void *keys, const void *values, const float *cosines,
                           const float *sines, const sk_query_tile *tile, float *scratch) {
    float *scores = scratch, *panel = scratch + SK_PAGE;
    unpack_keys(layout, keys, cosines, sines, panel);
    for (int32_t row = 0; row < tile->rows; row++) {
        const int32_t first = sk_attend_first(tile, row), last = sk_attend_last(tile, row);
        if (first >= last) {
            if (tile->page_maximum) tile->page_maximum[row] = tile->maximum[row];
            if (tile->page_total) tile->page_total[row] = 0;
            continue;
        }
        const float *query = tile->queries + row * tile->query_stride;
        for (int32_t p = first; p < last; p++) scores[p] = 0;
        for (int32_t place = 0; place < layout->k_width; place++) {
            const float q = query[sk_attend_column(layout, place)];
            for (int32_t p = first; p < last; p++) scores[p] = fmaf(q, panel[place * SK_PAGE + p], scores[p]);
        }
        const float factor = soften(tile, row, first, last, scores);
        float *out = tile->out + (int64_t)row * layout->v_stride;
        for (int32_t column = 0; column < layout->v_stride; column++) {
            float sum = out[column] * factor;
            for (int32_t p = first; p < last; p++) {
                sum = fmaf(scores[p], element(layout, values, (size_t)p * (size_t)layout->v_stride + (size_t)column),
                           sum);
            }
            out[column] = sum;
        }
    }
}
