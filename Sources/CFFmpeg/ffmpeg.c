#include "CFFmpeg.h"
#include "late_binding.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// MARK: messages

static _Thread_local char last_message[256];
static _Thread_local bool has_message;

static void keep_message(void *object, int level, const char *format, va_list arguments) {
    (void)object;
    if (level > AV_LOG_ERROR) return;
    char line[sizeof last_message];
    if (vsnprintf(line, sizeof line, format, arguments) <= 0) return;
    // The first message of a call names the cause; those after it tell what follows from it.
    if (has_message) return;
    memcpy(last_message, line, sizeof line);
    has_message = true;
}

// MARK: loading

static const char *load_failure;

static void load(void) {
    load_failure = sk_av_bind();
    if (!load_failure) av_log_set_callback(keep_message);
}

const char *sk_av_load(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    has_message = false;
    return load_failure;
}

// MARK: taking messages

void sk_av_forget_message(void) { has_message = false; }

bool sk_av_take_message(char *text, size_t capacity) {
    if (!has_message || capacity == 0) return false;
    has_message = false;
    size_t count = strnlen(last_message, sizeof last_message);
    while (count > 0 && (last_message[count - 1] == '\n' || last_message[count - 1] == ' ' || last_message[count - 1] == '.'))
        count--;
    if (count >= capacity) count = capacity - 1;
    memcpy(text, last_message, count);
    text[count] = 0;
    return count > 0;
}

// MARK: bytes

enum { io_buffer_size = 64 << 10 };

AVIOContext *sk_av_io_create(void *context, sk_av_read read, sk_av_seek seek) {
    unsigned char *buffer = av_malloc(io_buffer_size);
    if (!buffer) return NULL;
    AVIOContext *io = avio_alloc_context(buffer, io_buffer_size, 0, context, read, NULL, seek);
    if (!io) av_free(buffer);
    return io;
}

void sk_av_io_free(AVIOContext **io) {
    if (!*io) return;
    av_freep(&(*io)->buffer);
    avio_context_free(io);
}

static int refuse_to_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags, AVDictionary **options) {
    (void)io, (void)url, (void)flags, (void)options;
    av_log(format, AV_LOG_ERROR, "it refers to another file, which is not opened");
    return AVERROR(EACCES);
}

void sk_av_forbid_other_files(AVFormatContext *format) { format->io_open = refuse_to_open; }

// MARK: side data

bool sk_av_stream_matrix(const AVStream *stream, int32_t matrix[9]) {
    const uint8_t *data = NULL;
    size_t size = 0;
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    const AVPacketSideData *side = av_packet_side_data_get(
        stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    if (side) data = side->data, size = side->size;
#else
    data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
#endif
    if (!data || size < 9 * sizeof(int32_t)) return false;
    memcpy(matrix, data, 9 * sizeof(int32_t));
    return true;
}

bool sk_av_frame_matrix(const AVFrame *frame, int32_t matrix[9]) {
    const AVFrameSideData *side = av_frame_get_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX);
    if (!side || side->size < 9 * sizeof(int32_t)) return false;
    memcpy(matrix, side->data, 9 * sizeof(int32_t));
    return true;
}

// MARK: pixels

struct sk_av_scaler {
    struct SwsContext *context;
    // Where two steps are needed: the first one, and what lies between.
    struct SwsContext *first;
    AVFrame *between;
};

static int default_colorspace(enum AVColorSpace space) {
    switch (space) {
    case AVCOL_SPC_BT709: return SWS_CS_ITU709;
    case AVCOL_SPC_FCC: return SWS_CS_FCC;
    case AVCOL_SPC_SMPTE240M: return SWS_CS_SMPTE240M;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL: return SWS_CS_BT2020;
    default: return SWS_CS_DEFAULT;
    }
}

// The formats whose name says "full range" are the plain ones with that range.
static enum AVPixelFormat plain_format(enum AVPixelFormat format, bool *full_range) {
    switch (format) {
    case AV_PIX_FMT_YUVJ420P: *full_range = true; return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P: *full_range = true; return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P: *full_range = true; return AV_PIX_FMT_YUV444P;
    case AV_PIX_FMT_YUVJ440P: *full_range = true; return AV_PIX_FMT_YUV440P;
    case AV_PIX_FMT_YUVJ411P: *full_range = true; return AV_PIX_FMT_YUV411P;
    default: return format;
    }
}

// Where the colour samples lie, in 256ths of a pixel of the picture, or swscale's "unknown".
static void colour_place(const sk_av_picture *picture, enum AVPixelFormat format, int *across, int *down) {
    enum { unknown = -513 };
    *across = *down = unknown;
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(format);
    if (!description || (description->flags & AV_PIX_FMT_FLAG_RGB)) return;
    int x, y;
    switch (picture->chroma_location) {
    case AVCHROMA_LOC_LEFT: x = 0, y = 128; break;
    case AVCHROMA_LOC_CENTER: x = 128, y = 128; break;
    case AVCHROMA_LOC_TOPLEFT: x = 0, y = 0; break;
    case AVCHROMA_LOC_TOP: x = 128, y = 0; break;
    case AVCHROMA_LOC_BOTTOMLEFT: x = 0, y = 256; break;
    case AVCHROMA_LOC_BOTTOM: x = 128, y = 256; break;
    default: return;
    }
    if (description->log2_chroma_w > 0) *across = x * ((1 << description->log2_chroma_w) - 1);
    if (description->log2_chroma_h > 0) *down = y * ((1 << description->log2_chroma_h) - 1);
}

