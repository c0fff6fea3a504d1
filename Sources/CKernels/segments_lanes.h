// Attention inside segments with vectors. Included inside a target region with
//   SK_NAME(x)          the name of x at this level
//   SK_REGISTER         the floats of one register: 8 or 16
//   SK_TILE_ROWS        the most rows of a register tile, whose counts SK_EACH_ROWS(X) lists: X(1) X(2) ...
//   SK_TILE_VECTORS     vectors of 16 that a full tile is wide
#include "sk_lanes.h"

typedef float segment_register __attribute__((ext_vector_type(SK_REGISTER)));

SK_ALWAYS segment_register load_part(const float *from) {
    segment_register x;
    memcpy(&x, from, sizeof x);
    return x;
}

SK_ALWAYS void store_part(float *to, segment_register x) { memcpy(to, &x, sizeof x); }

// out[r][v * 16 ...] (+)= sum over i of left[r * left_stride + i] * right[v * right_stride + i * 16 ...]: scores (left:
// queries, right: panels of keys) and outputs (left: weights, right: strips of values) alike.
SK_ALWAYS void tile_of(const int rows, const int vectors, const int adds, const float *left, int64_t left_stride,
                       const float *right, int64_t right_stride, int32_t steps, float *out, int64_t out_stride) {
    enum { PARTS = SK_LANES / SK_REGISTER };
    segment_register sum[SK_TILE_ROWS][SK_TILE_VECTORS * PARTS];
    for (int r = 0; r < rows; r++) {
        for (int p = 0; p < vectors * PARTS; p++) {
            sum[r][p] = adds ? load_part(out + r * out_stride + p * SK_REGISTER) : (segment_register)0.0f;
        }
    }
    for (int32_t i = 0; i < steps; i++) {
        segment_register part[SK_TILE_VECTORS * PARTS];
        for (int p = 0; p < vectors * PARTS; p++) {
            part[p] = load_part(right + p / PARTS * right_stride + (int64_t)i * SK_LANES + p % PARTS * SK_REGISTER);
        }
        for (int r = 0; r < rows; r++) {
            const segment_register value = left[r * left_stride + i];
            for (int p = 0; p < vectors * PARTS; p++) sum[r][p] = __builtin_elementwise_fma(value, part[p], sum[r][p]);
        }
    }
    for (int r = 0; r < rows; r++) {
        for (int p = 0; p < vectors * PARTS; p++) store_part(out + r * out_stride + p * SK_REGISTER, sum[r][p]);
    }
}

// Every tile has its size as a constant, so that the sums stay in registers.
#define SK_TILE(R)                                                                                                    \
    case R:                                                                                                           \
        if (vectors == SK_TILE_VECTORS) {                                                                             \
            tile_of(R, SK_TILE_VECTORS, adds, left, left_stride, right, right_stride, steps, out, out_stride);        \
        } else {                                                                                                      \
            tile_of(R, 1, adds, left, left_stride, right, right_stride, steps, out, out_stride);                      \
        }                                                                                                             \
        return;

static void score_tile(int32_t rows, int32_t vectors, const float *left, int64_t left_stride, const float *right,
                       int64_t right_stride, int32_t steps, float *out, int64_t out_stride) {
    enum { adds = 0 };
    switch (rows) { SK_EACH_ROWS(SK_TILE) }
}

static void value_tile(int32_t rows, int32_t vectors, const float *left, int64_t left_stride, const float *right,
                       int64_t right_stride, int32_t steps, float *out, int64_t out_stride) {
    enum { adds = 1 };
    switch (rows) { SK_EACH_ROWS(SK_TILE) }
}

// Calls `tile` over `vectors` vectors of 16 columns for all rows.
SK_ALWAYS void tiles(void (*tile)(int32_t, int32_t, const float *, int64_t, const float *, int64_t, int32_t, float *,
                                  int64_t),
                     int32_t rows, int32_t vectors, const float *left, int64_t left_stride, const float *right,
                     int64_t right_stride, int32_t steps, float *out, int64_t out_stride) {
    const int32_t parts = (rows + SK_TILE_ROWS - 1) / SK_TILE_ROWS, size = (rows + parts - 1) / parts;
    for (int32_t v = 0; v < vectors;) {
        const int32_t width = v + SK_TILE_VECTORS <= vectors ? SK_TILE_VECTORS : 1;
        for (int32_t row = 0; row < rows; row += size) {
            tile(rows - row < size ? rows - row : size, width, left + row * left_stride, left_stride,
                 right + v * right_stride, right_stride, steps, out + row * out_stride + v * SK_LANES, out_stride);
        }
        v += width;
    }
}

// sk_segment_row with vectors.
SK_ALWAYS void rotated_row(const sk_segment *segment, const float *from, int32_t row, float scale, float *to) {
    const int32_t half = segment->cosines ? segment->width / 2 : 0, whole = half / SK_LANES * SK_LANES;
    from += row * segment->stride;
    const float *cosines = half ? segment->cosines + row * segment->table_stride : NULL;
    const float *sines = half ? segment->sines + row * segment->table_stride : NULL;
    for (int32_t i = 0; i < half; i += SK_LANES) {
        const int32_t count = i < whole ? SK_LANES : half - i;
        v16 a, b, cosine, sine;
        if (count == SK_LANES) {
            a = load16(from + i), b = load16(from + half + i), cosine = load16(cosines + i), sine = load16(sines + i);
        } else {
            a = load_some(from + i, count, 0), b = load_some(from + half + i, count, 0);
            cosine = load_some(cosines + i, count, 0), sine = load_some(sines + i, count, 0);
        }
        const v16 first = fma16(a, cosine, -(b * sine)) * scale, second = fma16(b, cosine, a * sine) * scale;
        if (count == SK_LANES) {
            store16(to + i, first), store16(to + half + i, second);
        } else {
            store_some(to + i, count, first), store_some(to + half + i, count, second);
        }
    }
    for (int32_t i = 2 * half; i < segment->width; i++) to[i] = from[i] * scale;
}

