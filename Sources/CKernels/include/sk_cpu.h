// Which instruction sets the kernels use on this processor.
#ifndef SK_CPU_H
#define SK_CPU_H
#include <stdint.h>

// Levels from the portable twin upwards. A level implies the ones below it.
typedef enum {
    SK_LEVEL_SCALAR = 0,
    SK_LEVEL_AVX2 = 1,      // AVX2 + FMA + F16C
    SK_LEVEL_AVX512 = 2,    // AVX-512 F/BW/VL/DQ + VNNI
} sk_level;

// The level in use: the processor's best, or lower if SORANJI_KERNELS=scalar|avx2|avx512 says so. Read once.
sk_level sk_current_level(void);
// "scalar", "avx2", "avx512".
const char *sk_level_name(sk_level level);
// The processor's best level, whatever the environment says.
sk_level sk_best_level(void);
#endif
