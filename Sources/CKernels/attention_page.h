// Attention over one page with vectors: the shape of the work. The arithmetic of a tile is in attention_tile.h.
//
// Included inside a target region with
//   SK_NAME(x)                         the name of x at this level
//   SK_EACH_FEW(X), SK_FEW_VECTORS     the row counts X(1) X(2) ... of tiles of few rows, and their vectors of 16
//   SK_EACH_MANY(X), SK_MANY_VECTORS   the same for many rows and fewer vectors
//   SK_FEW_ROWS, SK_MANY_ROWS          the largest of each
//
// Keys are unpacked (converted, turned, ordered) strip by strip into a panel that fits the first cache, and every tile
// of rows multiplies with that panel; so do the values. A row's sums run in the order of the scalar twin whatever the
// tile, and positions that a row may not see are left out rather than multiplied by zero: what lies there may be NaN.
#include "attention_tile.h"

typedef struct {
    int32_t first, last;  // visible positions of one row, or those that any row of a group sees
} sk_range;

SK_ALWAYS sk_range row_range(const sk_query_tile *tile, int32_t row) {
    return (sk_range){sk_attend_first(tile, row), sk_attend_last(tile, row)};
}

static sk_range united(const sk_query_tile *tile, int32_t row, int32_t count) {
    sk_range all = {SK_PAGE, 0};
    for (int32_t i = row; i < row + count; i++) {
        const sk_range range = row_range(tile, i);
        if (range.first >= range.last) continue;
        if (range.first < all.first) all.first = range.first;
        if (range.last > all.last) all.last = range.last;
    }
    return all;
}

static sk_range common(const sk_query_tile *tile, int32_t row, int32_t count) {
    sk_range all = {0, SK_PAGE};
    for (int32_t i = row; i < row + count; i++) {
        const sk_range range = row_range(tile, i);
        if (range.first > all.first) all.first = range.first;
        if (range.last < all.last) all.last = range.last;
    }
    return all;
}

// Turns a row's scores into weights and updates its state; the twin of `soften`.
static float soften(const sk_query_tile *tile, int32_t row, sk_range range, float *scores) {
    const i16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const int32_t begin = range.first / SK_LANES * SK_LANES;
    v16 top = -INFINITY;
    for (int32_t p = begin; p < range.last; p += SK_LANES) {
        v16 score = load16(scores + p);
        if (p < range.first || p + SK_LANES > range.last) {
            const i16 position = lane + p;
            score = ((position >= range.first) & (position < range.last)) ? score : (v16)-INFINITY;
            store16(scores + p, score);
        }
        top = larger16(score, top);
    }
    const float before = tile->maximum[row], found = maximum16(top);
    const float maximum = found > before ? found : before;
    const float base = maximum == -INFINITY ? 0.0f : maximum;
    v16 sum = 0;
    for (int32_t p = begin; p < range.last; p += SK_LANES) {
        const v16 weight = exp16(load16(scores + p) - base);
        store16(scores + p, weight);
        sum += weight;
    }
    const float total = sum16(sum), factor = before == base ? 1.0f : sk_step_exp(before - base);
    tile->maximum[row] = maximum;
    tile->total[row] = fmaf(tile->total[row], factor, total);
    if (tile->page_maximum) tile->page_maximum[row] = maximum;
    if (tile->page_total) tile->page_total[row] = total;
    return factor;
}

// Scores of all rows, [rows][128], over the strips of positions that any row sees.
static void all_scores(const sk_page_layout *layout, const void *keys, const float *cosines, const float *sines,
                       const sk_query_tile *tile, int32_t tile_rows, int few, const float *queries, float *panel,
                       float *scores) {
    const int32_t strip = SK_LANES * (few ? SK_FEW_VECTORS : SK_MANY_VECTORS);
    const sk_range seen = united(tile, 0, tile->rows);
    for (int32_t p = seen.first / strip * strip; p < seen.last; p += strip) {
        unpack_keys(layout, keys, cosines, sines, p, few, panel);
        for (int32_t row = 0; row < tile->rows; row += tile_rows) {
            const int32_t count = tile->rows - row < tile_rows ? tile->rows - row : tile_rows;
            const sk_range range = united(tile, row, count);
            if (range.first >= p + strip || range.last <= p) continue;
            score_tile(count, few, queries + (int64_t)row * layout->k_width, panel, layout->k_width,
                       scores + row * SK_PAGE + p);
        }
    }
}

