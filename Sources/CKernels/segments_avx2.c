// Attention inside segments with AVX2 and FMA.
#if defined(__x86_64__)
#include <math.h>

#include "segments_levels.h"

// Vectors of 64 bytes travel between functions that are all inlined; their calling convention never matters.
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// 16 registers: 12 sums, two of keys or values, one that passes.
#define SK_NAME(x) x##_avx2
#define SK_REGISTER 8
#define SK_EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define SK_TILE_ROWS 6
#define SK_TILE_VECTORS 1
#include "segments_lanes.h"

#pragma clang attribute pop
#endif
