// Attention over the codes of a sealed page as they are: nothing is unpacked to floats.
//
// A sum over code * scale + minimum is a sum over codes, whose factors take in the scales, and one over minima. The
// factors of a row are rounded to 16 bits, as multiples of a step, so that the sum over codes is one of integers: exact,
// the same in any order, and twice as fast as one of floats. What rounding loses, 2^-16 of the largest factor, is far
// below what the codes lost: half of 1/255 or 1/15.
//
// Values always go this way; keys where they need no turn, for that would mix channels, and where they are no wider than
// 128: then the sum of a row's products fits 32 bits, as that of 128 positions does.
#include "attention_digits.h"

SK_ALWAYS ir load_pairs(const int32_t *from) {
    ir x;
    memcpy(&x, from, sizeof x);
    return x;
}

SK_ALWAYS void store16_pairs(int32_t *to, i16 x) { memcpy(to, &x, sizeof x); }

// sum + the products of two pairs of 16-bit numbers in every lane.
SK_ALWAYS ir add_products(ir sum, ir a, ir b) {
#if defined(SK_VNNI)
    // Of the intrinsic, clang makes two instructions.
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#elif SK_REGISTER == 8
    return sum + (ir)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    const __m256i low = _mm256_madd_epi16((__m256i)a.lo, (__m256i)b.lo);
    const __m256i high = _mm256_madd_epi16((__m256i)a.hi, (__m256i)b.hi);
    typedef int32_t i8 __attribute__((ext_vector_type(8)));
    ir products;
    products.lo = (i8)low, products.hi = (i8)high;
    return sum + products;
#endif
}

// 16 codes of two rows as pairs.
SK_ALWAYS i16 paired(codes16 a, codes16 b) {
    return __builtin_convertvector(a, i16) | __builtin_convertvector(b, i16) << 16;
}

typedef int16_t digits16 __attribute__((ext_vector_type(16)));

SK_ALWAYS void store_digits(int16_t *to, v16 x) {
    const digits16 digits = __builtin_convertvector((i16)(x + SK_STEP_ROUND), digits16);
    memcpy(to, &digits, sizeof digits);
}

// A query's columns as digits, with zeros behind them up to whole lanes.
static sk_digits query_digits(const sk_page_layout *layout, const float *scales, const float *query, int16_t *digits) {
    const float *minima = scales + layout->k_width;
    const int32_t width = layout->k_width, whole = width / SK_LANES * SK_LANES;
    const int32_t count = (width + SK_LANES - 1) / SK_LANES * SK_LANES;
    v16 top = 0, base = 0;
    for (int32_t c = 0; c < count; c += SK_LANES) {
        const int32_t rest = width - c;
        const v16 q = c < whole ? load16(query + c) : load_some(query + c, rest, 0);
        const v16 scale = c < whole ? load16(scales + c) : load_some(scales + c, rest, 0);
        const v16 minimum = c < whole ? load16(minima + c) : load_some(minima + c, rest, 0);
        const v16 x = q * scale;
        top = larger16(__builtin_elementwise_abs(x), top);
        base = fma16(q, minimum, base);
    }
    const sk_digits result = sk_make_digits(maximum16(top), sum16(base));
    for (int32_t c = 0; c < count; c += SK_LANES) {
        const int32_t rest = width - c;
        const v16 q = c < whole ? load16(query + c) : load_some(query + c, rest, 0);
        const v16 scale = c < whole ? load16(scales + c) : load_some(scales + c, rest, 0);
        const v16 x = q * scale * result.inverse;
        store_digits(digits + c, x == x ? x : (v16)0);
    }
    return result;
}

