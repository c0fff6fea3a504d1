// Calls the kernel `name` of the level in use.
#ifndef SK_DISPATCH_H
#define SK_DISPATCH_H
#include "sk_cpu.h"

#if defined(__x86_64__)
#define SK_DISPATCH(name, ...) \
    switch (sk_current_level()) { \
    case SK_LEVEL_AVX512: return name##_avx512(__VA_ARGS__); \
    case SK_LEVEL_AVX2: return name##_avx2(__VA_ARGS__); \
    default: return name##_scalar(__VA_ARGS__); \
    }
#else
#define SK_DISPATCH(name, ...) return name##_scalar(__VA_ARGS__)
#endif

#endif
