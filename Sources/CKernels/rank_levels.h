// What the ranking kernels of all levels share, and the kernels of each level as the dispatcher calls them.
#ifndef SK_RANK_LEVELS_H
#define SK_RANK_LEVELS_H
#include <math.h>

#include "sk_rank.h"
#include "sk_steps.h"

// Bytes before a record's codes.
#define SK_RANK_HEADER 16

// Channels go in pairs, the last one with nothing where their number is odd.
static inline int32_t sk_rank_pairs(int32_t k_width) { return (k_width + 1) / 2; }

// A code's place among those of a block.
static inline size_t sk_rank_place_of(int32_t channel, int32_t column) {
    return (size_t)(channel / 2) * 2 * SK_RANK_COLUMNS + (size_t)(2 * column + channel % 2);
}

// A block's parts.
typedef struct {
    const float *mean_scales, *spread_scales;
    const int8_t *means;
    const uint8_t *spreads;
} sk_rank_parts;

static inline sk_rank_parts sk_rank_parts_of(const void *block, int32_t k_width) {
    const float *scales = block;
    const int8_t *means = (const int8_t *)(scales + 2 * SK_RANK_COLUMNS);
    return (sk_rank_parts){scales, scales + SK_RANK_COLUMNS, means,
                           (const uint8_t *)means + (size_t)sk_rank_pairs(k_width) * 2 * SK_RANK_COLUMNS};
}

#if defined(__x86_64__)
void sk_rank_block_avx2(const sk_rank_queries *queries, const void *block, const void *next, float *scores);
void sk_rank_block_avx512(const sk_rank_queries *queries, const void *block, const void *next, float *scores);
#endif

#endif
