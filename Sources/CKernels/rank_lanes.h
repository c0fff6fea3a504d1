// Ranking pages: products of tiles of queries and columns of a block. Included inside a target region with SK_NAME(x)
// and SK_REGISTER, the floats of one register: 8 or 16. SK_PAIR_PRODUCTS(a, b): the level's instruction for sums of
// products of pairs, where it has one.
#include "sk_register.h"

// Numbers of two neighbouring channels for each column of a register.
typedef int16_t pairs __attribute__((ext_vector_type(2 * SK_REGISTER)));
typedef int8_t signed_codes __attribute__((ext_vector_type(2 * SK_REGISTER)));
typedef uint8_t unsigned_codes __attribute__((ext_vector_type(2 * SK_REGISTER)));
typedef uint16_t unsigned_pairs __attribute__((ext_vector_type(2 * SK_REGISTER)));

// The most rows of a tile, and registers of columns: their sums leave AVX2 four of its sixteen registers.
#define SK_RANK_TILE 6
#define SK_RANK_MOST_PARTS 4

// Codes of one register of columns: means as they are, of spreads half of the square.
SK_ALWAYS pairs load_codes(const void *from, int squares) {
    if (!squares) {
        signed_codes x;
        memcpy(&x, from, sizeof x);
        return __builtin_convertvector(x, pairs);
    }
    unsigned_codes x;
    memcpy(&x, from, sizeof x);
    const unsigned_pairs wide = __builtin_convertvector(x, unsigned_pairs);
    return (pairs)((wide * wide) >> 1);
}

// sum + the products of both channels. Compilers find the instruction for it at times only.
SK_ALWAYS ir add_products(pairs a, pairs b, ir sum) {
#ifdef SK_PAIR_PRODUCTS
    return sum + (ir)SK_PAIR_PRODUCTS(a, b);
#else
    return sum + __builtin_convertvector(a.even, ir) * __builtin_convertvector(b.even, ir) +
           __builtin_convertvector(a.odd, ir) * __builtin_convertvector(b.odd, ir);
#endif
}

// Products of some rows with the means of a block, or their squares with half of its squared spreads,
// [rows][SK_RANK_COLUMNS]. `rows`, `parts` and `squares` are constants where this is inlined. The same codes of the block
// that `ahead` bytes further will be ranked next are fetched on the way.
SK_ALWAYS void products_of(int rows, int parts, int squares, const sk_rank_queries *queries, int32_t row,
                           sk_rank_parts block, ptrdiff_t ahead, int32_t *products) {
    const int32_t steps = sk_rank_pairs(queries->width), stride = queries->stride;
    for (int32_t first = 0; first < SK_RANK_COLUMNS; first += parts * SK_REGISTER) {
        ir sum[SK_RANK_TILE][SK_RANK_MOST_PARTS];
        for (int r = 0; r < rows; r++) {
            for (int p = 0; p < parts; p++) sum[r][p] = 0;
        }
        const uint8_t *codes = (squares ? block.spreads : (const uint8_t *)block.means) + 2 * first;
        const int32_t *query = (squares ? queries->squares : queries->queries) + row;
        for (int32_t i = 0; i < steps; i++, codes += 2 * SK_RANK_COLUMNS, query += stride) {
            if (ahead != 0) __builtin_prefetch((const char *)codes + ahead);
            pairs part[SK_RANK_MOST_PARTS];
            for (int p = 0; p < parts; p++) part[p] = load_codes(codes + 2 * p * SK_REGISTER, squares);
            for (int r = 0; r < rows; r++) {
                const pairs both = (pairs)(ir)query[r];
                for (int p = 0; p < parts; p++) sum[r][p] = add_products(part[p], both, sum[r][p]);
            }
        }
        for (int r = 0; r < rows; r++) {
            for (int p = 0; p < parts; p++) {
                memcpy(products + r * SK_RANK_COLUMNS + first + p * SK_REGISTER, &sum[r][p], sizeof(ir));
            }
        }
    }
}

SK_ALWAYS ir load_ints(const int32_t *from) {
    ir x;
    memcpy(&x, from, sizeof x);
    return x;
}

// Takes the largest scores of each row's list.
SK_ALWAYS void rank_tile(int rows, int parts, const sk_rank_queries *queries, int32_t row, sk_rank_parts block,
                         ptrdiff_t ahead, float *scores) {
    int32_t means[SK_RANK_TILE * SK_RANK_COLUMNS], spreads[SK_RANK_TILE * SK_RANK_COLUMNS];
    products_of(rows, parts, 0, queries, row, block, ahead, means);
    products_of(rows, parts, 1, queries, row, block, ahead, spreads);
    for (int r = 0; r < rows; r++) {
        float *list = scores + (row + r) / queries->rows * SK_RANK_PAGES;
        const vr query = (vr)queries->scales[row + r], square = (vr)queries->square_scales[row + r];
        for (int32_t column = 0; column < SK_RANK_COLUMNS; column += SK_REGISTER) {
            const vr wide = square * __builtin_convertvector(load_ints(spreads + r * SK_RANK_COLUMNS + column), vr);
            const vr scale = load_register(block.spread_scales + column) * SK_RANK_DEVIATIONS;
            const vr spread = __builtin_elementwise_sqrt(wide) * scale;
            const vr mean = query * __builtin_convertvector(load_ints(means + r * SK_RANK_COLUMNS + column), vr);
            const vr score = fma_register(mean, load_register(block.mean_scales + column), spread);
            float *best = list + column % SK_RANK_PAGES;
            const vr before = load_register(best);
            store_register(best, score > before ? score : before);
        }
    }
}

void SK_NAME(sk_rank_block)(const sk_rank_queries *queries, const void *block, const void *next, float *scores) {
    const sk_rank_parts parts = sk_rank_parts_of(block, queries->width);
    for (int32_t i = 0; i < queries->lists * SK_RANK_PAGES; i++) scores[i] = -INFINITY;
    // Blocks lie far from each other, where the processor does not look by itself. Further tiles find the codes there.
    ptrdiff_t ahead = next ? (const char *)next - (const char *)block : 0;
    for (size_t i = 0; next && i < 2 * SK_RANK_COLUMNS * sizeof(float); i += 64) {
        __builtin_prefetch((const char *)next + i);
    }
    const int32_t count = queries->lists * queries->rows;
    int32_t row = 0;
    for (; row + SK_RANK_TILE <= count; row += SK_RANK_TILE, ahead = 0) {
        rank_tile(SK_RANK_TILE, 2, queries, row, parts, ahead, scores);
    }
    for (; row + 3 <= count; row += 3, ahead = 0) rank_tile(3, 2, queries, row, parts, ahead, scores);
    for (; row < count; row++, ahead = 0) rank_tile(1, SK_RANK_MOST_PARTS, queries, row, parts, ahead, scores);
}
