// Attention inside segments with vectors. Included inside a target region with
//   SK_NAME(x)          the name of x at this level
//   SK_REGISTER         the floats of one register: 8 or 16
//   SK_TILE_REGISTERS   sums that stay in registers: tiles of half as many rows times two registers, a third times three
//   SK_EACH_ROWS(X)     X(1) X(2) ... up to half of them
//   SK_HOLD(register)   keeps the compiler from regrouping chains of sums, which would need more registers than there are
#include "sk_register.h"

enum {
    PARTS = SK_LANES / SK_REGISTER,                          // registers of 16 floats
    TALL_ROWS = SK_TILE_REGISTERS / 2, WIDE_ROWS = SK_TILE_REGISTERS / 3,
};

// out[r][p * SK_REGISTER ...] (+)= sum over i of left[r * left_row + i * left_step] * right, whose registers stand side by
// side in vectors of 16, right_stride apart: scores (left: queries, right: panels of keys) and outputs (left: weights,
// right: strips of values) alike.
SK_ALWAYS void tile_of(const int rows, const int registers, const int adds, const float *left, const int64_t left_row,
                       const int64_t left_step, const float *right, int64_t right_stride, int32_t steps, float *out,
                       int64_t out_stride) {
    vr sum[TALL_ROWS][3];
    for (int r = 0; r < rows; r++) {
        for (int p = 0; p < registers; p++) {
            sum[r][p] = adds ? load_register(out + r * out_stride + p * SK_REGISTER) : (vr)0.0f;
        }
    }
    for (int32_t i = 0; i < steps; i++) {
        vr part[3];
        for (int p = 0; p < registers; p++) {
            part[p] = load_register(right + p / PARTS * right_stride + (int64_t)i * SK_LANES + p % PARTS * SK_REGISTER);
        }
        for (int r = 0; r < rows; r++) {
            const vr value = left[r * left_row + i * left_step];
            for (int p = 0; p < registers; p++) {
                sum[r][p] = __builtin_elementwise_fma(value, part[p], sum[r][p]);
                SK_HOLD(sum[r][p]);
            }
        }
    }
    for (int r = 0; r < rows; r++) {
        for (int p = 0; p < registers; p++) store_register(out + r * out_stride + p * SK_REGISTER, sum[r][p]);
    }
}

// Every tile has its size as a constant, so that the sums stay in registers.
#define SK_SCORE_TILE(R)                                                                                              \
    case R:                                                                                                           \
        if (registers == 2) {                                                                                         \
            tile_of(R, 2, 0, left, 1, TALL_ROWS, right, right_stride, steps, out, SK_SEGMENT_BLOCK);                  \
        } else {                                                                                                      \
            tile_of(R, 1, 0, left, 1, TALL_ROWS, right, right_stride, steps, out, SK_SEGMENT_BLOCK);                  \
        }                                                                                                             \
        return;
#define SK_VALUE_TILE(R)                                                                                              \
    case R:                                                                                                           \
        if (registers == 3) {                                                                                         \
            tile_of(R < WIDE_ROWS ? R : WIDE_ROWS, 3, 1, left, SK_SEGMENT_BLOCK, 1, right, right_stride, steps, out,  \
                    out_stride);                                                                                      \
        } else if (registers == 2) {                                                                                  \
            tile_of(R, 2, 1, left, SK_SEGMENT_BLOCK, 1, right, right_stride, steps, out, out_stride);                 \
        } else {                                                                                                      \
            tile_of(R, 1, 1, left, SK_SEGMENT_BLOCK, 1, right, right_stride, steps, out, out_stride);                 \
        }                                                                                                             \
        return;

static void score_tile(int32_t rows, int32_t registers, const float *left, const float *right, int64_t right_stride,
                       int32_t steps, float *out) {
    switch (rows) { SK_EACH_ROWS(SK_SCORE_TILE) }
}

