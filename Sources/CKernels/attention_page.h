// Attention over one page with vectors: the shape of the work. The arithmetic of a tile is in attention_tile.h.
//
// Included inside a target region with
//   SK_NAME(x)                         the name of x at this level
//   SK_REGISTER                        the floats of one register: 8 or 16
//   SK_EACH_FEW(X), SK_FEW_VECTORS     the row counts X(1) X(2) ... of tiles of few rows, and their vectors of 16
//   SK_EACH_MANY(X), SK_MANY_VECTORS   the same for many rows and fewer vectors
//   SK_FEW_ROWS, SK_MANY_ROWS          the largest of each
//   SK_FEW_ROWS_OF_HALVES              the most rows that leave a register free to convert values in
//
// Keys are unpacked (converted, turned, ordered) strip by strip into a panel that fits the first cache, and every tile
// of rows multiplies with that panel; so do the values. A row's sums run in the order of the scalar twin whatever the
// tile, and positions that a row may not see are left out rather than multiplied by zero: what lies there may be NaN.
#include "attention_tile.h"
#include "attention_codes.h"

// How the rows of a query tile are cut into register tiles, and what each row and register tile sees.
typedef struct {
    int few;                    // tiles of few rows and many vectors
    int32_t tile_rows;          // rows of every register tile but the last
    sk_range row[SK_TILE_MOST];
    sk_range any[SK_TILE_MOST];  // by first row of a register tile: what at least one of its rows sees (at most),
    sk_range all[SK_TILE_MOST];  // what all of its rows see
    sk_range whole;             // what any row of the query tile sees
} sk_plan;

SK_ALWAYS sk_range hull(sk_range a, sk_range b) {
    if (b.first >= b.last) return a;
    return (sk_range){a.first < b.first ? a.first : b.first, a.last > b.last ? a.last : b.last};
}

SK_ALWAYS sk_range overlap(sk_range a, sk_range b) {
    return (sk_range){a.first > b.first ? a.first : b.first, a.last < b.last ? a.last : b.last};
}

static void make_plan(const sk_query_tile *tile, sk_plan *plan) {
    plan->few = tile->rows <= SK_FEW_ROWS;
    const int32_t most = plan->few ? SK_FEW_ROWS : SK_MANY_ROWS;
    const int32_t tiles = (tile->rows + most - 1) / most;
    // Tiles of equal size rather than full ones and a small rest.
    plan->tile_rows = (tile->rows + tiles - 1) / tiles;
    plan->whole = (sk_range){SK_PAGE, 0};
    for (int32_t row = 0, first = 0; row < tile->rows; row++) {
        const sk_range range = {sk_attend_first(tile, row), sk_attend_last(tile, row)};
        if (row == first + plan->tile_rows) first = row;
        plan->row[row] = range;
        plan->any[first] = hull(row == first ? (sk_range){SK_PAGE, 0} : plan->any[first], range);
        plan->all[first] = overlap(row == first ? (sk_range){0, SK_PAGE} : plan->all[first], range);
        plan->whole = hull(plan->whole, range);
    }
}

SK_ALWAYS int32_t tile_count(const sk_query_tile *tile, const sk_plan *plan, int32_t row) {
    return tile->rows - row < plan->tile_rows ? tile->rows - row : plan->tile_rows;
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
        const v16 weight = exp16_below(load16(scores + p) - base);
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
                       const sk_query_tile *tile, const sk_plan *plan, const float *queries, sk_ahead *ahead,
                       float *panel, float *scores) {
    const int32_t strip = SK_LANES * (plan->few ? SK_FEW_VECTORS : SK_MANY_VECTORS);
    const int32_t begin = plan->whole.first / strip * strip;
    // The first strip touches every column: the columns are fetched whole a little before. Then come the values.
    const int64_t column_bytes = sk_key_column_bytes(layout), size = layout->k_width * column_bytes;
    const int64_t lead = (layout->k_width < 8 ? layout->k_width : 8) * column_bytes;
    sk_ahead columns = {(const char *)keys + lead, (const char *)keys + size, (int32_t)(column_bytes / 64)};
    const int64_t steps = (plan->whole.last - begin - 1) / strip * (int64_t)layout->k_width;
    if (steps > 0) ahead->lines = (int32_t)((ahead->end - ahead->next) / 64 / steps + 1);
    for (int32_t p = begin; p < plan->whole.last; p += strip) {
        unpack_keys(layout, keys, cosines, sines, p, plan->few, p == begin ? &columns : ahead, panel);
        for (int32_t row = 0; row < tile->rows; row += plan->tile_rows) {
            if (plan->any[row].first >= p + strip || plan->any[row].last <= p) continue;
            score_tile(tile_count(tile, plan, row), plan->few, queries + (int64_t)row * layout->k_width, panel,
                       layout->k_width, scores + row * SK_PAGE + p);
        }
    }
}

