// Ranking pages for a query without reading their keys: what a page's record says of the keys before rotation.
//
// A record belongs to one KV head's page of 128 positions:
//   floats  the scale of means, the scale of spreads, two zeros
//   int8    means [4][stride] of each channel over each run of 32 positions
//   uint8   spreads [4][stride]: standard deviations of the same, rounded up
// stride: k_width rounded up to 16, the rest zeros.
//
// A block holds the records of one KV head's 16 pages in columns, so that a query is compared with all of them at once;
// column run * 16 + page is a run of a page:
//   floats  scales of means [64], scales of spreads [64]
//   int8    means [pairs of channels][64][2]
//   uint8   spreads [pairs of channels][64][2]
//
// If channels were independent, the largest product of a query with one of 32 keys would be about
//   mean product + SK_RANK_DEVIATIONS * sqrt(sum of (query * spread)^2).
// A page scores the largest of that over its runs and the query's rows. Queries are rounded to 16 bits, so that sums
// are of integers: exact, and 1.6 times as fast as those of floats (AVX2, 64 channels, three rows: 40 ns a page).
#ifndef SK_RANK_H
#define SK_RANK_H
#include <stddef.h>
#include <stdint.h>

#include "sk_attention.h"

#define SK_RANK_RUNS 4
#define SK_RANK_PAGES 16
#define SK_RANK_COLUMNS (SK_RANK_RUNS * SK_RANK_PAGES)
#define SK_RANK_DEVIATIONS 2.5f

// Bytes of a record (a multiple of 16) and of a block.
size_t sk_rank_record_bytes(int32_t k_width);
size_t sk_rank_block_bytes(int32_t k_width);

// Describes a full page of any type.
void sk_rank_describe(const sk_page_layout *layout, const void *keys, void *record);
// Puts a record into a block's columns of page `page`, below 16. Other pages' bytes are not touched.
void sk_rank_place(int32_t k_width, const void *record, int32_t page, void *block);

// Queries of several lists in columns, of which the first lists * rows count: rows of one list are neighbours.
typedef struct {
    int32_t *queries;      // [pairs of channels][stride]: two numbers of 16 bits, the first channel in the low ones
    int32_t *squares;      // the same of query * query
    float *scales;         // [stride]
    float *square_scales;  // [stride]: twice those of the squares, as squares of spreads are halved
    int32_t lists;
    int32_t rows;
    int32_t width;
    int32_t stride;
} sk_rank_queries;

// Rounds a query, [width], and writes it as row `row`. One that is not finite scores no page.
void sk_rank_set_query(const sk_rank_queries *queries, int32_t row, const float *query);

// Scores of a block's pages for each list, [lists][16]; -inf where a score is no number. `next`, where not null, is the
// block that will be asked for next: it is fetched from memory meanwhile.
void sk_rank_block(const sk_rank_queries *queries, const void *block, const void *next, float *scores);
void sk_rank_block_scalar(const sk_rank_queries *queries, const void *block, const void *next, float *scores);
#endif