static void value_tile(int32_t rows, int32_t registers, const float *left, const float *right, int64_t right_stride,
                       int32_t steps, float *out, int64_t out_stride) {
    switch (rows) { SK_EACH_ROWS(SK_VALUE_TILE) }
}

// Rows are cut into the fewest parts of at most `most`, as even as possible: the size of all but the last.
SK_ALWAYS int32_t even_part(int32_t rows, int32_t most) {
    const int32_t parts = (rows + most - 1) / most;
    return (rows + parts - 1) / parts;
}

// scores[r] = queries of row r times `keys` keys. Queries lie tile by tile, [width][TALL_ROWS].
SK_ALWAYS void score_rows(int32_t rows, int32_t keys, int32_t width, const float *queries, const float *panels,
                          float *scores) {
    const int32_t count = sk_segment_lanes(keys) / SK_REGISTER, size = even_part(rows, TALL_ROWS);
    for (int32_t p = 0, here; p < count; p += here) {
        here = p + 2 <= count ? 2 : 1;
        const float *tile = queries;
        for (int32_t row = 0; row < rows; row += size, tile += (int64_t)width * TALL_ROWS) {
            score_tile(rows - row < size ? rows - row : size, here, tile, panels + (int64_t)(p / PARTS) * width * SK_LANES,
                       (int64_t)width * SK_LANES, width, scores + row * SK_SEGMENT_BLOCK + p * SK_REGISTER);
        }
    }
}

// sums[r] += weights of row r times the values of `keys` keys, as many registers of columns as the width needs: two at a
// time, and three once where their number is odd.
SK_ALWAYS void value_rows(int32_t rows, int32_t keys, int32_t width, const float *weights, const float *strips,
                          int64_t strip_stride, float *sums, int64_t sums_stride) {
    const int32_t count = (width + SK_REGISTER - 1) / SK_REGISTER;
    for (int32_t p = 0, here; p < count; p += here) {
        here = count - p == 3 ? 3 : count - p == 1 ? 1 : 2;
        const int32_t size = even_part(rows, here == 3 ? WIDE_ROWS : TALL_ROWS);
        for (int32_t row = 0; row < rows; row += size) {
            value_tile(rows - row < size ? rows - row : size, here, weights + row * SK_SEGMENT_BLOCK,
                       strips + p / PARTS * strip_stride, strip_stride, keys, sums + row * sums_stride + p * SK_REGISTER,
                       sums_stride);
        }
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
        const v16 weight = exp16_below(load16(scores + i) - base);
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
    const int32_t tile = even_part(count, TALL_ROWS);
    for (int32_t r = 0; r < count; r++) {
        float query[SK_SEGMENT_WIDTH];
        rotated_row(segment, segment->queries, first + r, segment->scale, query);
        float *to = queries + (int64_t)(r / tile) * width * TALL_ROWS + r % tile;
        for (int32_t c = 0; c < width; c++) to[c * TALL_ROWS] = query[c];
        memset(sums + r * columns, 0, sizeof(float) * (size_t)columns);
        maximum[r] = -INFINITY;
        total[r] = 0;
    }
    for (int32_t begin = 0; begin < segment->rows; begin += SK_SEGMENT_BLOCK) {
        const int32_t rest = segment->rows - begin, keys = rest < SK_SEGMENT_BLOCK ? rest : SK_SEGMENT_BLOCK;
        score_rows(count, keys, width, queries, packed + (int64_t)begin * width, scores);
        for (int32_t r = 0; r < count; r++) {
            const float factor = soften(scores + r * SK_SEGMENT_BLOCK, keys, maximum + r, total + r);
            float *sum = sums + r * columns;
            if (begin > 0 && factor != 1) {
                for (int32_t c = 0; c < columns; c += SK_LANES) store16(sum + c, load16(sum + c) * factor);
            }
        }
        value_rows(count, keys, width, scores, values + (int64_t)begin * SK_LANES, (int64_t)padded * SK_LANES, sums, columns);
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
