#include "sk_cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

sk_level sk_best_level(void) {
#if defined(__x86_64__)
    // The compiler's runtime reports a set only if the operating system saves its registers (XGETBV).
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))) {
        return SK_LEVEL_SCALAR;
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni")) {
        return SK_LEVEL_AVX512;
    }
    return SK_LEVEL_AVX2;
#else
    return SK_LEVEL_SCALAR;
#endif
}

sk_level sk_current_level(void) {
    // Racing first calls compute the same value, so a relaxed store is enough.
    static _Atomic int cached = -1;
    int level = atomic_load_explicit(&cached, memory_order_relaxed);
    if (level >= 0) return (sk_level)level;
    level = (int)sk_best_level();
    const char *wish = getenv("SORANJI_KERNELS");
    for (int lower = 0; wish && lower < level; lower++) {
        if (strcmp(wish, sk_level_name((sk_level)lower)) == 0) level = lower;
    }
    atomic_store_explicit(&cached, level, memory_order_relaxed);
    return (sk_level)level;
}

const char *sk_level_name(sk_level level) {
    switch (level) {
    case SK_LEVEL_SCALAR: return "scalar";
    case SK_LEVEL_AVX2: return "avx2";
    case SK_LEVEL_AVX512: return "avx512";
    }
    return "unknown";
}
