// What the attention kernels of all levels share, and the kernels of each level as the dispatcher calls them.
#ifndef SK_ATTENTION_LEVELS_H
#define SK_ATTENTION_LEVELS_H
#include "sk_attention.h"
#include "sk_matmul.h"

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

// Columns of a sealed value that share a scale.
#define SK_VALUE_RUN 32

static inline int sk_page_is_sealed(const sk_page_layout *layout) {
    return layout->type == SK_PAGE_Q8 || layout->type == SK_PAGE_Q8V4;
}

static inline int32_t sk_value_runs(const sk_page_layout *layout) {
    return (layout->v_stride + SK_VALUE_RUN - 1) / SK_VALUE_RUN;
}

// Bytes of one key channel, and of one position's value.
static inline int64_t sk_key_column_bytes(const sk_page_layout *layout) {
    return SK_PAGE * (layout->type == SK_F32 ? 4 : layout->type == SK_F16 ? 2 : 1);
}
static inline int64_t sk_value_row_bytes(const sk_page_layout *layout) {
    switch (layout->type) {
    case SK_PAGE_Q8: return layout->v_stride;
    case SK_PAGE_Q8V4: return sk_value_runs(layout) * (SK_VALUE_RUN / 2);
    case SK_F16: return 2 * (int64_t)layout->v_stride;
    default: return 4 * (int64_t)layout->v_stride;
    }
}

// Scales [k_width] and minima [k_width] of a sealed page's keys.
static inline const float *sk_key_scales(const sk_page_layout *layout, const void *keys) {
    return (const float *)((const char *)keys + layout->k_width * SK_PAGE);
}
// Scales [runs][128] and minima [runs][128] of a sealed page's values, as halves.
static inline const uint16_t *sk_value_scales(const sk_page_layout *layout, const void *values) {
    return (const uint16_t *)((const char *)values + sk_value_row_bytes(layout) * SK_PAGE);
}

// The visible positions of a row, kept inside the page: first ..< last, empty if first >= last.
static inline int32_t sk_attend_first(const sk_query_tile *tile, int32_t row) {
    return tile->begin[row] < 0 ? 0 : tile->begin[row];
}
static inline int32_t sk_attend_last(const sk_query_tile *tile, int32_t row) {
    return tile->end[row] > SK_PAGE ? SK_PAGE : tile->end[row];
}

// The 128 keys' elements in one column, and single elements, by bits.
void sk_page_key_channel(const sk_page_layout *layout, const void *keys, int32_t column, float *to);
float sk_page_key_element(const sk_page_layout *layout, const void *keys, int32_t column, int32_t position);
float sk_page_value_element(const sk_page_layout *layout, const void *values, int32_t position, int32_t column);

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
