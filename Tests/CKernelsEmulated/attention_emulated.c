#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <math.h>

#include "../../Sources/CKernels/attention_levels.h"
#include "CKernelsEmulated.h"

#if defined(__x86_64__)
#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#define SK_NAME(x) x##_emulated
#include "../../Sources/CKernels/attention_shape512.h"
#include "../../Sources/CKernels/attention_page.h"

#pragma clang attribute pop
#else
void sk_attend_page_emulated(const sk_page_layout *layout, const void *keys, const void *values, const float *cosines,
                             const float *sines, const sk_query_tile *tile, float *scratch) {
    sk_attend_page_scalar(layout, keys, values, cosines, sines, tile, scratch);
}
#endif
