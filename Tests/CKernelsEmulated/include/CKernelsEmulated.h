// The AVX-512 kernels with their special instructions spelled out, so that their logic runs where AVX2 does.
#ifndef SORANJI_CKERNELS_EMULATED_H
#define SORANJI_CKERNELS_EMULATED_H
#include "CKernels.h"

// 1 if this processor can run the functions below.
int32_t sk_emulated_is_possible(void);
void sk_matmul_emulated(const sk_matmul_job *job, int32_t begin, int32_t end);
void sk_gated_emulated(const sk_gated_job *job, int32_t begin, int32_t end);
#endif