// Adds weights x values of one strip of columns to the rows row ..< row + count.
static void add_values(const sk_query_tile *tile, int32_t row, int32_t count, int32_t vectors, const float *weights,
                       sk_values values, float *out, int64_t out_stride) {
    const sk_range inner = common(tile, row, count);
    const int alone = inner.first >= inner.last;
    for (int32_t i = row; i < row + count; i++) {
        const sk_range range = row_range(tile, i);
        value_tile(1, vectors, weights + i * SK_PAGE, values, range.first, alone ? range.last : inner.first,
                   out + i * out_stride, out_stride);
    }
    if (alone) return;
    value_tile(count, vectors, weights + row * SK_PAGE, values, inner.first, inner.last, out + row * out_stride,
               out_stride);
    for (int32_t i = row; i < row + count; i++) {
        value_tile(1, vectors, weights + i * SK_PAGE, values, inner.last, row_range(tile, i).last,
                   out + i * out_stride, out_stride);
    }
}

static void all_values(const sk_page_layout *layout, const void *values, const sk_query_tile *tile, int32_t tile_rows,
                       int few, const float *weights, float *panel) {
    const sk_range seen = united(tile, 0, tile->rows);
    for (int32_t column = 0; column < layout->v_stride;) {
        int32_t vectors = few ? SK_FEW_VECTORS : SK_MANY_VECTORS;
        if (column + vectors * SK_LANES > layout->v_stride) vectors = 1;
        sk_values strip = {values, layout->v_stride, column, layout->type == SK_F16};
        if (tile->rows > tile_rows) {
            unpack_values(&strip, vectors, seen.first, seen.last, panel);
        }
        for (int32_t row = 0; row < tile->rows; row += tile_rows) {
            const int32_t count = tile->rows - row < tile_rows ? tile->rows - row : tile_rows;
            add_values(tile, row, count, vectors, weights, strip, tile->out + column, layout->v_stride);
        }
        column += vectors * SK_LANES;
    }
}

void SK_NAME(sk_attend_page)(const sk_page_layout *layout, const void *keys, const void *values, const float *cosines,
                             const float *sines, const sk_query_tile *tile, float *scratch) {
    const int few = tile->rows <= SK_FEW_ROWS;
    const int32_t most = few ? SK_FEW_ROWS : SK_MANY_ROWS;
    const int32_t tiles = (tile->rows + most - 1) / most;
    // Tiles of equal size rather than full ones and a small rest.
    const int32_t tile_rows = (tile->rows + tiles - 1) / tiles;
    const int32_t widest = layout->k_width > SK_PAGE ? layout->k_width : SK_PAGE;
    float *scores = scratch, *panel = scores + (int64_t)tile->rows * SK_PAGE;
    float *queries = panel + (int64_t)widest * SK_ATTEND_STRIP;

    for (int32_t row = 0; row < tile->rows; row += tile_rows) {
        const int32_t count = tile->rows - row < tile_rows ? tile->rows - row : tile_rows;
        pack_queries(layout, tile, row, count, queries + (int64_t)row * layout->k_width);
    }
    all_scores(layout, keys, cosines, sines, tile, tile_rows, few, queries, panel, scores);
    for (int32_t row = 0; row < tile->rows; row++) {
        const sk_range range = row_range(tile, row);
        if (range.first >= range.last) {
            if (tile->page_maximum) tile->page_maximum[row] = tile->maximum[row];
            if (tile->page_total) tile->page_total[row] = 0;
            continue;
        }
        const float factor = soften(tile, row, range, scores + row * SK_PAGE);
        if (factor == 1) continue;
        float *out = tile->out + (int64_t)row * layout->v_stride;
        for (int32_t i = 0; i < layout->v_stride; i += SK_LANES) store16(out + i, load16(out + i) * factor);
    }
    all_values(layout, values, tile, tile_rows, few, scores, panel);
}