// The same of the codes of keys that need no turn.
static void all_code_scores(const sk_page_layout *layout, const void *keys, const sk_query_tile *tile,
                            const sk_plan *plan, sk_ahead *ahead, int16_t *digits, int32_t *panel, float *scores) {
    sk_digits all[SK_TILE_MOST];
    const float *scales = sk_key_scales(layout, keys);
    const int32_t strip = SK_LANES * SK_MANY_VECTORS;
    for (int32_t row = 0; row < tile->rows; row++) {
        all[row] = query_digits(layout, scales, tile->queries + row * tile->query_stride, digits + row * SK_DIGITS);
    }
    const int32_t begin = plan->whole.first / strip * strip;
    const int64_t lead = (layout->k_width < 8 ? layout->k_width : 8) * SK_PAGE;
    sk_ahead columns = {(const char *)keys + lead, (const char *)keys + layout->k_width * SK_PAGE, SK_PAGE / 64};
    const int64_t steps = (plan->whole.last - begin - 1) / strip * (int64_t)layout->k_width;
    if (steps > 0) ahead->lines = (int32_t)((ahead->end - ahead->next) / 64 / steps + 1);
    for (int32_t p = begin; p < plan->whole.last; p += strip) {
        pair_keys(layout, keys, p, SK_MANY_VECTORS, p == begin ? &columns : ahead, panel);
        for (int32_t row = 0; row < tile->rows; row += plan->tile_rows) {
            if (plan->any[row].first >= p + strip || plan->any[row].last <= p) continue;
            code_scores(tile_count(tile, plan, row), digits + row * SK_DIGITS, all + row, panel,
                        (layout->k_width + 1) / 2, scores + row * SK_PAGE + p);
        }
    }
}

// Adds weights x values of one strip of columns to the rows row ..< row + count: what only some of them see row by
// row, what all see together. Each row still takes its positions in order.
static void add_values(const sk_plan *plan, int32_t row, int32_t count, int32_t vectors, const float *weights,
                       sk_values values, float *out, int64_t out_stride) {
    const sk_range any = plan->any[row];
    sk_range all = plan->all[row];
    if (all.first >= all.last) all = (sk_range){any.last, any.last};
    if (any.first < all.first) {
        for (int32_t i = row; i < row + count; i++) {
            const int32_t last = all.first < plan->row[i].last ? all.first : plan->row[i].last;
            value_tile(1, vectors, weights + i * SK_PAGE, values, plan->row[i].first, last, out + i * out_stride,
                       out_stride);
        }
    }
    value_tile(count, vectors, weights + row * SK_PAGE, values, all.first, all.last, out + row * out_stride,
               out_stride);
    if (all.last < any.last) {
        for (int32_t i = row; i < row + count; i++) {
            value_tile(1, vectors, weights + i * SK_PAGE, values, all.last, plan->row[i].last, out + i * out_stride,
                       out_stride);
        }
    }
}

// The scales and minima of sealed values as floats.
static void unpack_scales(const sk_page_layout *layout, const void *values, float *scales) {
    const uint16_t *halves = sk_value_scales(layout, values);
    const int32_t count = 2 * sk_value_runs(layout) * SK_PAGE;
    for (int32_t i = 0; i < count; i += SK_LANES) store16(scales + i, load16_half(halves + i));
}

