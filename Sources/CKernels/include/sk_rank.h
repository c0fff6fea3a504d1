// Ranking pages for a query without reading their keys: what a page's record says of the keys before rotation.
//
// A record belongs to one KV head's page of 128 positions:
//   floats  the scale of means, the scale of spreads, two zeros
//   int8    means [4][stride] of each channel over each run of 32 positions
//   uint8   spreads [4][stride]: standard deviations of the same, rounded up
// and a cover to 16 pages: the same floats, int8 low [stride] and high [stride] of all means, uint8 the largest spreads
// [stride], all rounded outward. stride: k_width rounded up to 16, the rest zeros.
//
// If channels were independent, the largest product of a query with one of 32 keys would be about
//   mean product + SK_RANK_DEVIATIONS * sqrt(sum of (query * spread)^2).
// A page scores the log of the sum of exp of that over its runs, for the row of the query where it is largest.
#ifndef SK_RANK_H
#define SK_RANK_H
#include <stddef.h>
#include <stdint.h>

#include "sk_attention.h"

#define SK_RANK_RUNS 4
#define SK_RANK_DEVIATIONS 2.5f

// Floats or codes of one row, and bytes of a record and of a cover (multiples of 16).
int32_t sk_rank_stride(int32_t k_width);
size_t sk_rank_record_bytes(int32_t k_width);
size_t sk_rank_cover_bytes(int32_t k_width);

// Describes a full page of any type.
void sk_rank_describe(const sk_page_layout *layout, const void *keys, void *record);
// Makes a cover to `count` records that lie record_bytes apart.
void sk_rank_cover(int32_t k_width, const void *records, int32_t count, void *cover);

// Queries as ranking reads them: [rows][stride] each, zeros behind k_width.
typedef struct {
    const float *queries;
    const float *squares;   // query * query
    const float *positive;  // max(query, 0)
    const float *negative;  // min(query, 0)
    int32_t rows;
    int32_t stride;
} sk_rank_query;

float sk_rank_page(const sk_rank_query *query, const void *record);
float sk_rank_page_scalar(const sk_rank_query *query, const void *record);
// What no page under a cover scores more than.
float sk_rank_bound(const sk_rank_query *query, const void *cover);
float sk_rank_bound_scalar(const sk_rank_query *query, const void *cover);
#endif
