// Bidirectional attention inside segments: what encoders do, without pages, masks or a cache. All rows of a segment
// (the patches of a frame, some seconds of sound) attend to all rows of the same segment.
//
// Work goes in two steps so that it can be shared out evenly: sk_segment_pack orders one head's keys and values of one
// segment as the products read them, sk_segment_attend computes a run of its rows. Queries and keys may be rotated on
// the way, each by the angles of its own row.
#ifndef SK_SEGMENTS_H
#define SK_SEGMENTS_H
#include <stddef.h>
#include <stdint.h>

// The most rows that one call of sk_segment_attend computes together; more are taken in turn.
#define SK_SEGMENT_ROWS 48
// Widest head.
#define SK_SEGMENT_WIDTH 256

typedef struct {
    int32_t width;          // columns of a head, 1 ... SK_SEGMENT_WIDTH
    int32_t rows;           // of the segment
    float scale;            // of the scores, usually 1 / sqrt(width)
    const float *queries;   // row r, column c of the head: queries[r * stride + c]; keys and values alike
    const float *keys;
    const float *values;
    int64_t stride;
    const float *cosines;   // [rows][table_stride], width / 2 angles each: pairs (i, i + width / 2) are rotated;
    const float *sines;     // NULL: no rotation. With a rotation width is even.
    int64_t table_stride;
    float *out;             // [rows][out_stride]
    int64_t out_stride;
} sk_segment;

// Floats of `packed` for a segment: a multiple of 16; 0 if the width is out of range or the size overflows.
size_t sk_segment_packed_floats(int32_t width, int32_t rows);
// Floats of scratch of sk_segment_attend.
size_t sk_segment_scratch_floats(int32_t width);
// Orders the keys and values of one head; packed is 64-byte aligned.
void sk_segment_pack(const sk_segment *segment, float *packed);
void sk_segment_pack_scalar(const sk_segment *segment, float *packed);
// Attention of rows begin ..< end. Each row's result depends on that row and the segment alone: the same bytes for any
// split into calls. scratch is 64-byte aligned.
void sk_segment_attend(const sk_segment *segment, const float *packed, int32_t begin, int32_t end, float *scratch);
void sk_segment_attend_scalar(const sk_segment *segment, const float *packed, int32_t begin, int32_t end,
                              float *scratch);
#endif
