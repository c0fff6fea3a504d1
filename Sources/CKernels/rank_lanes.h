// Ranking pages, sixteen channels at a time. Included inside a target region with SK_NAME(x).
#include "sk_lanes.h"

typedef int8_t signed_codes __attribute__((ext_vector_type(16)));
typedef uint8_t unsigned_codes __attribute__((ext_vector_type(16)));

SK_ALWAYS v16 load16_means(const int8_t *from) {
    signed_codes x;
    memcpy(&x, from, sizeof x);
    return __builtin_convertvector(__builtin_convertvector(x, i16), v16);
}

SK_ALWAYS v16 load16_squares(const uint8_t *from) {
    unsigned_codes x;
    memcpy(&x, from, sizeof x);
    const i16 wide = __builtin_convertvector(x, i16);
    return __builtin_convertvector(wide * wide, v16);
}

// Up to three rows at a time, a constant, so that codes are read once for all of them.
SK_ALWAYS void rank_rows(int rows, const sk_rank_query *query, int32_t row, const float *scales, const int8_t *means,
                         const uint8_t *spreads, sk_rank_best *best) {
    const int32_t stride = query->stride;
    const float *queries = query->queries + (int64_t)row * stride, *squares = query->squares + (int64_t)row * stride;
    float scores[3][SK_RANK_RUNS];
    for (int run = 0; run < SK_RANK_RUNS; run++) {
        v16 mean[3], spread[3];
        for (int r = 0; r < rows; r++) mean[r] = 0, spread[r] = 0;
        for (int32_t i = 0; i < stride; i += SK_LANES) {
            const v16 m = load16_means(means + run * stride + i), s = load16_squares(spreads + run * stride + i);
            for (int r = 0; r < rows; r++) {
                mean[r] = fma16(m, load16(queries + (int64_t)r * stride + i), mean[r]);
                spread[r] = fma16(s, load16(squares + (int64_t)r * stride + i), spread[r]);
            }
        }
        for (int r = 0; r < rows; r++) scores[r][run] = sk_rank_run_score(scales, sum16(mean[r]), sum16(spread[r]));
    }
    for (int r = 0; r < rows; r++) sk_rank_take(best, scores[r]);
}

float SK_NAME(sk_rank_page)(const sk_rank_query *query, const void *record) {
    const int8_t *means = (const int8_t *)record + SK_RANK_HEADER;
    const uint8_t *spreads = (const uint8_t *)means + SK_RANK_RUNS * query->stride;
    sk_rank_best best = {-INFINITY, {0}};
    for (int32_t row = 0; row < query->rows; row += 3) {
        switch (query->rows - row) {
        case 1: rank_rows(1, query, row, record, means, spreads, &best); break;
        case 2: rank_rows(2, query, row, record, means, spreads, &best); break;
        default: rank_rows(3, query, row, record, means, spreads, &best); break;
        }
    }
    return sk_rank_page_score(&best);
}

float SK_NAME(sk_rank_bound)(const sk_rank_query *query, const void *cover) {
    const int32_t stride = query->stride;
    const int8_t *low = (const int8_t *)cover + SK_RANK_HEADER, *high = low + stride;
    const uint8_t *spreads = (const uint8_t *)(high + stride);
    float bound = -INFINITY;
    for (int32_t row = 0; row < query->rows; row++) {
        const int64_t at = (int64_t)row * stride;
        v16 mean = 0, spread = 0;
        for (int32_t i = 0; i < stride; i += SK_LANES) {
            mean = fma16(load16_means(high + i), load16(query->positive + at + i), mean);
            mean = fma16(load16_means(low + i), load16(query->negative + at + i), mean);
            spread = fma16(load16_squares(spreads + i), load16(query->squares + at + i), spread);
        }
        const float found = sk_rank_run_score(cover, sum16(mean), sum16(spread));
        bound = found > bound ? found : bound;
    }
    return sk_rank_page_bound(bound);
}