// A row's weights with the scales of one run of columns as digits, [128].
static sk_digits weight_digits(sk_range range, const float *weights, const float *scales, const float *minima,
                               int16_t *digits) {
    const i16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    v16 top = 0, base = 0, x[SK_PAGE / SK_LANES];
    for (int32_t i = 0; i < SK_PAGE / SK_LANES; i++) {
        const int32_t p = i * SK_LANES;
        if (range.first <= p && range.last >= p + SK_LANES) {
            const v16 weight = load16(weights + p);
            x[i] = weight * load16(scales + p);
            base = fma16(weight, load16(minima + p), base);
        } else if (range.first >= p + SK_LANES || range.last <= p) {
            x[i] = 0;
        } else {
            const i16 position = lane + p, seen = (position >= range.first) & (position < range.last);
            const v16 weight = load16(weights + p);
            x[i] = seen ? weight * load16(scales + p) : (v16)0;
            base = seen ? fma16(weight, load16(minima + p), base) : base;
        }
        top = larger16(x[i], top);
    }
    const sk_digits result = sk_make_digits(maximum16(top), sum16(base));
    for (int32_t i = 0; i < SK_PAGE / SK_LANES; i++) {
        const v16 y = x[i] * result.inverse;
        store_digits(digits + i * SK_LANES, y > 0 ? y : (v16)0);
    }
    return result;
}

// Two columns of key codes each, as pairs: [(k_width + 1) / 2][vectors * 16] for the positions from `first` on.
SK_ALWAYS void pair_keys(const sk_page_layout *layout, const uint8_t *codes, int32_t first, int vectors,
                         sk_ahead *fetched, int32_t *panel) {
    sk_ahead own = *fetched, *ahead = &own;
    for (int32_t c = 0; c < layout->k_width; c += 2) {
        fetch_ahead(ahead);
        fetch_ahead(ahead);
        for (int v = 0; v < vectors; v++, panel += SK_LANES) {
            codes16 a, b = 0;
            memcpy(&a, codes + (int64_t)c * SK_PAGE + first + v * SK_LANES, sizeof a);
            if (c + 1 < layout->k_width) {
                memcpy(&b, codes + (int64_t)(c + 1) * SK_PAGE + first + v * SK_LANES, sizeof b);
            }
            store16_pairs(panel, paired(a, b));
        }
    }
    *fetched = own;
}

// The codes of two positions each, as pairs: [64][vectors * 16] for the columns from `column` on, of the pairs of
// positions that touch the range.
SK_ALWAYS void pair_values_as(const sk_page_layout *layout, const uint8_t *codes, int32_t column, int vectors,
                              int hasNibbles, sk_range range, int32_t *panel) {
    const int64_t stride = sk_value_row_bytes(layout);
    const uint8_t *from = codes + (hasNibbles ? column / SK_VALUE_RUN * (SK_VALUE_RUN / 2) : column);
    const uint8_t shift = column % SK_VALUE_RUN / SK_LANES * 4;
    for (int32_t p = range.first & ~1; p < range.last; p += 2) {
        const uint8_t *row = from + p * stride;
        int32_t *to = panel + (int64_t)(p / 2) * vectors * SK_LANES;
        for (int v = 0; v < vectors; v++) {
            const int64_t begin = hasNibbles ? 0 : v * SK_LANES;
            codes16 a, b;
            memcpy(&a, row + begin, sizeof a);
            memcpy(&b, row + stride + begin, sizeof b);
            i16 pairs = paired(a, b);
            if (hasNibbles) pairs = (pairs >> (shift + 4 * v)) & 0x000F000F;
            store16_pairs(to + v * SK_LANES, pairs);
        }
    }
}

static void pair_values(const sk_page_layout *layout, const uint8_t *codes, int32_t column, int32_t vectors,
                        sk_range range, int32_t *panel) {
    const int hasNibbles = layout->type == SK_PAGE_Q8V4;
    if (vectors == 1) {
        if (hasNibbles) pair_values_as(layout, codes, column, 1, 1, range, panel);
        else pair_values_as(layout, codes, column, 1, 0, range, panel);
    } else {
        if (hasNibbles) pair_values_as(layout, codes, column, SK_MANY_VECTORS, 1, range, panel);
        else pair_values_as(layout, codes, column, SK_MANY_VECTORS, 0, range, panel);
    }
}

