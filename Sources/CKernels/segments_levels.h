// Attention inside segments: what the levels share.
//
// Packed keys: panels of 16 rows, [ceil(rows / 16)][width][16], rotated. Packed values: strips of 16 columns,
// [ceil(width / 16)][ceil16(rows)][16]. Padding is 0.
//
// Rows are taken against blocks of SK_SEGMENT_BLOCK keys with a running softmax: scores of a block (one chain per score
// over the columns in their order), the maximum and sum so far, then weights times values (one chain per output over
// the block's rows in their order). The blocks begin at multiples of their size, so results do not depend on who
// computes which rows.
#ifndef SK_SEGMENTS_LEVELS_H
#define SK_SEGMENTS_LEVELS_H
#include "sk_segments.h"
#include "sk_steps.h"

#define SK_SEGMENT_BLOCK 256

static inline int32_t sk_segment_lanes(int32_t count) { return (count + SK_LANES - 1) / SK_LANES * SK_LANES; }

static inline float *sk_segment_values(const sk_segment *segment, const float *packed) {
    return (float *)(uintptr_t)packed + (int64_t)sk_segment_lanes(segment->rows) * segment->width;
}

// Row `row` of queries or keys, rotated and multiplied by `scale`.
static inline void sk_segment_row(const sk_segment *segment, const float *from, int32_t row, float scale, float *to) {
    const int32_t half = segment->cosines ? segment->width / 2 : 0;
    from += row * segment->stride;
    const float *cosines = half ? segment->cosines + row * segment->table_stride : NULL;
    const float *sines = half ? segment->sines + row * segment->table_stride : NULL;
    for (int32_t i = 0; i < half; i++) {
        const float a = from[i], b = from[half + i];
        to[i] = fmaf(a, cosines[i], -(b * sines[i])) * scale;
        to[half + i] = fmaf(b, cosines[i], a * sines[i]) * scale;
    }
    for (int32_t i = 2 * half; i < segment->width; i++) to[i] = from[i] * scale;
}

#if defined(__x86_64__)
void sk_segment_pack_avx2(const sk_segment *segment, float *packed);
void sk_segment_attend_avx2(const sk_segment *segment, const float *packed, int32_t begin, int32_t end,
                            float *scratch);
void sk_segment_pack_avx512(const sk_segment *segment, float *packed);
void sk_segment_attend_avx512(const sk_segment *segment, const float *packed, int32_t begin, int32_t end,
                              float *scratch);
#endif

#endif
