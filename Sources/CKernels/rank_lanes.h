// Ranking pages: products of tiles of queries and columns of a block. Included inside a target region with SK_NAME(x)
// and SK_REGISTER, the floats of one register: 8 or 16.
#include "sk_lanes.h"

typedef float vr __attribute__((ext_vector_type(SK_REGISTER)));
typedef int32_t ir __attribute__((ext_vector_type(SK_REGISTER)));
typedef int8_t signed_codes __attribute__((ext_vector_type(SK_REGISTER)));
typedef uint8_t unsigned_codes __attribute__((ext_vector_type(SK_REGISTER)));

// The most rows of a tile, and registers of columns: their sums leave AVX2 four of its sixteen registers.
#define SK_RANK_TILE 6
#define SK_RANK_MOST_PARTS 4

SK_ALWAYS vr load_means(const int8_t *from) {
    signed_codes x;
    memcpy(&x, from, sizeof x);
    return __builtin_convertvector(__builtin_convertvector(x, ir), vr);
}

SK_ALWAYS vr load_squares(const uint8_t *from) {
    unsigned_codes x;
    memcpy(&x, from, sizeof x);
    const ir wide = __builtin_convertvector(x, ir);
    return __builtin_convertvector(wide * wide, vr);
}

SK_ALWAYS vr load_floats(const float *from) {
    vr x;
    memcpy(&x, from, sizeof x);
    return x;
}

// Products of some rows with all means of a block, [rows][SK_RANK_COLUMNS]. `rows` and `parts` are constants where this
// is inlined. Means and spreads take turns, so that only one kind of sums needs registers.
SK_ALWAYS void mean_products(int rows, int parts, const sk_rank_queries *queries, int32_t row, const int8_t *means,
                             float *products) {
    const int32_t width = queries->width, stride = queries->stride;
    for (int32_t first = 0; first < SK_RANK_COLUMNS; first += parts * SK_REGISTER) {
        vr sum[SK_RANK_TILE][SK_RANK_MOST_PARTS];
        for (int r = 0; r < rows; r++) {
            for (int p = 0; p < parts; p++) sum[r][p] = 0;
        }
        const int8_t *codes = means + first;
        const float *query = queries->queries + row;
        for (int32_t i = 0; i < width; i++, codes += SK_RANK_COLUMNS, query += stride) {
            vr part[SK_RANK_MOST_PARTS];
            for (int p = 0; p < parts; p++) part[p] = load_means(codes + p * SK_REGISTER);
            for (int r = 0; r < rows; r++) {
                for (int p = 0; p < parts; p++) {
                    sum[r][p] = __builtin_elementwise_fma(part[p], (vr)query[r], sum[r][p]);
                }
            }
        }
        for (int r = 0; r < rows; r++) {
            for (int p = 0; p < parts; p++) {
                memcpy(products + r * SK_RANK_COLUMNS + first + p * SK_REGISTER, &sum[r][p], sizeof sum[r][p]);
            }
        }
    }
}

// Adds what the spreads say and takes the largest scores of each row's list.
SK_ALWAYS void rank_tile(int rows, int parts, const sk_rank_queries *queries, int32_t row, sk_rank_parts block,
                         float *scores) {
    float products[SK_RANK_TILE * SK_RANK_COLUMNS];
    mean_products(rows, parts, queries, row, block.means, products);
    float *list[SK_RANK_TILE];
    for (int r = 0; r < rows; r++) list[r] = scores + (row + r) / queries->rows * SK_RANK_PAGES;
    const int32_t width = queries->width, stride = queries->stride;
    for (int32_t first = 0; first < SK_RANK_COLUMNS; first += parts * SK_REGISTER) {
        vr sum[SK_RANK_TILE][SK_RANK_MOST_PARTS];
        for (int r = 0; r < rows; r++) {
            for (int p = 0; p < parts; p++) sum[r][p] = 0;
        }
        const uint8_t *codes = block.spreads + first;
        const float *square = queries->squares + row;
        for (int32_t i = 0; i < width; i++, codes += SK_RANK_COLUMNS, square += stride) {
            vr part[SK_RANK_MOST_PARTS];
            for (int p = 0; p < parts; p++) part[p] = load_squares(codes + p * SK_REGISTER);
            for (int r = 0; r < rows; r++) {
                for (int p = 0; p < parts; p++) {
                    sum[r][p] = __builtin_elementwise_fma(part[p], (vr)square[r], sum[r][p]);
                }
            }
        }
        for (int p = 0; p < parts; p++) {
            const int32_t column = first + p * SK_REGISTER;
            const vr mean_scale = load_floats(block.mean_scales + column);
            const vr spread_scale = load_floats(block.spread_scales + column) * SK_RANK_DEVIATIONS;
            for (int r = 0; r < rows; r++) {
                const vr spread = __builtin_elementwise_sqrt(sum[r][p]) * spread_scale;
                const vr mean = load_floats(products + r * SK_RANK_COLUMNS + column);
                const vr score = __builtin_elementwise_fma(mean, mean_scale, spread);
                float *best = list[r] + column % SK_RANK_PAGES;
                const vr before = load_floats(best), larger = score > before ? score : before;
                memcpy(best, &larger, sizeof larger);
            }
        }
    }
}

void SK_NAME(sk_rank_block)(const sk_rank_queries *queries, const void *block, float *scores) {
    const sk_rank_parts parts = sk_rank_parts_of(block, queries->width);
    for (int32_t i = 0; i < queries->lists * SK_RANK_PAGES; i++) scores[i] = -INFINITY;
    const int32_t count = queries->lists * queries->rows;
    int32_t row = 0;
    for (; row + 6 <= count; row += 6) rank_tile(6, 2, queries, row, parts, scores);
    for (; row + 3 <= count; row += 3) rank_tile(3, 2, queries, row, parts, scores);
    for (; row < count; row++) rank_tile(1, 4, queries, row, parts, scores);
}
