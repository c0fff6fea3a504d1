// One register: where the compiler must not pair up halves, so that all registers can be counted out.
//
// Included inside a target region with SK_REGISTER, the floats of one register: 8 or 16.
#ifndef SK_REGISTER_H
#define SK_REGISTER_H
#include "sk_lanes.h"

typedef float vr __attribute__((ext_vector_type(SK_REGISTER)));
typedef int32_t ir __attribute__((ext_vector_type(SK_REGISTER)));

SK_ALWAYS vr load_register(const float *from) {
    vr x;
    memcpy(&x, from, sizeof x);
    return x;
}

SK_ALWAYS void store_register(float *to, vr x) { memcpy(to, &x, sizeof x); }

SK_ALWAYS vr fma_register(vr a, vr b, vr c) { return __builtin_elementwise_fma(a, b, c); }
#endif
