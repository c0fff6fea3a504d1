// Records of pages for ranking: sizes, making them, the portable products, choice of the level.
#include <string.h>

#include "attention_levels.h"
#include "rank_levels.h"
#include "sk_dispatch.h"

#define RUN_POSITIONS (SK_PAGE / SK_RANK_RUNS)
// The scale of spreads where a number is not finite: such a page is always among the first.
#define UNBOUNDED 1e25f
// Scales below this are none: what they stand for is 0 for the ranking.
#define SMALLEST_SCALE 0x1p-100f

int32_t sk_rank_stride(int32_t k_width) { return (k_width + SK_LANES - 1) / SK_LANES * SK_LANES; }

size_t sk_rank_record_bytes(int32_t k_width) {
    return SK_RANK_HEADER + (size_t)(2 * SK_RANK_RUNS) * (size_t)sk_rank_stride(k_width);
}

size_t sk_rank_cover_bytes(int32_t k_width) { return SK_RANK_HEADER + 3 * (size_t)sk_rank_stride(k_width); }

static float inverse_of(float scale) { return scale > SMALLEST_SCALE ? 1 / scale : 0; }

static int8_t signed_code(float code) { return code <= -127 ? -127 : code >= 127 ? 127 : (int8_t)code; }

static uint8_t unsigned_code(float code) { return code >= 255 ? 255 : code > 0 ? (uint8_t)code : 0; }

// Mean and standard deviation of 32 numbers.
static void describe_run(const float *numbers, float *mean, float *spread) {
    float lanes[SK_LANES] = {0}, squares[SK_LANES] = {0};
    for (int32_t i = 0; i < RUN_POSITIONS; i++) lanes[i % SK_LANES] += numbers[i];
    *mean = sk_step_sum(lanes) / RUN_POSITIONS;
    for (int32_t i = 0; i < RUN_POSITIONS; i++) {
        const float distance = numbers[i] - *mean;
        squares[i % SK_LANES] += distance * distance;
    }
    *spread = sqrtf(sk_step_sum(squares) / RUN_POSITIONS);
}

static void describe_column(const sk_page_layout *layout, const void *keys, int32_t column, float *means,
                            float *spreads) {
    float channel[SK_PAGE];
    sk_page_key_channel(layout, keys, column, channel);
    for (int32_t run = 0; run < SK_RANK_RUNS; run++) {
        describe_run(channel + run * RUN_POSITIONS, means + run, spreads + run);
    }
}

void sk_rank_describe(const sk_page_layout *layout, const void *keys, void *record) {
    const int32_t width = layout->k_width, stride = sk_rank_stride(width);
    memset(record, 0, sk_rank_record_bytes(width));
    float *scales = record, mean[SK_RANK_RUNS], spread[SK_RANK_RUNS];
    int8_t *means = (int8_t *)record + SK_RANK_HEADER;
    uint8_t *spreads = (uint8_t *)means + SK_RANK_RUNS * stride;
    float largest = 0, widest = 0, poison = 0;
    for (int32_t column = 0; column < width; column++) {
        describe_column(layout, keys, column, mean, spread);
        for (int32_t run = 0; run < SK_RANK_RUNS; run++) {
            largest = fabsf(mean[run]) > largest ? fabsf(mean[run]) : largest;
            widest = spread[run] > widest ? spread[run] : widest;
            poison += (mean[run] + spread[run]) * 0;
        }
    }
    if (poison != 0 || !(largest < UNBOUNDED) || !(widest < UNBOUNDED)) {
        scales[1] = UNBOUNDED;
        memset(spreads, 255, (size_t)(SK_RANK_RUNS * stride));
        return;
    }
    scales[0] = largest / 127;
    scales[1] = widest / 255;
    const float by_mean = inverse_of(scales[0]), by_spread = inverse_of(scales[1]);
    for (int32_t column = 0; column < width; column++) {
        describe_column(layout, keys, column, mean, spread);
        for (int32_t run = 0; run < SK_RANK_RUNS; run++) {
            means[run * stride + column] = signed_code(floorf(mean[run] * by_mean + 0.5f));
            spreads[run * stride + column] = unsigned_code(ceilf(spread[run] * by_spread));
        }
    }
}

// The scale of codes that are rounded outward: widened so that the largest itself does not round inward.
static float outward_scale(float scale) { return scale * (1 + 0x1p-16f); }

