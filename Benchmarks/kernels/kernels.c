// Speed of the matrix kernels: GOP/s (two operations per multiply-add) and GB/s of packed weights.
//   kernels [--level scalar|avx2|avx512] [--type f32|f16|bf16|q8|q4|mxfp4] [--tokens N] [--threads N] [--seconds S]
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CKernels.h"

typedef struct {
    const char *name;
    int32_t rows, columns, gated;
} shape;

static const shape shapes[] = {
    {"576x576", 576, 576, 0},
    {"1536x576 gated", 1536, 576, 1},
    {"576x1536", 576, 1536, 0},
    {"49152x576", 49152, 576, 0},
};
static const char *const type_names[] = {"f32", "f16", "bf16", "q8", "q4", "mxfp4"};

static double now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *allocate(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory) {
        fprintf(stderr, "kernels: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    memset(memory, 0, (bytes + 63) / 64 * 64);
    return memory;
}

static uint32_t seed = 1;
static float noise(void) {
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 8388608.0f - 1.0f;
}

typedef struct {
    sk_level level;
    const sk_matmul_job *matmul;
    const sk_gated_job *gated;
    int32_t begin, end, repeats;
    double seconds;
} work;

static void *run(void *argument) {
    work *w = argument;
    const double start = now(CLOCK_THREAD_CPUTIME_ID);
    for (int32_t i = 0; i < w->repeats; i++) {
        if (w->gated) {
            sk_gated_at(w->level, w->gated, w->begin, w->end);
        } else {
            sk_matmul_at(w->level, w->matmul, w->begin, w->end);
        }
    }
    w->seconds = now(CLOCK_THREAD_CPUTIME_ID) - start;
    return NULL;
}

// Seconds of one product on the busiest thread: processor time, since the machine may be shared, and the best of many.
static double measure(work all, int32_t panels, int32_t threads, double budget) {
    double best = 1e30, begin = now(CLOCK_MONOTONIC);
    all.repeats = 1;
    do {
        pthread_t others[64];
        work parts[64];
        for (int32_t i = 0; i < threads; i++) {
            parts[i] = all;
            parts[i].begin = (int32_t)((int64_t)panels * i / threads);
            parts[i].end = (int32_t)((int64_t)panels * (i + 1) / threads);
            if (i > 0) pthread_create(&others[i], NULL, run, &parts[i]);
        }
        run(&parts[0]);
        double seconds = parts[0].seconds;
        for (int32_t i = 1; i < threads; i++) {
            pthread_join(others[i], NULL);
            if (parts[i].seconds > seconds) seconds = parts[i].seconds;
        }
        if (seconds / all.repeats < best) best = seconds / all.repeats;
        // Long enough for the clock not to count, short enough to find a quiet moment.
        if (seconds < 0.001) all.repeats *= 2;
    } while (now(CLOCK_MONOTONIC) - begin < budget);
    return best;
}

static void bench(const shape *s, int32_t type, int32_t tokens, int32_t threads, sk_level level, double budget,
                  const void *data) {
    const int64_t blocks = (s->columns + 31) / 32;
    float *x = allocate(sizeof(float) * (size_t)tokens * (size_t)s->columns);
    for (int64_t i = 0; i < (int64_t)tokens * s->columns; i++) x[i] = noise();
    sk_activations a = {
        .f32 = x, .f32_stride = s->columns,
        .q8 = allocate((size_t)(tokens * blocks * 32)), .q8_stride = blocks * 32,
        .scale = allocate(sizeof(float) * (size_t)(tokens * blocks)),
        .offset = allocate(sizeof(int32_t) * (size_t)(tokens * blocks)),
        .sum = allocate(sizeof(float) * (size_t)(tokens * blocks)), .block_stride = blocks,
    };
    sk_quantize_rows_at(level, x, s->columns, s->columns, tokens, &a);
    const sk_matrix matrix = {data, type, s->rows, s->columns};
    float *out = allocate(sizeof(float) * (size_t)tokens * (size_t)s->rows);
    const sk_projection projection = {matrix, NULL, out, s->rows};
    const sk_matmul_job job = {&projection, 1, a, NULL, tokens};
    const sk_gated_job gated = {.gate_up = matrix, .activation = SK_SILU, .x = a, .tokens = tokens, .out = out,
                                .out_stride = s->rows};
    const int32_t panels = (s->rows + 15) / 16;
    const double seconds = measure((work){level, &job, s->gated ? &gated : NULL, 0, panels, 1, 0}, panels, threads, budget);
    const double products = (double)s->rows * s->columns * (s->gated ? 2 : 1);
    const double bytes = (double)sk_packed_bytes(type, s->rows, s->columns) * (s->gated ? 2 : 1);
    printf("%-6s %-15s tokens %4d  threads %d  %9.1f us  %7.1f GOP/s  %6.1f GB/s\n", type_names[type], s->name, tokens,
           threads, seconds * 1e6, 2 * products * tokens / seconds * 1e-9, bytes / seconds * 1e-9);
    fflush(stdout);
    free(x); free((void *)a.q8); free((void *)a.scale); free((void *)a.offset); free((void *)a.sum); free(out);
}

// Measures quantizing 512 rows of 576.
static void bench_quantize(sk_level level) {
    enum { rows = 512, columns = 576, blocks = 18 };
    float *x = allocate(sizeof(float) * rows * columns);
    for (int32_t i = 0; i < rows * columns; i++) x[i] = noise();
    sk_activations a = {.q8 = allocate(rows * columns), .q8_stride = columns, .scale = allocate(4 * rows * blocks),
                        .offset = allocate(4 * rows * blocks), .sum = allocate(4 * rows * blocks), .block_stride = blocks};
    double best = 1e30;
    for (int32_t i = 0; i < 200; i++) {
        const double start = now(CLOCK_THREAD_CPUTIME_ID);
        sk_quantize_rows_at(level, x, columns, columns, rows, &a);
        const double seconds = now(CLOCK_THREAD_CPUTIME_ID) - start;
        if (seconds < best) best = seconds;
    }
    printf("quantize 512x576: %.1f us, %.2f G values/s\n", best * 1e6, rows * columns / best * 1e-9);
}

static int32_t number(const char *text) { return (int32_t)strtol(text, NULL, 10); }

int main(int argc, char **argv) {
    sk_level level = sk_current_level();
    int32_t only_type = -1, only_tokens = 0, only_threads = 0, only_shape = -1;
    double budget = 0.25;
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--level")) {
            for (int l = 0; l <= SK_LEVEL_AVX512; l++) if (!strcmp(value, sk_level_name((sk_level)l))) level = (sk_level)l;
        } else if (!strcmp(name, "--type")) {
            for (int t = 0; t <= SK_MXFP4; t++) if (!strcmp(value, type_names[t])) only_type = t;
        } else if (!strcmp(name, "--tokens")) {
            only_tokens = number(value);
        } else if (!strcmp(name, "--threads")) {
            only_threads = number(value);
        } else if (!strcmp(name, "--shape")) {
            only_shape = number(value);
        } else if (!strcmp(name, "--seconds")) {
            budget = strtod(value, NULL);
        } else {
            fprintf(stderr, "kernels: unknown option %s\n", name);
            return 2;
        }
    }
    printf("level %s\n", sk_level_name(level));
    bench_quantize(level);
    for (int32_t type = SK_F32; type <= SK_MXFP4; type++) {
        if (only_type >= 0 && type != only_type) continue;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            if (only_shape >= 0 && only_shape != (int32_t)s) continue;
            const int32_t panels = (shapes[s].rows + 15) / 16 * (shapes[s].gated ? 2 : 1);
            const size_t panel_bytes = sk_panel_bytes(type, shapes[s].columns);
            uint8_t *data = allocate(panel_bytes * (size_t)panels);
            float *source = allocate(sizeof(float) * 16 * (size_t)shapes[s].columns);
            for (int32_t panel = 0; panel < panels; panel++) {
                // A few different panels, repeated: packing is not what is measured.
                if (panel < 8) {
                    for (int32_t i = 0; i < 16 * shapes[s].columns; i++) source[i] = noise();
                    sk_pack_panel_f32(type, source, 16, shapes[s].columns, data + (size_t)panel * panel_bytes);
                } else {
                    memcpy(data + (size_t)panel * panel_bytes, data + (size_t)(panel % 8) * panel_bytes, panel_bytes);
                }
            }
            static const int32_t all_tokens[] = {1, 8, 64, 512};
            for (int32_t threads = 1; threads <= 2; threads++) {
                if (only_threads && threads != only_threads) continue;
                for (int32_t t = 0; t < (only_tokens ? 1 : 4); t++) {
                    const int32_t tokens = only_tokens ? only_tokens : all_tokens[t];
                    if (shapes[s].rows > 10000 && tokens > 64) continue;
                    bench(&shapes[s], type, tokens, threads, level, budget, data);
                }
            }
            free(data);
            free(source);
        }
    }
    return 0;
}
