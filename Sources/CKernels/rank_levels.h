// What the ranking kernels of all levels share, and the kernels of each level as the dispatcher calls them.
#ifndef SK_RANK_LEVELS_H
#define SK_RANK_LEVELS_H
#include <math.h>

#include "sk_rank.h"
#include "sk_steps.h"

// Bytes before the codes.
#define SK_RANK_HEADER 16

// The score of one run from its sums of mean codes and of squared spread codes.
static inline float sk_rank_run_score(const float *scales, float means, float spreads) {
    return means * scales[0] + sqrtf(spreads) * (scales[1] * SK_RANK_DEVIATIONS);
}

// The runs of the row that has the best one so far; -inf to begin with.
typedef struct {
    float best;
    float runs[SK_RANK_RUNS];
} sk_rank_best;

static inline void sk_rank_take(sk_rank_best *best, const float runs[SK_RANK_RUNS]) {
    float top = runs[0];
    for (int run = 1; run < SK_RANK_RUNS; run++) top = runs[run] > top ? runs[run] : top;
    if (!(top > best->best)) return;
    best->best = top;
    memcpy(best->runs, runs, sizeof best->runs);
}

static inline float sk_rank_page_score(const sk_rank_best *best) {
    // Also where all are NaN or one is infinite.
    if (!isfinite(best->best)) return best->best;
    float sum = 0;
    for (int run = 0; run < SK_RANK_RUNS; run++) sum += sk_step_exp(best->runs[run] - best->best);
    return best->best + logf(sum);
}

// The bound of pages whose runs score no more than `run`: their sum, and what rounding in another order may add.
static inline float sk_rank_page_bound(float run) { return run + 1.3863f + fabsf(run) * 0x1p-12f + 0x1p-12f; }

#if defined(__x86_64__)
float sk_rank_page_avx2(const sk_rank_query *query, const void *record);
float sk_rank_page_avx512(const sk_rank_query *query, const void *record);
float sk_rank_bound_avx2(const sk_rank_query *query, const void *cover);
float sk_rank_bound_avx512(const sk_rank_query *query, const void *cover);
#endif

#endif
