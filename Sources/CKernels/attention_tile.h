// The inner loops of attention over a page: unpacking strips, and products of register tiles.
#include "sk_register.h"

#define SK_PARTS (SK_FEW_VECTORS * SK_LANES / SK_REGISTER)

typedef _Float16 hr __attribute__((ext_vector_type(SK_REGISTER)));

SK_ALWAYS vr load_register_half(const uint16_t *from) {
    hr x;
    memcpy(&x, from, sizeof x);
    return __builtin_convertvector(x, vr);
}

typedef struct {
    int32_t first, last;  // positions; empty if first >= last
} sk_range;

// The forms that elements lie in; constants wherever an inner loop asks. Codes of values are never unpacked.
enum { FORM_F32, FORM_F16, FORM_Q8 };

SK_ALWAYS int open_form(const sk_page_layout *layout) { return layout->type == SK_F32 ? FORM_F32 : FORM_F16; }

SK_ALWAYS int key_form(const sk_page_layout *layout) {
    return sk_page_is_sealed(layout) ? FORM_Q8 : open_form(layout);
}

// Rows of columns as a tile reads them, from a column on.
typedef struct {
    const void *data;
    int64_t stride;  // elements from row to row
    int32_t column;
    int form;
} sk_values;

typedef uint8_t codes16 __attribute__((ext_vector_type(16)));

// One register of a row: its part `part`.
SK_ALWAYS vr load_part(const sk_values *values, int64_t row, int32_t part, int form) {
    const int32_t column = values->column + part * SK_REGISTER;
    const int64_t index = row * values->stride + column;
    if (form == FORM_F32) return load_register((const float *)values->data + index);
    return load_register_half((const uint16_t *)values->data + index);
}

SK_ALWAYS v16 float16_of(codes16 codes) {
    return __builtin_convertvector(__builtin_convertvector(codes, i16), v16);
}

// 16 columns of a row, from a multiple of 16 on.
SK_ALWAYS v16 load_values16(const sk_values *values, int64_t row, int32_t column, int form) {
    const int64_t index = row * values->stride + column;
    if (form == FORM_F32) return load16((const float *)values->data + index);
    return load16_half((const uint16_t *)values->data + index);
}

// A page's keys as they are unpacked.
typedef struct {
    const void *data;
    const float *scales, *minima;  // [k_width] of codes
} sk_keys;

// 16 positions of a key channel.
SK_ALWAYS v16 load_keys16(const sk_keys *keys, int32_t column, int32_t position, int form) {
    const int64_t index = (int64_t)column * SK_PAGE + position;
    if (form == FORM_F32) return load16((const float *)keys->data + index);
    if (form == FORM_F16) return load16_half((const uint16_t *)keys->data + index);
    codes16 codes;
    memcpy(&codes, (const uint8_t *)keys->data + index, sizeof codes);
    return fma16(float16_of(codes), (v16)keys->scales[column], (v16)keys->minima[column]);
}

// The queries of one tile as [k_width][count], the columns in the order of the sums.
static void pack_queries(const sk_page_layout *layout, const sk_query_tile *tile, int32_t row, int32_t count,
                         float *packed) {
    for (int32_t i = 0; i < count; i++) {
        const float *query = tile->queries + (row + i) * tile->query_stride;
        const int32_t begin = layout->rope_begin, half = layout->rope_width / 2;
        float *to = packed + i;
        for (int32_t c = 0; c < begin; c++, to += count) *to = query[c];
        for (int32_t c = begin; c < begin + half; c++, to += 2 * count) to[0] = query[c], to[count] = query[c + half];
        for (int32_t c = begin + 2 * half; c < layout->k_width; c++, to += count) *to = query[c];
    }
}

// Memory that will be read soon, fetched a few lines at a time between other work.
typedef struct {
    const char *next, *end;
    int32_t lines;  // at a time
} sk_ahead;

SK_ALWAYS void fetch_ahead(sk_ahead *ahead) {
    for (int32_t i = 0; i < ahead->lines && ahead->next < ahead->end; i++, ahead->next += 64) {
        __builtin_prefetch(ahead->next, 0, 2);
    }
}

