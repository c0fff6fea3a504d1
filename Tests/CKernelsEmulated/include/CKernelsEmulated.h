// The AVX-512 kernels with their special instructions spelled out, so that their logic runs where AVX2 does.
#ifndef SORANJI_CKERNELS_EMULATED_H
#define SORANJI_CKERNELS_EMULATED_H
#include "CKernels.h"

// 1 if this processor can run the functions below.
int32_t sk_emulated_is_possible(void);
void sk_matmul_emulated(const sk_matmul_job *job, int32_t begin, int32_t end);
void sk_matmul_then_emulated(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end);
void sk_gated_emulated(const sk_gated_job *job, int32_t begin, int32_t end);
// Attention with the register tiles of AVX-512, whose vectors AVX2 computes in halves.
void sk_attend_page_emulated(const sk_page_layout *layout, const void *keys, const void *values, const float *cosines,
                             const float *sines, const sk_query_tile *tile, float *scratch);
void sk_fixed_matmul_emulated(const sk_fixed_job *job, int32_t begin, int32_t end);
// Attention inside segments with the register tiles of AVX-512.
void sk_segment_attend_emulated(const sk_segment *segment, const float *packed, int32_t begin, int32_t end,
                                float *scratch);
// Ranking with the register tiles of AVX-512.
void sk_rank_block_emulated(const sk_rank_queries *queries, const void *block, const void *next, float *scores);

#endif
