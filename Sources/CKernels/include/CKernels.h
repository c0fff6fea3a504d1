// Soranji's SIMD kernels. Every family is declared in its own header; every kernel has a scalar twin
// (suffix `_scalar`) with the same contract, and a dispatched entry point that picks the best
// instruction set of the running processor once.
#ifndef SORANJI_CKERNELS_H
#define SORANJI_CKERNELS_H

#include "sk_cpu.h"
#include "sk_matmul.h"
#include "sk_pack.h"
#include "sk_blocks.h"
#include "sk_rows.h"
#include "sk_attention.h"
#include "sk_rank.h"
#include "sk_resample.h"
#include "sk_fixed.h"
#include "sk_layers.h"
#include "sk_segments.h"
#include "sk_rope.h"
#include "sk_sha256.h"
#include "sk_crc32c.h"

#endif
