// Packing rows into panels (see sk_matmul.h) and reading a row back.
#ifndef SK_PACK_H
#define SK_PACK_H
#include "sk_matmul.h"

// Packs panel `panel` of a `rows` x `columns` matrix. `source` holds the panel's rows (up to 16, the last panel
// may have fewer) as float [n][columns]. Rounds to nearest even; q8: scale = max|x| / 127; q4: scale and minimum
// chosen per block of 32 to minimise the squared error (at least as good as min/max rounding); mxfp4 from floats:
// nearest value under a power-of-two scale. Returns 0; or -1, and every weight of the panel is zero, for input that is
// not finite, input whose scale or value is beyond the type's range, or invalid sizes.
int32_t sk_pack_panel_f32(int32_t type, const float *source, int32_t row_count, int64_t columns, void *panel);

// Packs a panel from GGUF blocks without going through floats where the target holds the same quants exactly:
// Q4_0 -> q4, Q4_1 -> q4, Q4_K -> q4 (scale and minimum rounded to half), Q5_0 -> q8, Q8_0 -> q8, MXFP4 -> mxfp4.
// sources[i] is the first block of row i. Returns -1 (every weight zero) for another pair of types, columns that are no
// multiple of the block, or a scale beyond the range of half; scales too small for half are rounded.
int32_t sk_pack_panel_blocks(int32_t ggml_type, int32_t type, const void *const *sources, int32_t row_count,
                             int64_t columns, void *panel);

// Row `row` of a packed matrix as float [columns]: the embedding look-up.
void sk_unpack_row(const sk_matrix *matrix, int32_t row, float *out);
#endif
