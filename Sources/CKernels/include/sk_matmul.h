// Products of packed weight matrices with rows of activations: decode (1 row) and prefill (many rows)
// read the same bytes in the same order.
//
// Panel layout. A matrix has `rows` outputs and `columns` inputs. Rows are grouped in panels of 16
// (zero-padded), columns in blocks of 32 for the block types (zero-padded), pairs for bf16. Panel p starts at
// p * sk_panel_bytes(type, columns), always a multiple of 64 bytes from the (64-byte aligned) start. In a panel:
//   f32    [columns][16] float
//   f16    [columns][16] half                      (padded to a multiple of 64 bytes)
//   bf16   [columns/2][16][2] bfloat16             (columns padded to even)
//   q8     quants [blocks][8][16][4] u8 = q + 128, q in -127...127; then scales [blocks][16] half (padded to 64 B)
//          value = scale * q
//          (-128 too where a GGUF block brings it)
//   q4     quants [blocks][4][16][4] u8: low nibble = column 4j+i, high nibble = column 16+4j+i (j = 0..3, i = 0..3);
//          then scales [blocks][2][16] half: 16 scales and 16 minima per block. value = scale * nibble + minimum
//   mxfp4  as q4, but value = scale * sk_mxfp4_table[nibble] + minimum, where the table holds 12 + 2 * e2m1
//          (so that it is unsigned) and minimum = -12 * scale
#ifndef SK_MATMUL_H
#define SK_MATMUL_H
#include <stddef.h>
#include <stdint.h>

#include "sk_cpu.h"

#define SK_PANEL_ROWS 16
#define SK_BLOCK 32

typedef enum { SK_F32 = 0, SK_F16 = 1, SK_BF16 = 2, SK_Q8 = 3, SK_Q4 = 4, SK_MXFP4 = 5 } sk_type;

extern const uint8_t sk_mxfp4_table[16];

// Bytes of one panel / of a whole packed matrix; 0 if type or sizes are invalid or overflow.
size_t sk_panel_bytes(int32_t type, int64_t columns);
size_t sk_packed_bytes(int32_t type, int64_t rows, int64_t columns);

typedef struct {
    const void *data;    // panels, 64-byte aligned
    int32_t type;        // sk_type
    int32_t rows;        // outputs
    int32_t columns;     // inputs
} sk_matrix;

// Rows of activations. f32 is read for f32/f16/bf16 weights; the quantized twin for q8/q4/mxfp4.
typedef struct {
    const float *f32;        // [tokens][f32_stride]
    int64_t f32_stride;      // in floats
    const int8_t *q8;        // [tokens][q8_stride], zero-padded to a multiple of 32 columns; 32-byte aligned
    int64_t q8_stride;       // in bytes, a multiple of 32
    const float *scale;      // [tokens][block_stride] x = scale * q
    const int32_t *offset;   // [tokens][block_stride] -128 * sum(q) of the block
    const float *sum;        // [tokens][block_stride] scale * sum(q) of the block
    int64_t block_stride;    // in elements, >= ceil(columns / 32)
} sk_activations;

// Quantizes rows: per block of 32, scale = max|x| / 127 (0 when all zero), q = round-to-nearest-even(x / scale).
// NaN counts as 0, infinities as the largest finite float, so a hostile row never poisons its neighbours.
// Fills the four arrays that `out` points to (cast away const inside; quants padded with zeros to a whole block).
void sk_quantize_rows(const float *x, int64_t stride, int32_t columns, int32_t tokens, const sk_activations *out);
void sk_quantize_rows_scalar(const float *x, int64_t stride, int32_t columns, int32_t tokens,
                             const sk_activations *out);

typedef struct {
    sk_matrix matrix;
    const float *bias;       // [rows] or NULL
    float *out;              // out[t * out_stride + row]
    int64_t out_stride;      // in floats
} sk_projection;

// Several matrices times the same activations: q, k and v in one parallel region.
typedef struct {
    const sk_projection *projections;
    int32_t projection_count;
    sk_activations x;
    const int32_t *token_index;   // row of x for each of the `tokens` products, or NULL for 0, 1, 2 ...
    int32_t tokens;
} sk_matmul_job;

// Panels of all projections, counted in order.
int32_t sk_matmul_panels(const sk_matmul_job *job);
// Computes panels [begin, end). Any split into ranges, and any grouping of tokens into jobs, gives the same bytes:
// each output is one accumulation in the order of the columns. Needs up to 112 KiB of stack and no other memory.
void sk_matmul(const sk_matmul_job *job, int32_t begin, int32_t end);
void sk_matmul_scalar(const sk_matmul_job *job, int32_t begin, int32_t end);

// What happens to a product before it is stored: out = f(W x + bias), or out += f(W x + bias).
typedef enum { SK_IDENTITY = 0, SK_GELU = 1, SK_GELU_TANH = 2 } sk_pointwise;

typedef struct {
    int32_t pointwise;    // sk_pointwise
    int32_t adds;         // 1: added to what `out` holds (a residual)
} sk_epilogue;

// sk_matmul with an epilogue, the same for all projections; NULL for none.
void sk_matmul_then(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end);
void sk_matmul_then_scalar(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end);

typedef enum {
    SK_SILU = 0,          // silu(gate) * up
    SK_SWIGLU_CLAMPED = 1 // gpt-oss: g = min(gate, limit), u = clamp(up, +-limit): (u + 1) * g * sigmoid(alpha * g)
} sk_activation;

// gate and up of one expert, fused: panel 2p holds gate rows 16p..., panel 2p + 1 the up rows with the same numbers.
typedef struct {
    sk_matrix gate_up;       // rows = width of the expert; data holds 2 * ceil(rows / 16) panels
    const float *gate_bias;  // [rows] or NULL
    const float *up_bias;    // [rows] or NULL
    int32_t activation;      // sk_activation
    float alpha, limit;
    sk_activations x;
    const int32_t *token_index;
    int32_t tokens;
    float *out;              // [tokens][out_stride]
    int64_t out_stride;
} sk_gated_job;

// Computes output panels [begin, end) of ceil(rows / 16). Stack as sk_matmul.
void sk_gated(const sk_gated_job *job, int32_t begin, int32_t end);
void sk_gated_scalar(const sk_gated_job *job, int32_t begin, int32_t end);

// The same at a given level (lowered to what the processor can do): for tests and benchmarks. Every level gives the
// same bytes: integer dots are exact, floats are accumulated by the same fused steps in the same order.
void sk_quantize_rows_at(sk_level level, const float *x, int64_t stride, int32_t columns, int32_t tokens,
                         const sk_activations *out);
void sk_matmul_at(sk_level level, const sk_matmul_job *job, int32_t begin, int32_t end);
void sk_matmul_then_at(sk_level level, const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin,
                       int32_t end);
void sk_gated_at(sk_level level, const sk_gated_job *job, int32_t begin, int32_t end);
#endif