// `vectors` x 16 positions from `first` on as floats [k_width][vectors * 16], turned by their offset, the columns in
// the order of the sums.
SK_ALWAYS void unpack_keys_as(const sk_page_layout *layout, const void *data, const float *cosines,
                              const float *sines, int32_t first, int vectors, int form, sk_ahead *fetched,
                              float *panel) {
    // What stays the same is read once: the compiler takes every store to the panel for one that may change it.
    const int32_t begin = layout->rope_begin, pairs = layout->rope_width / 2, width = layout->k_width;
    const float *scales = form == FORM_Q8 ? sk_key_scales(layout, data) : NULL;
    const sk_keys all = {data, scales, form == FORM_Q8 ? scales + width : NULL};
    const sk_keys *keys = &all;
    sk_ahead own = *fetched, *ahead = &own;
    for (int32_t c = 0; c < width; c++) {
        if (c == begin) {
            for (int32_t pair = 0; pair < pairs; pair++, panel += 2 * vectors * SK_LANES) {
                fetch_ahead(ahead);
                fetch_ahead(ahead);
                for (int v = 0; v < vectors; v++) {
                    const int32_t p = first + v * SK_LANES;
                    const v16 a = load_keys16(keys, c + pair, p, form);
                    const v16 b = load_keys16(keys, c + pair + pairs, p, form);
                    const v16 cosine = load16(cosines + pair * SK_PAGE + p);
                    const v16 sine = load16(sines + pair * SK_PAGE + p);
                    store16(panel + v * SK_LANES, fma16(a, cosine, -(b * sine)));
                    store16(panel + (vectors + v) * SK_LANES, fma16(b, cosine, a * sine));
                }
            }
            c += 2 * pairs;
            if (c >= width) break;
        }
        fetch_ahead(ahead);
        for (int v = 0; v < vectors; v++) {
            store16(panel + v * SK_LANES, load_keys16(keys, c, first + v * SK_LANES, form));
        }
        panel += vectors * SK_LANES;
    }
    *fetched = own;
}

#define SK_UNPACK(FORM) \
    if (few) unpack_keys_as(layout, keys, cosines, sines, first, SK_FEW_VECTORS, FORM, ahead, panel); \
    else unpack_keys_as(layout, keys, cosines, sines, first, SK_MANY_VECTORS, FORM, ahead, panel)

static void unpack_keys(const sk_page_layout *layout, const void *keys, const float *cosines, const float *sines,
                        int32_t first, int few, sk_ahead *ahead, float *panel) {
    switch (key_form(layout)) {
    case FORM_F32: SK_UNPACK(FORM_F32); return;
    case FORM_F16: SK_UNPACK(FORM_F16); return;
    default: SK_UNPACK(FORM_Q8); return;
    }
}

// One step of a product of `rows` x `parts` registers: sum[r][p] += left[r * left_step] * right[step][p]. What there is
// less of stays in registers, and the other side passes through one: a level's tiles leave room for just that.
SK_ALWAYS void tile_step(int rows, int parts, const float *left, int64_t left_step, const sk_values *right,
                         int64_t step, int form, vr sum[SK_MANY_ROWS][SK_PARTS]) {
    if (rows < parts) {
        vr row[SK_MANY_ROWS];
        for (int r = 0; r < rows; r++) row[r] = left[r * left_step];
        for (int p = 0; p < parts; p++) {
            const vr part = load_part(right, step, p, form);
            for (int r = 0; r < rows; r++) sum[r][p] = fma_register(row[r], part, sum[r][p]);
        }
    } else {
        vr part[SK_PARTS];
        for (int p = 0; p < parts; p++) part[p] = load_part(right, step, p, form);
        for (int r = 0; r < rows; r++) {
            const vr row = left[r * left_step];
            for (int p = 0; p < parts; p++) sum[r][p] = fma_register(row, part[p], sum[r][p]);
        }
    }
}

// scores[rows][vectors * 16] (rows 128 apart) = queries [k_width][rows] x panel [k_width][vectors * 16]
SK_ALWAYS void score_tile_as(int rows, int vectors, const float *queries, const float *panel, int32_t k_width,
                             float *scores) {
    const int parts = vectors * SK_LANES / SK_REGISTER;
    vr sum[SK_MANY_ROWS][SK_PARTS];
    for (int r = 0; r < rows; r++) {
        for (int p = 0; p < parts; p++) sum[r][p] = 0;
    }
    const sk_values keys = {panel, vectors * SK_LANES, 0, FORM_F32};
    for (int32_t k = 0; k < k_width; k++, queries += rows) {
        tile_step(rows, parts, queries, 1, &keys, k, FORM_F32, sum);
    }
    for (int r = 0; r < rows; r++) {
        for (int p = 0; p < parts; p++) store_register(scores + r * SK_PAGE + p * SK_REGISTER, sum[r][p]);
    }
}