void sk_rank_cover(int32_t k_width, const void *records, int32_t count, void *cover) {
    const int32_t stride = sk_rank_stride(k_width);
    const size_t bytes = sk_rank_record_bytes(k_width);
    memset(cover, 0, sk_rank_cover_bytes(k_width));
    float *scales = cover;
    int8_t *low = (int8_t *)cover + SK_RANK_HEADER, *high = low + stride;
    uint8_t *spreads = (uint8_t *)(high + stride);
    for (int32_t i = 0; i < count; i++) {
        const float *others = (const float *)((const char *)records + (size_t)i * bytes);
        for (int place = 0; place < 2; place++) {
            scales[place] = others[place] > scales[place] ? others[place] : scales[place];
        }
    }
    for (int place = 0; place < 2; place++) scales[place] = outward_scale(scales[place]);
    const float by_mean = inverse_of(scales[0]), by_spread = inverse_of(scales[1]);
    for (int32_t column = 0; column < k_width && count > 0; column++) {
        float least = INFINITY, most = -INFINITY, widest = 0;
        for (int32_t i = 0; i < count; i++) {
            const char *record = (const char *)records + (size_t)i * bytes;
            const float *others = (const float *)record;
            const int8_t *codes = (const int8_t *)record + SK_RANK_HEADER + column;
            const uint8_t *widths = (const uint8_t *)codes + SK_RANK_RUNS * stride;
            for (int32_t run = 0; run < SK_RANK_RUNS; run++) {
                const float mean = others[0] * (float)codes[run * stride];
                const float spread = others[1] * (float)widths[run * stride];
                least = mean < least ? mean : least;
                most = mean > most ? mean : most;
                widest = spread > widest ? spread : widest;
            }
        }
        low[column] = signed_code(floorf(least * by_mean));
        high[column] = signed_code(ceilf(most * by_mean));
        spreads[column] = unsigned_code(ceilf(widest * by_spread));
    }
}

static float mean_sum(const float *query, const int8_t *codes, int32_t stride) {
    float lanes[SK_LANES] = {0};
    for (int32_t i = 0; i < stride; i++) lanes[i % SK_LANES] = fmaf((float)codes[i], query[i], lanes[i % SK_LANES]);
    return sk_step_sum(lanes);
}

static float spread_sum(const float *squares, const uint8_t *codes, int32_t stride) {
    float lanes[SK_LANES] = {0};
    for (int32_t i = 0; i < stride; i++) {
        lanes[i % SK_LANES] = fmaf((float)(codes[i] * codes[i]), squares[i], lanes[i % SK_LANES]);
    }
    return sk_step_sum(lanes);
}

float sk_rank_page_scalar(const sk_rank_query *query, const void *record) {
    const int32_t stride = query->stride;
    const int8_t *means = (const int8_t *)record + SK_RANK_HEADER;
    const uint8_t *spreads = (const uint8_t *)means + SK_RANK_RUNS * stride;
    sk_rank_best best = {-INFINITY, {0}};
    for (int32_t row = 0; row < query->rows; row++) {
        const int64_t at = (int64_t)row * stride;
        float scores[SK_RANK_RUNS];
        for (int32_t run = 0; run < SK_RANK_RUNS; run++) {
            scores[run] = sk_rank_run_score(record, mean_sum(query->queries + at, means + run * stride, stride),
                                            spread_sum(query->squares + at, spreads + run * stride, stride));
        }
        sk_rank_take(&best, scores);
    }
    return sk_rank_page_score(&best);
}

float sk_rank_bound_scalar(const sk_rank_query *query, const void *cover) {
    const int32_t stride = query->stride;
    const int8_t *low = (const int8_t *)cover + SK_RANK_HEADER, *high = low + stride;
    const uint8_t *spreads = (const uint8_t *)(high + stride);
    float bound = -INFINITY;
    for (int32_t row = 0; row < query->rows; row++) {
        const int64_t at = (int64_t)row * stride;
        float lanes[SK_LANES] = {0};
        for (int32_t i = 0; i < stride; i++) {
            const float sum = fmaf((float)high[i], query->positive[at + i], lanes[i % SK_LANES]);
            lanes[i % SK_LANES] = fmaf((float)low[i], query->negative[at + i], sum);
        }
        const float spread = spread_sum(query->squares + at, spreads, stride);
        const float found = sk_rank_run_score(cover, sk_step_sum(lanes), spread);
        bound = found > bound ? found : bound;
    }
    return sk_rank_page_bound(bound);
}

float sk_rank_page(const sk_rank_query *query, const void *record) { SK_DISPATCH(sk_rank_page, query, record); }

float sk_rank_bound(const sk_rank_query *query, const void *cover) { SK_DISPATCH(sk_rank_bound, query, cover); }