static void all_values(const sk_page_layout *layout, const void *values, const sk_query_tile *tile,
                       const sk_plan *plan, const float *weights, float *panel) {
    const int form = open_form(layout);
    const int few = plan->few && (form == FORM_F32 || tile->rows <= SK_FEW_ROWS_OF_HALVES);
    for (int32_t column = 0; column < layout->v_stride;) {
        int32_t vectors = few ? SK_FEW_VECTORS : SK_MANY_VECTORS;
        if (column + vectors * SK_LANES > layout->v_stride) vectors = 1;
        sk_values strip = {values, layout->v_stride, column, form};
        if (tile->rows > plan->tile_rows) unpack_values(&strip, vectors, plan->whole, panel);
        for (int32_t row = 0; row < tile->rows; row += plan->tile_rows) {
            add_values(plan, row, tile_count(tile, plan, row), vectors, weights, strip, tile->out + column,
                       layout->v_stride);
        }
        column += vectors * SK_LANES;
    }
}

// The same of the codes of sealed values, run by run.
static void all_code_values(const sk_page_layout *layout, const void *values, const sk_query_tile *tile,
                            const sk_plan *plan, const float *weights, int16_t *digits, int32_t *panel,
                            float *scales) {
    sk_digits all[SK_TILE_MOST];
    const float *minima = scales + sk_value_runs(layout) * SK_PAGE;
    unpack_scales(layout, values, scales);
    if (plan->whole.first >= plan->whole.last) return;
    for (int32_t run = 0; run < sk_value_runs(layout); run++) {
        for (int32_t row = 0; row < tile->rows; row++) {
            all[row] = weight_digits(plan->row[row], weights + row * SK_PAGE, scales + run * SK_PAGE,
                                     minima + run * SK_PAGE, digits + row * SK_DIGITS);
        }
        const int32_t end = (run + 1) * SK_VALUE_RUN < layout->v_stride ? (run + 1) * SK_VALUE_RUN : layout->v_stride;
        for (int32_t column = run * SK_VALUE_RUN; column < end;) {
            const int32_t vectors = column + SK_MANY_VECTORS * SK_LANES <= end ? SK_MANY_VECTORS : 1;
            pair_values(layout, values, column, vectors, plan->whole, panel);
            for (int32_t row = 0; row < tile->rows; row += plan->tile_rows) {
                code_values(tile_count(tile, plan, row), vectors, digits + row * SK_DIGITS, all + row, panel,
                            plan->any[row], tile->out + (int64_t)row * layout->v_stride + column, layout->v_stride);
            }
            column += vectors * SK_LANES;
        }
    }
}

void SK_NAME(sk_attend_page)(const sk_page_layout *layout, const void *keys, const void *values, const float *cosines,
                             const float *sines, const sk_query_tile *tile, float *scratch) {
    sk_plan plan;
    make_plan(tile, &plan);
    const int32_t widest = layout->k_width > SK_PAGE ? layout->k_width : SK_PAGE;
    float *scores = scratch, *panel = scores + (int64_t)tile->rows * SK_PAGE;
    float *queries = panel + (int64_t)widest * SK_ATTEND_STRIP;
    float *scales = queries + ((int64_t)tile->rows * layout->k_width + 15) / 16 * 16;

    int16_t *digits = (int16_t *)(scales + (sk_page_is_sealed(layout) ? 2 * SK_PAGE * sk_value_runs(layout) : 0));

    // The values are fetched from memory while the scores are made.
    const int64_t row_bytes = sk_value_row_bytes(layout);
    sk_ahead ahead = {(const char *)values + plan.whole.first * row_bytes,
                      (const char *)values + plan.whole.last * row_bytes, 0};
    if (sk_scores_codes(layout)) {
        all_code_scores(layout, keys, tile, &plan, &ahead, digits, (int32_t *)panel, scores);
    } else {
        for (int32_t row = 0; row < tile->rows; row += plan.tile_rows) {
            pack_queries(layout, tile, row, tile_count(tile, &plan, row), queries + (int64_t)row * layout->k_width);
        }
        all_scores(layout, keys, cosines, sines, tile, &plan, queries, &ahead, panel, scores);
    }
    for (int32_t row = 0; row < tile->rows; row++) {
        const sk_range range = plan.row[row];
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
    if (sk_page_is_sealed(layout)) {
        all_code_values(layout, values, tile, &plan, scores, digits, (int32_t *)panel, scales);
    } else {
        all_values(layout, values, tile, &plan, scores, panel);
    }
}
