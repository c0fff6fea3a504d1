// Row operations and SHA-256: bytes per second of one thread, best of several runs.
//
//   clang -O3 -ffp-contract=off -fno-math-errno -I Sources/CKernels/include Benchmarks/kernels/rows_bench.c \
//       Sources/CKernels/*.c -lm -o rows_bench
//
// SORANJI_KERNELS=scalar|avx2|avx512 chooses a lower level.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CKernels.h"

enum { COUNT = 49152, COLUMNS = 576, ROWS = 64 };

static float input[COUNT], work[COUNT], weight[COUNT], cosines[COUNT], sines[COUNT];
static uint8_t bytes[1 << 20], digest[32];
static volatile double sink;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void rms_norm(void) { sk_rms_norm(input, COLUMNS, weight, 1e-5f, ROWS, COLUMNS, work, COLUMNS); }
static void add(void) { sk_add(work, input, ROWS * COLUMNS); }
static void add_scaled(void) { sk_add_scaled(work, input, 0.5f, ROWS * COLUMNS); }
static void softmax(void) { sk_softmax(work, COUNT); }
static void sigmoid(void) { sk_sigmoid(work, COUNT); }
static void argmax(void) { sink = sk_argmax(input, COUNT); }
static void log_sum_exp(void) { sink = sk_log_sum_exp(input, COUNT); }
static void rotate(void) { sk_rotate_rows(input, 64, 576, 64, 0, 64, cosines, sines, 32, work, 64); }
static void sha256(void) {
    sk_sha256 hash;
    sk_sha256_begin(&hash);
    sk_sha256_update(&hash, bytes, sizeof bytes);
    sk_sha256_finish(&hash, digest);
}

static void report(const char *name, void (*operation)(void), double byte_count) {
    double best = INFINITY;
    for (int repeat = 0; repeat < 500; repeat++) {
        memcpy(work, input, sizeof work);
        const double start = now();
        operation();
        const double seconds = now() - start;
        if (seconds < best) best = seconds;
    }
    printf("%-28s %9.2f us %8.2f GB/s\n", name, best * 1e6, byte_count / best * 1e-9);
}

int main(void) {
    uint32_t state = 1;
    for (int i = 0; i < COUNT; i++) {
        state = state * 1664525 + 1013904223;
        input[i] = (float)(state >> 8) * 0x1p-20f - 8;
        weight[i] = 1, cosines[i] = cosf((float)i), sines[i] = sinf((float)i);
    }
    printf("kernels: %s\n", sk_level_name(sk_current_level()));
    report("rms norm 64 x 576", rms_norm, 4.0 * ROWS * COLUMNS);
    report("add 64 x 576", add, 4.0 * ROWS * COLUMNS);
    report("add scaled 64 x 576", add_scaled, 4.0 * ROWS * COLUMNS);
    report("rotate 576 x 64", rotate, 4.0 * 576 * 64);
    report("softmax 49152", softmax, 4.0 * COUNT);
    report("sigmoid 49152", sigmoid, 4.0 * COUNT);
    report("argmax 49152", argmax, 4.0 * COUNT);
    report("log sum exp 49152", log_sum_exp, 4.0 * COUNT);
    report("sha-256 1 MiB", sha256, sizeof bytes);
    return 0;
}
