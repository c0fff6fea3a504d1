// Attention over pages: bytes per second while decoding, floating-point operations per second for a prompt.
//
//   clang -O3 -ffp-contract=off -fno-math-errno -I Sources/CKernels/include Benchmarks/kernels/attention_bench.c \
//       Sources/CKernels/*.c -lm -o attention_bench
//
// One thread, best of several runs. SORANJI_KERNELS=scalar|avx2|avx512 chooses a lower level.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CKernels.h"

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *aligned(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory) exit(1);
    memset(memory, 0, bytes);
    return memory;
}

static float next_float(void) {
    static uint32_t state = 1;
    state = state * 1664525 + 1013904223;
    return (float)(state >> 8) * 0x1p-23f - 1;
}

typedef struct {
    sk_page_layout layout;
    int32_t pages, rows;
    uint8_t *keys, *values;
    float *cosines, *sines, *queries, *maximum, *total, *out, *scratch;
    int32_t begin[64], end[64];
} bench;

static bench prepare(sk_page_layout layout, int32_t pages, int32_t rows) {
    bench b = {.layout = layout, .pages = pages, .rows = rows};
    const size_t key_bytes = sk_page_key_bytes(&layout), value_bytes = sk_page_value_bytes(&layout);
    const int32_t pairs = layout.rope_width / 2;
    b.keys = aligned(key_bytes * (size_t)pages);
    b.values = aligned(value_bytes * (size_t)pages);
    b.cosines = aligned((size_t)pairs * SK_PAGE * 4);
    b.sines = aligned((size_t)pairs * SK_PAGE * 4);
    for (int32_t i = 0; i < pairs * SK_PAGE; i++) {
        const double angle = (i % SK_PAGE) * pow(10000, -(double)(i / SK_PAGE) / pairs);
        b.cosines[i] = (float)cos(angle), b.sines[i] = (float)sin(angle);
    }
    float *row = aligned((size_t)(layout.k_width + layout.v_width) * 4);
    for (int32_t page = 0; page < pages; page++) {
        for (int32_t p = 0; p < SK_PAGE; p++) {
            for (int32_t i = 0; i < layout.k_width + layout.v_width; i++) row[i] = next_float();
            sk_page_store(&layout, b.keys + key_bytes * (size_t)page, b.values + value_bytes * (size_t)page, p, row,
                          row + layout.k_width);
        }
    }
    free(row);
    b.queries = aligned((size_t)(rows * layout.k_width) * 4);
    for (int32_t i = 0; i < rows * layout.k_width; i++) b.queries[i] = next_float() / sqrtf((float)layout.k_width);
    b.maximum = aligned((size_t)rows * 4);
    b.total = aligned((size_t)rows * 4);
    b.out = aligned((size_t)(rows * layout.v_stride) * 4);
    b.scratch = aligned(sk_attend_scratch_floats(&layout, rows) * 4);
    for (int32_t i = 0; i < rows; i++) b.begin[i] = 0, b.end[i] = SK_PAGE;
    return b;
}

static void release(bench *b) {
    void *all[] = {b->keys,  b->values, b->cosines, b->sines, b->queries,
                   b->maximum, b->total, b->out,   b->scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

// Seconds per page: the best window of up to 32 pages in `repeats` passes. On a busy machine a whole pass would also
// count the time that other processes took.
static double measure(bench *b, int repeats) {
    double best = INFINITY;
    const sk_query_tile tile = {.queries = b->queries, .query_stride = b->layout.k_width, .rows = b->rows,
                                .begin = b->begin, .end = b->end, .maximum = b->maximum, .total = b->total,
                                .out = b->out};
    for (int repeat = 0; repeat < repeats; repeat++) {
        for (int32_t i = 0; i < b->rows; i++) b->maximum[i] = -INFINITY, b->total[i] = 0;
        memset(b->out, 0, (size_t)(b->rows * b->layout.v_stride) * 4);
        for (int32_t page = 0; page < b->pages;) {
            const int32_t begin = page, end = page + 32 < b->pages ? page + 32 : b->pages;
            const double start = now();
            for (; page < end; page++) {
                sk_attend_page(&b->layout, b->keys + sk_page_key_bytes(&b->layout) * (size_t)page,
                               b->values + sk_page_value_bytes(&b->layout) * (size_t)page, b->cosines, b->sines, &tile,
                               b->scratch);
            }
            const double seconds = (now() - start) / (end - begin);
            if (seconds < best) best = seconds;
        }
    }
    return best;
}

static void report(const char *name, sk_page_layout layout, int32_t pages, int32_t rows, int repeats) {
    bench b = prepare(layout, pages, rows);
    const double seconds = measure(&b, repeats);
    const double bytes = (double)(sk_page_key_bytes(&layout) + sk_page_value_bytes(&layout));
    const double operations = 2.0 * SK_PAGE * rows * (layout.k_width + layout.v_width);
    printf("%-34s %4d rows %6d pages %8.2f GB/s %8.1f GFLOP/s %9.2f us/page\n", name, rows, pages,
           bytes / seconds * 1e-9, operations / seconds * 1e-9, seconds * 1e6);
    release(&b);
}

static sk_page_layout layout_of(int32_t k, int32_t v, int32_t begin, int32_t rope, int32_t type) {
    return (sk_page_layout){k, v, (v + 15) / 16 * 16, begin, rope, type};
}

int main(void) {
    printf("kernels: %s\n", sk_level_name(sk_current_level()));
    const sk_page_layout f16 = layout_of(64, 64, 0, 64, SK_F16), f32 = layout_of(64, 64, 0, 64, SK_F32);
    const sk_page_layout mla = layout_of(576, 512, 512, 64, SK_F16), wide = layout_of(128, 128, 0, 128, SK_F16);
    report("decode 64/64 f16, from memory", f16, 8000, 3, 7);
    report("decode 64/64 f32, from memory", f32, 4000, 3, 7);
    report("decode 64/64 f16, from cache", f16, 4, 3, 4000);
    report("decode 64/64 f32, from cache", f32, 4, 3, 4000);
    report("decode 64/64 f16, from cache", f16, 4, 1, 4000);
    report("decode 64/64 f16, from cache", f16, 4, 8, 4000);
    report("decode 128/128 f16, from memory", wide, 4000, 4, 7);
    report("decode 576/512 f16 (latent)", mla, 400, 16, 7);
    report("prompt 64/64 f16", f16, 4, 64, 2000);
    report("prompt 64/64 f32", f32, 4, 64, 2000);
    report("prompt 128/128 f16", wide, 4, 64, 1000);
    report("prompt 576/512 f16 (latent)", mla, 4, 64, 200);
    return 0;
}
