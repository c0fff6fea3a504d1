// The portable twins: plain loops that define what every level must compute.
#include "sk_gate.h"
#include "sk_gelu.h"
#include "sk_kernels.h"
#include "sk_panel.h"

// Without a fused multiply-add instruction fmaf is a slow library call, so the same source is compiled twice.
#define INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__)
#define WITH_FMA __attribute__((target("fma")))
static int has_fma(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("fma");
}
#else
#define WITH_FMA
static int has_fma(void) { return 1; }
#endif

// One step of q8, q4, mxfp4 per block and row:
//   acc = fma(float(dot), weight_scale * x_scale, acc)   then, except q8,   acc = fma(weight_minimum, x_sum, acc)
// and per column for floats: acc = fma(w, x, acc). `acc` holds the panel's 16 rows.

INLINE void step_floats(int32_t type, const void *panel, int32_t columns, const float *x, float *acc) {
    for (int32_t c = 0; c < columns; c++) {
        for (int32_t row = 0; row < SK_PANEL_ROWS; row++) {
            float w;
            if (type == SK_F32) {
                w = ((const float *)panel)[c * (int64_t)SK_PANEL_ROWS + row];
            } else if (type == SK_F16) {
                w = sk_half_value(((const uint16_t *)panel)[c * (int64_t)SK_PANEL_ROWS + row]);
            } else {
                w = sk_bfloat16_value(((const uint16_t *)panel)[(c / 2) * (int64_t)(2 * SK_PANEL_ROWS) + row * 2 + c % 2]);
            }
            acc[row] = __builtin_fmaf(w, x[c], acc[row]);
        }
    }
}

INLINE void step_blocks(int32_t type, const uint8_t *panel, int32_t columns, const sk_activations *x, int64_t token,
                        float *acc) {
    const int8_t *quants = x->q8 + token * x->q8_stride;
    const float *scale = x->scale + token * x->block_stride, *sum = x->sum + token * x->block_stride;
    const uint16_t *half = type == SK_Q8 ? sk_q8_scales(panel, columns) : sk_q4_scales(panel, columns);
    const int64_t blocks = sk_blocks(columns);
    for (int64_t b = 0; b < blocks; b++) {
        for (int32_t row = 0; row < SK_PANEL_ROWS; row++) {
            int32_t dot = 0;
            for (int32_t c = 0; c < SK_BLOCK; c++) {
                int32_t w;
                if (type == SK_Q8) {
                    w = (int32_t)panel[b * SK_Q8_BLOCK_BYTES + sk_q8_at(row, c)] - 128;
                } else {
                    const uint8_t byte = panel[b * SK_Q4_BLOCK_BYTES + sk_q4_at(row, c)];
                    w = c < 16 ? byte & 15 : byte >> 4;
                    if (type == SK_MXFP4) w = sk_mxfp4_table[w];
                }
                dot += w * quants[b * SK_BLOCK + c];
            }
            const uint16_t *scales = half + b * (type == SK_Q8 ? SK_PANEL_ROWS : 2 * SK_PANEL_ROWS);
            acc[row] = __builtin_fmaf((float)dot, sk_half_value(scales[row]) * scale[b], acc[row]);
            if (type != SK_Q8) {
                acc[row] = __builtin_fmaf(sk_half_value(scales[SK_PANEL_ROWS + row]), sum[b], acc[row]);
            }
        }
    }
}

INLINE void panel_times_token(const sk_matrix *matrix, int64_t panel, const sk_activations *x, int64_t token,
                              const float *bias, int32_t row, float *acc) {
    const uint8_t *data = (const uint8_t *)matrix->data + (size_t)panel * sk_panel_bytes(matrix->type, matrix->columns);
    for (int32_t i = 0; i < SK_PANEL_ROWS; i++) acc[i] = 0;
    switch (matrix->type) {
    case SK_F32: step_floats(SK_F32, data, matrix->columns, x->f32 + token * x->f32_stride, acc); break;
    case SK_F16: step_floats(SK_F16, data, matrix->columns, x->f32 + token * x->f32_stride, acc); break;
    case SK_BF16: step_floats(SK_BF16, data, matrix->columns, x->f32 + token * x->f32_stride, acc); break;
    case SK_Q8: step_blocks(SK_Q8, data, matrix->columns, x, token, acc); break;
    case SK_Q4: step_blocks(SK_Q4, data, matrix->columns, x, token, acc); break;
    default: step_blocks(SK_MXFP4, data, matrix->columns, x, token, acc); break;
    }
    for (int32_t i = 0; bias && i < SK_PANEL_ROWS && row + i < matrix->rows; i++) acc[i] += bias[row + i];
}

