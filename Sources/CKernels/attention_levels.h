// What the attention kernels of all levels share, and the kernels of each level as the dispatcher calls them.
#ifndef SK_ATTENTION_LEVELS_H
#define SK_ATTENTION_LEVELS_H
#include "sk_attention.h"

// The most rows of a query tile.
#define SK_TILE_MOST 64
// The most positions or value columns that any level unpacks at a time.
#define SK_ATTEND_STRIP 64

// Scores add up the columns in this order, at every level: before the rotated ones, the pairs (i, i + half) one after
// the other, after them. A pair is read and turned once then. Returns the column at place `place`.
static inline int32_t sk_attend_column(const sk_page_layout *layout, int32_t place) {
    const int32_t rotated = place - layout->rope_begin;
    const int32_t half = layout->rope_width / 2;
    if (rotated < 0 || rotated >= 2 * half) return place;
    return layout->rope_begin + rotated / 2 + (rotated % 2) * half;
}

// The visible positions of a row, kept inside the page: first ..< last, empty if first >= last.
static inline int32_t sk_attend_first(const sk_query_tile *tile, int32_t row) {
    return tile->begin[row] < 0 ? 0 : tile->begin[row];
}
static inline int32_t sk_attend_last(const sk_query_tile *tile, int32_t row) {
    return tile->end[row] > SK_PAGE ? SK_PAGE : tile->end[row];
}

void sk_page_store_halves_scalar(const sk_page_layout *layout, uint16_t *keys, uint16_t *values, int32_t offset,
                                 const float *key, const float *value);
#if defined(__x86_64__)
void sk_page_store_halves_avx2(const sk_page_layout *layout, uint16_t *keys, uint16_t *values, int32_t offset,
                               const float *key, const float *value);
void sk_page_store_halves_avx512(const sk_page_layout *layout, uint16_t *keys, uint16_t *values, int32_t offset,
                                 const float *key, const float *value);
void sk_attend_page_avx2(const sk_page_layout *layout, const void *keys, const void *values, const float *cosines,
                         const float *sines, const sk_query_tile *tile, float *scratch);
void sk_attend_page_avx512(const sk_page_layout *layout, const void *keys, const void *values, const float *cosines,
                           const float *sines, const sk_query_tile *tile, float *scratch);
#endif

#endif
