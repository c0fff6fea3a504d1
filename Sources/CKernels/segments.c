// Attention inside segments: sizes, the portable twin, the entry points.
#include "segments_levels.h"
#include "sk_dispatch.h"

size_t sk_segment_packed_floats(int32_t width, int32_t rows) {
    if (width < 1 || width > SK_SEGMENT_WIDTH || rows < 1 || rows > INT32_MAX - SK_LANES) return 0;
    // Below 2^31 rows of at most 2 * 256 columns.
    return (size_t)sk_segment_lanes(rows) * (size_t)(width + sk_segment_lanes(width));
}

size_t sk_segment_scratch_floats(int32_t width) {
    return (size_t)SK_SEGMENT_ROWS * (size_t)(sk_segment_lanes(width) * 2 + SK_SEGMENT_BLOCK + 2);
}

void sk_segment_pack_scalar(const sk_segment *segment, float *packed) {
    const int32_t padded = sk_segment_lanes(segment->rows), width = segment->width;
    float *values = sk_segment_values(segment, packed);
    for (int32_t row = 0; row < padded; row++) {
        float key[SK_SEGMENT_WIDTH] = {0};
        if (row < segment->rows) sk_segment_row(segment, segment->keys, row, 1, key);
        for (int32_t c = 0; c < width; c++) {
            packed[((int64_t)(row / SK_LANES) * width + c) * SK_LANES + row % SK_LANES] = key[c];
        }
        for (int32_t c = 0; c < sk_segment_lanes(width); c++) {
            values[((int64_t)(c / SK_LANES) * padded + row) * SK_LANES + c % SK_LANES] =
                row < segment->rows && c < width ? segment->values[row * segment->stride + c] : 0;
        }
    }
}

static void attend_row(const sk_segment *segment, const float *packed, int32_t row, float *scores) {
    const int32_t padded = sk_segment_lanes(segment->rows), width = segment->width;
    const float *values = sk_segment_values(segment, packed);
    float query[SK_SEGMENT_WIDTH], sum[SK_SEGMENT_WIDTH] = {0};
    sk_segment_row(segment, segment->queries, row, segment->scale, query);
    float maximum = -INFINITY, total = 0;
    for (int32_t begin = 0; begin < segment->rows; begin += SK_SEGMENT_BLOCK) {
        const int32_t rest = segment->rows - begin, count = rest < SK_SEGMENT_BLOCK ? rest : SK_SEGMENT_BLOCK;
        float lanes[SK_LANES];
        for (int lane = 0; lane < SK_LANES; lane++) lanes[lane] = -INFINITY;
        for (int32_t i = 0; i < count; i++) {
            const int32_t key = begin + i;
            scores[i] = 0;
            for (int32_t c = 0; c < width; c++) {
                scores[i] = fmaf(query[c], packed[((int64_t)(key / SK_LANES) * width + c) * SK_LANES + key % SK_LANES],
                                 scores[i]);
            }
            if (scores[i] > lanes[i % SK_LANES]) lanes[i % SK_LANES] = scores[i];
        }
        const float found = sk_step_maximum(lanes), larger = found > maximum ? found : maximum;
        // While nothing finite was seen, -inf - base must still give exp(-inf) = 0, and NaN must stay NaN.
        const float base = larger == -INFINITY ? 0.0f : larger, factor = sk_step_exp(maximum - base);
        for (int lane = 0; lane < SK_LANES; lane++) lanes[lane] = 0;
        for (int32_t i = 0; i < count; i++) {
            scores[i] = sk_step_exp(scores[i] - base);
            lanes[i % SK_LANES] += scores[i];
        }
        maximum = larger;
        total = fmaf(total, factor, sk_step_sum(lanes));
        for (int32_t c = 0; c < width; c++) {
            const float *strip = values + (int64_t)(c / SK_LANES) * padded * SK_LANES + c % SK_LANES;
            sum[c] *= factor;
            for (int32_t i = 0; i < count; i++) {
                sum[c] = fmaf(scores[i], strip[(int64_t)(begin + i) * SK_LANES], sum[c]);
            }
        }
    }
    const float share = total == 0 ? 0 : 1.0f / total;
    for (int32_t c = 0; c < width; c++) segment->out[row * segment->out_stride + c] = sum[c] * share;
}

void sk_segment_attend_scalar(const sk_segment *segment, const float *packed, int32_t begin, int32_t end,
                              float *scratch) {
    for (int32_t row = begin; row < end; row++) attend_row(segment, packed, row, scratch);
}

void sk_segment_pack(const sk_segment *segment, float *packed) {
    SK_DISPATCH(sk_segment_pack, segment, packed);
}

void sk_segment_attend(const sk_segment *segment, const float *packed, int32_t begin, int32_t end, float *scratch) {
    SK_DISPATCH(sk_segment_attend, segment, packed, begin, end, scratch);
}
