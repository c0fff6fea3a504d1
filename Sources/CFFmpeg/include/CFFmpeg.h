// libavformat, libavcodec, libswscale and libswresample as Swift can import them: the libraries' own headers, and inline
// functions for what is a macro, a variadic or different from one major version to the next. No logic lives here.
#ifndef SK_FFMPEG_H
#define SK_FFMPEG_H

#include "late_functions.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/audio_fifo.h>
#include <libavutil/avutil.h>
#include <libavutil/channel_layout.h>
#include <libavutil/cpu.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Loads the libraries, once for the process; nothing else here may be called before. From then on their messages go to the
/// calling thread's memory instead of standard error; what that holds is forgotten. NULL, or why it failed: text that stays.
const char *sk_av_load(void);

/// Forgets the message that the calling thread's memory holds.
void sk_av_forget_message(void);

/// Copies the last error message that the libraries logged on this thread into `text` (terminated, at most `capacity`
/// bytes) and forgets it. False when there was none. Messages of the decoders' own threads are dropped.
bool sk_av_take_message(char *text, size_t capacity);

static inline int sk_av_error_eof(void) { return AVERROR_EOF; }
static inline int sk_av_error_again(void) { return AVERROR(EAGAIN); }
static inline int sk_av_error_exit(void) { return AVERROR_EXIT; }
static inline int sk_av_error_invalid_data(void) { return AVERROR_INVALIDDATA; }
static inline int sk_av_error_no_decoder(void) { return AVERROR_DECODER_NOT_FOUND; }
static inline int sk_av_error_not_implemented(void) { return AVERROR_PATCHWELCOME; }
/// The libraries' code for a value of `errno`, and back (0 when `code` is none).
static inline int sk_av_error(int system_code) { return AVERROR(system_code); }
static inline int64_t sk_av_no_timestamp(void) { return AV_NOPTS_VALUE; }
static inline bool sk_av_is_planar(enum AVSampleFormat format) { return av_sample_fmt_is_planar(format) != 0; }

/// A byte stream over callbacks, with a buffer of its own. Freed by sk_av_io_free.
typedef int (*sk_av_read)(void *context, uint8_t *buffer, int count);
typedef int64_t (*sk_av_seek)(void *context, int64_t offset, int whence);
AVIOContext *sk_av_io_create(void *context, sk_av_read read, sk_av_seek seek);
void sk_av_io_free(AVIOContext **io);

/// Makes a demuxer refuse to open any file beside the one it reads: playlists and references name strangers' files.
void sk_av_forbid_other_files(AVFormatContext *format);

/// Copies the 3 x 3 display matrix of a stream or a frame. False when there is none.
bool sk_av_stream_matrix(const AVStream *stream, int32_t matrix[9]);
bool sk_av_frame_matrix(const AVFrame *frame, int32_t matrix[9]);

/// How long a frame is shown, in its stream's time base; 0 when unknown.
static inline int64_t sk_av_frame_duration(const AVFrame *frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 30, 100)
    return frame->duration;
#else
    return frame->pkt_duration;
#endif
}

static inline bool sk_av_frame_is_corrupt(const AVFrame *frame) {
    return (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0 || frame->decode_error_flags != 0;
}

/// A converter of pixels. `full_range` and `colorspace` (an AVColorSpace) describe the side that is not RGB.
typedef struct sk_av_scaler sk_av_scaler;
typedef struct {
    int width, height;
    enum AVPixelFormat format;
    enum AVColorSpace colorspace;
    enum AVChromaLocation chroma_location;
    bool full_range;
} sk_av_picture;
sk_av_scaler *sk_av_scaler_create(const sk_av_picture *source, const sk_av_picture *target, int flags);
int sk_av_scaler_run(sk_av_scaler *scaler, const AVFrame *source, AVFrame *target);
void sk_av_scaler_free(sk_av_scaler *scaler);

/// Fields that are bit masks or arrays of unknown length to the importer.
static inline AVStream *sk_av_stream(const AVFormatContext *format, unsigned index) { return format->streams[index]; }
static inline const uint8_t *sk_av_plane(const AVFrame *frame, int plane) { return frame->extended_data[plane]; }
static inline uint8_t *sk_av_mutable_plane(AVFrame *frame, int plane) { return frame->extended_data[plane]; }
/// Whether an encoder takes this sample format or sample rate; true when it does not say.
bool sk_av_takes_sample_format(const AVCodec *codec, enum AVSampleFormat format);
bool sk_av_takes_sample_rate(const AVCodec *codec, int rate);

#endif
