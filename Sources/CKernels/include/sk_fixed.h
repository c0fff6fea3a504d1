// Products of packed bfloat16 matrices with many rows of activations, in 16-bit fixed point.
//
// Processors without bfloat16 arithmetic have two ways to multiply such matrices: widen them to floats, or use their
// integer products, which take twice as many numbers at a time. Here both sides become integers of 13 bits and a sign,
// with one scale per block of 32 columns, so that a block's products sum up exactly in 32 bits; blocks are summed in
// floats. A weight is scaled by a power of two: every bfloat16 number within 1/32 of its block's largest keeps all its
// bits. Activations are rounded to 1/16382 of their block's range, which is finer than bfloat16 (1/256) or the 10-bit
// mantissas of tensor units.
//
// Blocks are made from the mapped panels on the way (see sk_matmul.h for their layout), a few at a time, and serve all
// rows of activations of a call: for one or two rows sk_matmul is the better way.
#ifndef SK_FIXED_H
#define SK_FIXED_H
#include <stdint.h>

#include "sk_cpu.h"
#include "sk_matmul.h"

// Rows in fixed point: x = scale * value, the values in -8191 ... 8191.
typedef struct {
    int16_t *values;         // [rows][stride], zero-padded to a multiple of 32 columns
    int64_t stride;          // a multiple of 32
    float *scale;            // [rows][block_stride]
    int64_t block_stride;    // >= ceil(columns / 32)
} sk_fixed_rows;

// scale = max|x| / 8191 per block (0 if that maximum is below 1e-30), rounded to nearest even. NaN counts as 0,
// infinities as the largest finite float.
void sk_fixed_rows_from(const float *x, int64_t x_stride, int32_t columns, int32_t rows, const sk_fixed_rows *out);

typedef struct {
    const sk_projection *projections;   // bfloat16 matrices of the same number of columns
    int32_t projection_count;
    sk_fixed_rows x;
    int32_t tokens;
    sk_epilogue epilogue;
    const sk_fixed_rows *results;       // of a single projection, in place of `out`: in fixed point. NULL: floats
} sk_fixed_job;

// Computes pairs of panels: begin and end count panels of all projections as sk_matmul_panels does, and are even, or
// end is that count. Every matrix but the last has an even number of panels. Any split into ranges, and any grouping of
// tokens into jobs, gives the same bytes. Needs up to 96 KiB of stack.
void sk_fixed_matmul(const sk_fixed_job *job, int32_t begin, int32_t end);

// The same at a given level (lowered to what the processor can do), for tests. All levels give the same bytes.
void sk_fixed_rows_from_at(sk_level level, const float *x, int64_t x_stride, int32_t columns, int32_t rows,
                           const sk_fixed_rows *out);
void sk_fixed_matmul_at(sk_level level, const sk_fixed_job *job, int32_t begin, int32_t end);
#endif
