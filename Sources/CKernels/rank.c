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

static int32_t stride_of(int32_t k_width) { return (k_width + SK_LANES - 1) / SK_LANES * SK_LANES; }

size_t sk_rank_record_bytes(int32_t k_width) {
    return SK_RANK_HEADER + (size_t)(2 * SK_RANK_RUNS) * (size_t)stride_of(k_width);
}

size_t sk_rank_block_bytes(int32_t k_width) {
    return 2 * SK_RANK_COLUMNS * sizeof(float) + 4 * SK_RANK_COLUMNS * (size_t)sk_rank_pairs(k_width);
}

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
    const int32_t width = layout->k_width, stride = stride_of(width);
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

void sk_rank_place(int32_t k_width, const void *record, int32_t page, void *block) {
    const float *scales = record;
    const int32_t stride = stride_of(k_width);
    const int8_t *means = (const int8_t *)record + SK_RANK_HEADER;
    const uint8_t *spreads = (const uint8_t *)means + SK_RANK_RUNS * stride;
    float *block_scales = block;
    int8_t *block_means = (int8_t *)(block_scales + 2 * SK_RANK_COLUMNS);
    uint8_t *block_spreads = (uint8_t *)block_means + (size_t)sk_rank_pairs(k_width) * 2 * SK_RANK_COLUMNS;
    for (int32_t run = 0; run < SK_RANK_RUNS; run++) {
        const int32_t column = run * SK_RANK_PAGES + page;
        block_scales[column] = scales[0];
        block_scales[SK_RANK_COLUMNS + column] = scales[1];
        for (int32_t i = 0; i < k_width; i++) {
            const size_t place = sk_rank_place_of(i, column);
            block_means[place] = means[run * stride + i];
            block_spreads[place] = spreads[run * stride + i];
        }
    }
}

// Two numbers of 16 bits as one.
static int32_t pair_of(int32_t first, int32_t second) {
    return (int32_t)(((uint32_t)first & 0xffff) | (uint32_t)second << 16);
}

void sk_rank_set_query(const sk_rank_queries *queries, int32_t row, const float *query) {
    const int32_t width = queries->width;
    // Sums of products with codes of 7 bits, and of squares with halved squares of 8 bits, stay within 31 bits.
    const int32_t most = INT32_MAX / 127 / width, most_square = INT32_MAX / (255 * 255 / 2) / width;
    const float top = (float)(most < INT16_MAX ? most : INT16_MAX);
    const float top_square = (float)(most_square < 1023 ? most_square : 1023);
    float largest = 0, poison = 0;
    for (int32_t i = 0; i < width; i++) {
        largest = fabsf(query[i]) > largest ? fabsf(query[i]) : largest;
        poison += query[i] * 0;
    }
    const int is_finite = poison == 0;
    queries->scales[row] = is_finite ? largest / top : NAN;
    queries->square_scales[row] = is_finite ? 2 * largest * largest / top_square : NAN;
    const float inverse = is_finite ? inverse_of(largest) : 0;
    for (int32_t i = 0; i < width; i += 2) {
        int32_t codes[2] = {0, 0}, squares[2] = {0, 0};
        for (int32_t j = 0; j < 2 && i + j < width && inverse > 0; j++) {
            const float share = query[i + j] * inverse;
            codes[j] = (int32_t)floorf(share * top + 0.5f);
            // A share may be a little above 1, where the inverse was rounded up.
            const float square = ceilf(share * share * top_square);
            squares[j] = (int32_t)(square > top_square ? top_square : square);
        }
        queries->queries[i / 2 * queries->stride + row] = pair_of(codes[0], codes[1]);
        queries->squares[i / 2 * queries->stride + row] = pair_of(squares[0], squares[1]);
    }
}

// One row's score for one column.
static float column_score(const sk_rank_queries *queries, int32_t row, sk_rank_parts parts, int32_t column) {
    int32_t mean = 0, spread = 0;
    for (int32_t i = 0; i < queries->width; i++) {
        const int32_t place = i / 2 * queries->stride + row;
        const int16_t query = (int16_t)((uint32_t)queries->queries[place] >> (i % 2 * 16));
        const int16_t square = (int16_t)((uint32_t)queries->squares[place] >> (i % 2 * 16));
        const size_t code = sk_rank_place_of(i, column);
        mean += parts.means[code] * query;
        spread += (parts.spreads[code] * parts.spreads[code] / 2) * square;
    }
    const float wide = sqrtf(queries->square_scales[row] * (float)spread);
    return fmaf(queries->scales[row] * (float)mean, parts.mean_scales[column],
                wide * (parts.spread_scales[column] * SK_RANK_DEVIATIONS));
}

void sk_rank_block_scalar(const sk_rank_queries *queries, const void *block, const void *next, float *scores) {
    (void)next;
    const sk_rank_parts parts = sk_rank_parts_of(block, queries->width);
    for (int32_t list = 0; list < queries->lists; list++) {
        for (int32_t page = 0; page < SK_RANK_PAGES; page++) {
            float best = -INFINITY;
            for (int32_t row = list * queries->rows; row < (list + 1) * queries->rows; row++) {
                for (int32_t run = 0; run < SK_RANK_RUNS; run++) {
                    const float score = column_score(queries, row, parts, run * SK_RANK_PAGES + page);
                    best = score > best ? score : best;
                }
            }
            scores[list * SK_RANK_PAGES + page] = best;
        }
    }
}

void sk_rank_block(const sk_rank_queries *queries, const void *block, const void *next, float *scores) {
    SK_DISPATCH(sk_rank_block, queries, block, next, scores);
}