// sum[rows][vectors * 16] = digits [rows][128] x panel [pairs][vectors * 16] of pairs.
SK_ALWAYS void code_sums(int rows, int vectors, const int16_t *digits, const int32_t *panel, int32_t first,
                         int32_t last, ir sum[SK_MANY_ROWS][SK_PARTS]) {
    const int parts = vectors * SK_LANES / SK_REGISTER;
    for (int r = 0; r < rows; r++) {
        for (int p = 0; p < parts; p++) sum[r][p] = 0;
    }
    for (int32_t k = first; k < last; k++) {
        ir part[SK_PARTS];
        for (int p = 0; p < parts; p++) part[p] = load_pairs(panel + (int64_t)k * vectors * SK_LANES + p * SK_REGISTER);
        for (int r = 0; r < rows; r++) {
            int32_t pair;
            memcpy(&pair, digits + r * SK_DIGITS + 2 * k, sizeof pair);
            for (int p = 0; p < parts; p++) sum[r][p] = add_products(sum[r][p], part[p], (ir)pair);
        }
    }
}

// scores[rows][vectors * 16] (rows 128 apart) of pairs of columns.
SK_ALWAYS void code_scores_as(int rows, int vectors, const int16_t *digits, const sk_digits *all, const int32_t *panel,
                              int32_t pairs, float *scores) {
    ir sum[SK_MANY_ROWS][SK_PARTS];
    code_sums(rows, vectors, digits, panel, 0, pairs, sum);
    for (int r = 0; r < rows; r++) {
        for (int p = 0; p < vectors * SK_LANES / SK_REGISTER; p++) {
            store_register(scores + r * SK_PAGE + p * SK_REGISTER,
                           fma_register(__builtin_convertvector(sum[r][p], vr), (vr)all[r].step, (vr)all[r].base));
        }
    }
}

// out[rows][vectors * 16] += the values' sums over pairs of positions.
SK_ALWAYS void code_values_as(int rows, int vectors, const int16_t *digits, const sk_digits *all, const int32_t *panel,
                              sk_range range, float *out, int64_t out_stride) {
    ir sum[SK_MANY_ROWS][SK_PARTS];
    code_sums(rows, vectors, digits, panel, range.first / 2, (range.last + 1) / 2, sum);
    for (int r = 0; r < rows; r++) {
        for (int p = 0; p < vectors * SK_LANES / SK_REGISTER; p++) {
            float *to = out + r * out_stride + p * SK_REGISTER;
            store_register(to, fma_register(__builtin_convertvector(sum[r][p], vr), (vr)all[r].step,
                                            load_register(to)) + all[r].base);
        }
    }
}

#define SK_CODE_SCORES(R) \
    case R: code_scores_as(R, SK_MANY_VECTORS, digits, all, panel, pairs, scores); return;
static void code_scores(int32_t rows, const int16_t *digits, const sk_digits *all, const int32_t *panel,
                        int32_t pairs, float *scores) {
    switch (rows) { SK_EACH_MANY(SK_CODE_SCORES) }
}

#define SK_CODE_VALUES(R) \
    case R: code_values_as(R, SK_MANY_VECTORS, digits, all, panel, range, out, out_stride); return;
#define SK_CODE_VALUES_ONE(R) case R: code_values_as(R, 1, digits, all, panel, range, out, out_stride); return;
static void code_values(int32_t rows, int32_t vectors, const int16_t *digits, const sk_digits *all,
                        const int32_t *panel, sk_range range, float *out, int64_t out_stride) {
    if (vectors == SK_MANY_VECTORS) {
        switch (rows) { SK_EACH_MANY(SK_CODE_VALUES) }
#if SK_MANY_VECTORS > 1
    } else {
        switch (rows) { SK_EACH_MANY(SK_CODE_VALUES_ONE) }
#endif
    }
}
