// Exact attention of a tile of queries over one page of keys and values, with a running softmax.
//
// A page holds 128 positions of one KV head. Keys lie transposed and BEFORE rotary embedding, [k_width][128];
// values lie [128][v_stride] with v_stride = v_width rounded up to 16 (padding zero). The element type is f32 or f16,
// or that of a sealed page, which is read-only:
//   keys    codes [k_width][128] of 8 bits, then floats: scales [k_width], minima [k_width]; zeros up to 64 bytes
//   values  codes of 8 bits [128][v_stride], or of 4 bits: each run of 32 columns is 16 bytes, column i low and column
//           i + 16 high in byte i; then halves: scales [runs of 32 columns][128], minima [runs of 32 columns][128]
// An element is fma(code, scale, minimum). Where a channel of keys, or a run of values, was not finite, its minimum is
// NaN, and so are its elements.
// Rotation happens while reading: keys are turned by their offset in the page (one table of [rope_width/2][128]
// cosines and sines for all pages), queries beforehand by their distance to the page's first position.
#ifndef SK_ATTENTION_H
#define SK_ATTENTION_H
#include <stddef.h>
#include <stdint.h>

#define SK_PAGE 128

// Sealed pages; beside SK_F32 and SK_F16 as the type of a page.
#define SK_PAGE_Q8 16    // keys and values of 8 bits
#define SK_PAGE_Q8V4 17  // keys of 8 bits, values of 4

typedef struct {
    int32_t k_width;      // columns of a query and a key
    int32_t v_width;      // columns of a value
    int32_t v_stride;     // v_width rounded up to a multiple of 16
    int32_t rope_begin;   // the rotated columns of a key: rope_begin ..< rope_begin + rope_width,
    int32_t rope_width;   // pairs (i, i + rope_width / 2); 0: no rotation
    int32_t type;         // SK_F32, SK_F16, SK_PAGE_Q8 or SK_PAGE_Q8V4
} sk_page_layout;

// Bytes of keys, of values of one KV head's page (each a multiple of 64).
size_t sk_page_key_bytes(const sk_page_layout *layout);
size_t sk_page_value_bytes(const sk_page_layout *layout);

// Writes one position: key [k_width] and value [v_width] as floats into the page at `offset` (0..127). Not into sealed
// pages.
void sk_page_store(const sk_page_layout *layout, void *keys, void *values, int32_t offset, const float *key,
                   const float *value);

// Reads one position: key [k_width] and value [v_width]; either may be NULL.
void sk_page_load(const sk_page_layout *layout, const void *keys, const void *values, int32_t offset, float *key,
                  float *value);

// Writes the sealed form of one KV head's full page of floats or halves; the layouts differ in their type alone.
void sk_page_seal(const sk_page_layout *open, const void *keys, const void *values, const sk_page_layout *sealed,
                  void *sealed_keys, void *sealed_values);

typedef struct {
    const float *queries;     // [rows][query_stride], scaled by 1/sqrt(d) already and rotated relative to the page
    int64_t query_stride;
    int32_t rows;             // 1 ... 64
    const int32_t *begin;     // [rows] visible positions begin ..< end of the page, per row (may be empty)
    const int32_t *end;
    float *maximum;           // [rows] running maximum (start: -inf, or the sink's logit)
    float *total;             // [rows] running sum of exp(score - maximum) (start: 0, or 1 for a sink)
    float *out;               // [rows][v_stride] running weighted sum (start: 0); 64-byte aligned rows
    float *page_maximum;      // [rows] or NULL: on return the running maximum after this page ...
    float *page_total;        // [rows] or NULL: ... and this page's sum of exp(score - that maximum)
} sk_query_tile;

// Floats of scratch (64-byte aligned) that sk_attend_page needs.
size_t sk_attend_scratch_floats(const sk_page_layout *layout, int32_t rows);
// Scores, softmax and weighted sum of one page, added to the tile's running state. Each row's result depends on
// that row alone (same bytes for any grouping of rows into tiles). cosines, sines: [rope_width/2][128].
void sk_attend_page(const sk_page_layout *layout, const void *keys, const void *values, const float *cosines,
                    const float *sines, const sk_query_tile *tile, float *scratch);
void sk_attend_page_scalar(const sk_page_layout *layout, const void *keys, const void *values, const float *cosines,
                           const float *sines, const sk_query_tile *tile, float *scratch);
// Merges the state of a later page range into `into` (maximum, total, out), in place.
void sk_attend_merge(int32_t rows, int32_t v_stride, float *maximum, float *total, float *out,
                     const float *other_maximum, const float *other_total, const float *other_out);
// out[row] /= total[row]; rows that saw nothing become 0.
void sk_attend_finish(int32_t rows, int32_t v_width, int32_t v_stride, const float *total, float *out);
#endif
