// What a vector level brings, and the driver that walks panels and tokens with it.
#ifndef SK_TILES_H
#define SK_TILES_H
#include "sk_matmul.h"

#define SK_TILE_LIMIT 16  // most tokens of one kernel call, at any level

// Quantized activations of a tile of T tokens, one block after the other: everything at a fixed distance.
//   int8 quants [T][32]; float scale [T]; float sum [T]; int32 offset [T]
#define SK_TILE_BLOCK_BYTES(tokens) ((tokens) * 44)

// acc[t][16] += panel x tile, over `blocks` blocks. quants and scales: those of the panel at the first block.
typedef void (*sk_block_kernel)(const uint8_t *quants, const uint16_t *scales, int64_t blocks, const uint8_t *tile,
                                float *acc);
// Blocks of packed quants in the form that a level's kernels for many tiles want, SK_WIDE_BLOCK_BYTES each.
#define SK_WIDE_BLOCK_BYTES 512
typedef void (*sk_expand)(const uint8_t *quants, int64_t blocks, uint8_t *out);
// acc[p][t][16] += panels x tokens over `columns` columns, for P panels `stride` bytes apart.
typedef void (*sk_float_kernel)(const uint8_t *weights, int64_t stride, int64_t columns, const float *const *x,
                                float *acc);
// One panel's columns as floats [columns][16].
typedef void (*sk_widen)(const uint8_t *weights, int64_t columns, float *out);
// gate[i] = activation(gate[i], up[i]).
typedef void (*sk_gate_kernel)(const sk_gated_job *job, int32_t count, float *gate, const float *up);
// x[i] = f(x[i]); count is a multiple of 16.
typedef void (*sk_pointwise_kernel)(int32_t pointwise, int32_t count, float *x);

typedef struct {
    int32_t block_tile;                               // tokens of the largest block kernel
    int32_t float_tile;                               // ... and of the largest float kernel
    sk_block_kernel blocks[3][SK_TILE_LIMIT + 1];     // by type - SK_Q8, by tokens
    sk_expand expand[3];                              // by type - SK_Q8; NULL: kernels read packed quants only
    sk_block_kernel wide_blocks[3][SK_TILE_LIMIT + 1];
    sk_float_kernel floats[3][SK_TILE_LIMIT + 1];     // by type, by tokens: one panel
    sk_float_kernel four_panels[3];                   // by type: four panels, one token
    sk_widen widen[3];                                // by type; NULL for f32
    sk_gate_kernel gate;
    sk_pointwise_kernel pointwise;
} sk_tile_kernels;

void sk_tiles_matmul(const sk_tile_kernels *kernels, const sk_matmul_job *job, const sk_epilogue *epilogue,
                     int32_t begin, int32_t end);
void sk_tiles_gated(const sk_tile_kernels *kernels, const sk_gated_job *job, int32_t begin, int32_t end);

#endif
