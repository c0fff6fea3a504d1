#include <math.h>

#include "../../Sources/CKernels/segments_levels.h"
#include "CKernelsEmulated.h"

#if defined(__x86_64__)
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

void sk_segment_pack_emulated(const sk_segment *segment, float *packed);

#define SK_NAME(x) x##_emulated
#include "../../Sources/CKernels/segments_shape512.h"
#include "../../Sources/CKernels/segments_lanes.h"

#pragma clang attribute pop
#else
void sk_segment_attend_emulated(const sk_segment *segment, const float *packed, int32_t begin, int32_t end,
                                float *scratch) {
    sk_segment_attend_scalar(segment, packed, begin, end, scratch);
}
#endif