static struct SwsContext *make_context(const sk_av_picture *source, const sk_av_picture *target, int flags) {
    struct SwsContext *context = sws_alloc_context();
    if (!context) return NULL;
    int source_x, source_y, target_x, target_y;
    colour_place(source, source->format, &source_x, &source_y);
    colour_place(target, target->format, &target_x, &target_y);
    const struct {
        const char *name;
        int64_t value;
    } options[] = {
        {"srcw", source->width}, {"srch", source->height}, {"src_format", source->format},
        {"dstw", target->width}, {"dsth", target->height}, {"dst_format", target->format},
        {"sws_flags", flags},    {"src_h_chr_pos", source_x}, {"src_v_chr_pos", source_y},
        {"dst_h_chr_pos", target_x}, {"dst_v_chr_pos", target_y},
    };
    for (size_t index = 0; index < sizeof options / sizeof *options; index++)
        av_opt_set_int(context, options[index].name, options[index].value, 0);
    // Refused for conversions between RGB formats, which need no matrix.
    sws_setColorspaceDetails(context, sws_getCoefficients(default_colorspace(source->colorspace)), source->full_range,
                             sws_getCoefficients(default_colorspace(target->colorspace)), target->full_range, 0, 1 << 16,
                             1 << 16);
    if (sws_init_context(context, NULL, NULL) >= 0) return context;
    sws_freeContext(context);
    return NULL;
}

// Without resizing, the library's general way to RGB rounds the weights of two rows of colours to "the nearer" or "half
// of each". Formats that lack rows of colours and have no way of their own therefore get their rows first, finely.
static bool needs_rows(const sk_av_picture *source, const sk_av_picture *target) {
    const AVPixFmtDescriptor *from = av_pix_fmt_desc_get(source->format), *to = av_pix_fmt_desc_get(target->format);
    if (!from || !to || (from->flags & AV_PIX_FMT_FLAG_RGB) || !(to->flags & AV_PIX_FMT_FLAG_RGB)) return false;
    if (source->width != target->width || source->height != target->height) return false;
    if (from->log2_chroma_h != 1 || from->log2_chroma_w != 1) return false;
    const bool has_own = source->format == AV_PIX_FMT_YUV420P || source->format == AV_PIX_FMT_YUVA420P;
    return !has_own || source->height % 2 != 0;
}

sk_av_scaler *sk_av_scaler_create(const sk_av_picture *given_source, const sk_av_picture *given_target, int flags) {
    sk_av_picture source = *given_source, target = *given_target;
    source.format = plain_format(source.format, &source.full_range);
    target.format = plain_format(target.format, &target.full_range);
    if (!sws_isSupportedInput(source.format) || !sws_isSupportedOutput(target.format)) return NULL;
    sk_av_scaler *scaler = calloc(1, sizeof *scaler);
    if (!scaler) return NULL;
    if (needs_rows(&source, &target)) {
        sk_av_picture between = source;
        between.format = AV_PIX_FMT_YUV422P16;
        scaler->first = make_context(&source, &between, flags);
        scaler->between = av_frame_alloc();
        if (scaler->between) {
            scaler->between->width = between.width;
            scaler->between->height = between.height;
            scaler->between->format = between.format;
        }
        if (!scaler->first || !scaler->between || av_frame_get_buffer(scaler->between, 64) < 0) {
            sk_av_scaler_free(scaler);
            return NULL;
        }
        source = between;
    }
    scaler->context = make_context(&source, &target, flags);
    if (scaler->context) return scaler;
    sk_av_scaler_free(scaler);
    return NULL;
}

static int run_step(struct SwsContext *context, const AVFrame *source, AVFrame *target) {
    return sws_scale(context, (const uint8_t *const *)source->data, source->linesize, 0, source->height, target->data,
                     target->linesize);
}

int sk_av_scaler_run(sk_av_scaler *scaler, const AVFrame *source, AVFrame *target) {
    if (!scaler->first) return run_step(scaler->context, source, target);
    const int rows = run_step(scaler->first, source, scaler->between);
    return rows < 0 ? rows : run_step(scaler->context, scaler->between, target);
}

void sk_av_scaler_free(sk_av_scaler *scaler) {
    if (!scaler) return;
    sws_freeContext(scaler->context);
    sws_freeContext(scaler->first);
    av_frame_free(&scaler->between);
    free(scaler);
}

// MARK: encoders

bool sk_av_takes_sample_format(const AVCodec *codec, enum AVSampleFormat format) {
    if (!codec->sample_fmts) return true;
    for (const enum AVSampleFormat *known = codec->sample_fmts; *known != AV_SAMPLE_FMT_NONE; known++)
        if (*known == format) return true;
    return false;
}

bool sk_av_takes_sample_rate(const AVCodec *codec, int rate) {
    if (!codec->supported_samplerates) return true;
    for (const int *known = codec->supported_samplerates; *known != 0; known++)
        if (*known == rate) return true;
    return false;
}