// out[rows][vectors * 16] += weights [rows][128] x values, over the positions first ..< last
SK_ALWAYS void value_tile_as(int rows, int vectors, int form, const float *weights, sk_values values, int32_t first,
                             int32_t last, float *out, int64_t out_stride) {
    const int parts = vectors * SK_LANES / SK_REGISTER;
    vr sum[SK_MANY_ROWS][SK_PARTS];
    for (int r = 0; r < rows; r++) {
        for (int p = 0; p < parts; p++) sum[r][p] = load_register(out + r * out_stride + p * SK_REGISTER);
    }
    for (int32_t p = first; p < last; p++) {
        tile_step(rows, parts, weights + p, SK_PAGE, &values, p, form, sum);
    }
    for (int r = 0; r < rows; r++) {
        for (int p = 0; p < parts; p++) store_register(out + r * out_stride + p * SK_REGISTER, sum[r][p]);
    }
}

// Every tile has its size as a constant, so that the sums stay in registers.
#define SK_SCORES(R, VECTORS) \
    case R: score_tile_as(R, VECTORS, queries, panel, k_width, scores); return;
#define SK_SCORES_FEW(R) SK_SCORES(R, SK_FEW_VECTORS)
#define SK_SCORES_MANY(R) SK_SCORES(R, SK_MANY_VECTORS)

static void score_tile(int32_t rows, int few, const float *queries, const float *panel, int32_t k_width,
                       float *scores) {
    if (few) {
        switch (rows) { SK_EACH_FEW(SK_SCORES_FEW) }
    } else {
        switch (rows) { SK_EACH_MANY(SK_SCORES_MANY) }
    }
}

#define SK_VALUES_AS(R, VECTORS, FORM) \
    case FORM: value_tile_as(R, VECTORS, FORM, weights, values, first, last, out, out_stride); return;
#define SK_VALUES(R, VECTORS) \
    case R: \
        switch (values.form) { \
            SK_VALUES_AS(R, VECTORS, FORM_F32) SK_VALUES_AS(R, VECTORS, FORM_F16) \
        } \
        return;
#define SK_VALUES_FEW(R) SK_VALUES(R, SK_FEW_VECTORS)
#define SK_VALUES_MANY(R) SK_VALUES(R, SK_MANY_VECTORS)
#define SK_VALUES_ONE(R) SK_VALUES(R, 1)

static void value_tile(int32_t rows, int32_t vectors, const float *weights, sk_values values, int32_t first,
                       int32_t last, float *out, int64_t out_stride) {
    if (first >= last) return;
    if (vectors == SK_FEW_VECTORS) {
        switch (rows) { SK_EACH_FEW(SK_VALUES_FEW) }
#if SK_MANY_VECTORS > 1
    } else if (vectors == SK_MANY_VECTORS) {
        switch (rows) { SK_EACH_MANY(SK_VALUES_MANY) }
#endif
    } else {
        switch (rows) { SK_EACH_MANY(SK_VALUES_ONE) }
    }
}

// Copies a range of positions of a strip of columns, as floats, into a panel [128][vectors * 16], and makes the strip
// that panel.
SK_ALWAYS void unpack_values_as(sk_values *strip, int32_t vectors, sk_range range, int form, float *panel) {
    // A copy, which no store to the panel can change.
    const sk_values values = *strip;
    for (int32_t p = range.first; p < range.last; p++) {
        for (int32_t v = 0; v < vectors; v++) {
            store16(panel + (int64_t)(p * vectors + v) * SK_LANES,
                    load_values16(&values, p, values.column + v * SK_LANES, form));
        }
    }
    *strip = (sk_values){panel, vectors * SK_LANES, 0, FORM_F32};
}

static void unpack_values(sk_values *strip, int32_t vectors, sk_range range, float *panel) {
    switch (strip->form) {
    case FORM_F32: unpack_values_as(strip, vectors, range, FORM_F32, panel); return;
    default: unpack_values_as(strip, vectors, range, FORM_F16, panel); return;
    }
}