void SK_NAME(sk_segment_pack)(const sk_segment *segment, float *packed) {
    const int32_t rows = segment->rows, padded = sk_segment_lanes(rows), width = segment->width;
    float *values = sk_segment_values(segment, packed);
    float keys[SK_LANES][SK_SEGMENT_WIDTH];
    for (int32_t first = 0; first < padded; first += SK_LANES, packed += (int64_t)width * SK_LANES) {
        const int32_t count = rows - first < SK_LANES ? rows - first : SK_LANES;
        for (int32_t r = 0; r < count; r++) rotated_row(segment, segment->keys, first + r, 1, keys[r]);
        for (int32_t r = count; r < SK_LANES; r++) memset(keys[r], 0, sizeof(float) * (size_t)width);
        for (int32_t c = 0; c < width; c++) {
            for (int32_t r = 0; r < SK_LANES; r++) packed[c * SK_LANES + r] = keys[r][c];
        }
        for (int32_t r = first; r < first + SK_LANES; r++) {
            const float *from = segment->values + r * segment->stride;
            for (int32_t c = 0; c < width; c += SK_LANES) {
                v16 part = 0;
                if (r < rows) part = c + SK_LANES <= width ? load16(from + c) : load_some(from + c, width - c, 0);
                store16(values + ((int64_t)(c / SK_LANES) * padded + r) * SK_LANES, part);
            }
        }
    }
}

// Turns the scores of one row into weights; returns the factor that the row's earlier sums shrink by.
SK_ALWAYS float soften(float *scores, int32_t count, float *maximum, float *total) {
    const i16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    if (count % SK_LANES != 0) {
        // What lies behind the segment's end is not seen.
        float *last = scores + count / SK_LANES * SK_LANES;
        store16(last, lane < count % SK_LANES ? load16(last) : (v16)-INFINITY);
    }
    v16 top = -INFINITY;
    for (int32_t i = 0; i < count; i += SK_LANES) top = larger16(load16(scores + i), top);
    const float before = *maximum, found = maximum16(top), larger = found > before ? found : before;
    const float base = larger == -INFINITY ? 0.0f : larger;
    v16 sum = 0;
    for (int32_t i = 0; i < count; i += SK_LANES) {
        const v16 weight = exp16(load16(scores + i) - base);
        store16(scores + i, weight);
        sum += weight;
    }
    const float factor = sk_step_exp(before - base);
    *maximum = larger;
    *total = fmaf(*total, factor, sum16(sum));
    return factor;
}

// Up to SK_SEGMENT_ROWS rows.
static void attend_rows(const sk_segment *segment, const float *packed, int32_t first, int32_t count, float *scratch) {
    const int32_t padded = sk_segment_lanes(segment->rows), width = segment->width;
    const int32_t strips = sk_segment_lanes(width) / SK_LANES, columns = strips * SK_LANES;
    const float *values = sk_segment_values(segment, packed);
    float *queries = scratch, *sums = queries + SK_SEGMENT_ROWS * columns;
    float *scores = sums + SK_SEGMENT_ROWS * columns, *maximum = scores + SK_SEGMENT_ROWS * SK_SEGMENT_BLOCK;
    float *total = maximum + SK_SEGMENT_ROWS;
    for (int32_t r = 0; r < count; r++) {
        rotated_row(segment, segment->queries, first + r, segment->scale, queries + r * columns);
        memset(sums + r * columns, 0, sizeof(float) * (size_t)columns);
        maximum[r] = -INFINITY;
        total[r] = 0;
    }
    for (int32_t begin = 0; begin < segment->rows; begin += SK_SEGMENT_BLOCK) {
        const int32_t rest = segment->rows - begin, keys = rest < SK_SEGMENT_BLOCK ? rest : SK_SEGMENT_BLOCK;
        tiles(score_tile, count, sk_segment_lanes(keys) / SK_LANES, queries, columns, packed + (int64_t)begin * width,
              (int64_t)width * SK_LANES, width, scores, SK_SEGMENT_BLOCK);
        for (int32_t r = 0; r < count; r++) {
            const float factor = soften(scores + r * SK_SEGMENT_BLOCK, keys, maximum + r, total + r);
            float *sum = sums + r * columns;
            if (begin > 0 && factor != 1) {
                for (int32_t c = 0; c < columns; c += SK_LANES) store16(sum + c, load16(sum + c) * factor);
            }
        }
        tiles(value_tile, count, strips, scores, SK_SEGMENT_BLOCK, values + (int64_t)begin * SK_LANES,
              (int64_t)padded * SK_LANES, keys, sums, columns);
    }
    for (int32_t r = 0; r < count; r++) {
        const float share = total[r] == 0 ? 0 : 1.0f / total[r];
        float *out = segment->out + (first + r) * segment->out_stride;
        for (int32_t c = 0; c < width; c += SK_LANES) {
            const v16 value = load16(sums + r * columns + c) * share;
            if (c + SK_LANES <= width) store16(out + c, value);
            else store_some(out + c, width - c, value);
        }
    }
}

void SK_NAME(sk_segment_attend)(const sk_segment *segment, const float *packed, int32_t begin, int32_t end,
                                float *scratch) {
    for (int32_t row = begin; row < end; row += SK_SEGMENT_ROWS) {
        attend_rows(segment, packed, row, end - row < SK_SEGMENT_ROWS ? end - row : SK_SEGMENT_ROWS, scratch);
    }
}