INLINE void matmul(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end) {
    int32_t first = 0;
    for (int32_t p = 0; p < job->projection_count; p++) {
        const sk_projection *projection = &job->projections[p];
        const sk_matrix *matrix = &projection->matrix;
        const int32_t panels = sk_panels_of(matrix->rows);
        for (int32_t panel = begin > first ? begin - first : 0; panel < panels && first + panel < end; panel++) {
            const int32_t row = panel * SK_PANEL_ROWS;
            for (int32_t t = 0; t < job->tokens; t++) {
                float acc[SK_PANEL_ROWS];
                panel_times_token(matrix, panel, &job->x, job->token_index ? job->token_index[t] : t, projection->bias,
                                  row, acc);
                float *out = projection->out + t * projection->out_stride + row;
                for (int32_t i = 0; i < SK_PANEL_ROWS && row + i < matrix->rows; i++) {
                    const float value = epilogue ? sk_step_pointwise(epilogue->pointwise, acc[i]) : acc[i];
                    out[i] = epilogue && epilogue->adds ? out[i] + value : value;
                }
            }
        }
        first += panels;
    }
}

INLINE void gated(const sk_gated_job *job, int32_t begin, int32_t end) {
    const sk_matrix *matrix = &job->gate_up;
    for (int32_t panel = begin; panel < end; panel++) {
        const int32_t row = panel * SK_PANEL_ROWS;
        for (int32_t t = 0; t < job->tokens; t++) {
            const int64_t token = job->token_index ? job->token_index[t] : t;
            float gate[SK_PANEL_ROWS], up[SK_PANEL_ROWS];
            panel_times_token(matrix, 2 * (int64_t)panel, &job->x, token, job->gate_bias, row, gate);
            panel_times_token(matrix, 2 * (int64_t)panel + 1, &job->x, token, job->up_bias, row, up);
            float *out = job->out + t * job->out_stride + row;
            for (int32_t i = 0; i < SK_PANEL_ROWS && row + i < matrix->rows; i++) {
                out[i] = sk_gate(job->activation, job->alpha, job->limit, gate[i], up[i]);
            }
        }
    }
}

WITH_FMA static void matmul_fma(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end) {
    matmul(job, epilogue, begin, end);
}
static void matmul_plain(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end) {
    matmul(job, epilogue, begin, end);
}
WITH_FMA static void gated_fma(const sk_gated_job *job, int32_t begin, int32_t end) { gated(job, begin, end); }
static void gated_plain(const sk_gated_job *job, int32_t begin, int32_t end) { gated(job, begin, end); }

void sk_matmul_then_scalar(const sk_matmul_job *job, const sk_epilogue *epilogue, int32_t begin, int32_t end) {
    (has_fma() ? matmul_fma : matmul_plain)(job, epilogue, begin, end);
}

void sk_matmul_scalar(const sk_matmul_job *job, int32_t begin, int32_t end) {
    sk_matmul_then_scalar(job, NULL, begin, end);
}

void sk_gated_scalar(const sk_gated_job *job, int32_t begin, int32_t end) {
    (has_fma() ? gated_fma : gated_plain)(job, begin, end);
}

int32_t sk_matmul_panels(const sk_matmul_job *job) {
    int32_t panels = 0;
    for (int32_t p = 0; p < job->projection_count; p++) panels += sk_panels_of(job->projections[p].matrix.rows);
    return panels;
}
