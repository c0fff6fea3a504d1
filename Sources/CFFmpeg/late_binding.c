// Loads libav when the first clip is opened, instead of with the program.
//
// libavformat and libavcodec bring some 130 libraries with them, of which a command about text needs none: linked, they were
// three quarters of the time until such a command began, and most of what it read from a cold disk. So nothing is linked to
// them. Each function below is a jump through a slot that sk_av_load fills; a jump needs no signature, so it fits every version
// of the headers. The processor's and the system's ways are those of x86-64 and Linux, as the whole project's are.
#include "CFFmpeg.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define LIBRARIES(each) \
    each(avutil, LIBAVUTIL_VERSION_MAJOR) \
    each(swresample, LIBSWRESAMPLE_VERSION_MAJOR) \
    each(swscale, LIBSWSCALE_VERSION_MAJOR) \
    each(avcodec, LIBAVCODEC_VERSION_MAJOR) \
    each(avformat, LIBAVFORMAT_VERSION_MAJOR)

// A function that is used and not named here is an error of the linker: "undefined reference".
#define FUNCTIONS(each) \
    each(avutil, av_audio_fifo_alloc)                                 \
    each(avutil, av_audio_fifo_free)                                  \
    each(avutil, av_audio_fifo_read)                                  \
    each(avutil, av_audio_fifo_size)                                  \
    each(avutil, av_audio_fifo_write)                                 \
    each(avutil, av_channel_layout_copy)                              \
    each(avutil, av_channel_layout_default)                           \
    each(avutil, av_channel_layout_describe)                          \
    each(avutil, av_color_space_name)                                 \
    each(avutil, av_dict_free)                                        \
    each(avutil, av_dict_get)                                         \
    each(avutil, av_dict_set)                                         \
    each(avutil, av_frame_alloc)                                      \
    each(avutil, av_frame_free)                                       \
    each(avutil, av_frame_get_buffer)                                 \
    each(avutil, av_frame_get_side_data)                              \
    each(avutil, av_frame_make_writable)                              \
    each(avutil, av_free)                                             \
    each(avutil, av_freep)                                            \
    each(avutil, av_get_pix_fmt_name)                                 \
    each(avutil, av_get_sample_fmt_name)                              \
    each(avutil, av_log)                                              \
    each(avutil, av_log_set_callback)                                 \
    each(avutil, av_malloc)                                           \
    each(avutil, av_opt_set_int)                                      \
    each(avutil, av_pix_fmt_desc_get)                                 \
    each(avutil, av_sample_fmt_is_planar)                             \
    each(avutil, av_strerror)                                         \
    each(swresample, swr_alloc_set_opts2)                             \
    each(swresample, swr_convert)                                     \
    each(swresample, swr_free)                                        \
    each(swresample, swr_get_out_samples)                             \
    each(swresample, swr_init)                                        \
    each(swscale, sws_alloc_context)                                  \
    each(swscale, sws_freeContext)                                    \
    each(swscale, sws_getCoefficients)                                \
    each(swscale, sws_init_context)                                   \
    each(swscale, sws_isSupportedInput)                               \
    each(swscale, sws_isSupportedOutput)                              \
    each(swscale, sws_scale)                                          \
    each(swscale, sws_setColorspaceDetails)                           \
    each(avcodec, av_packet_alloc)                                    \
    each(avcodec, av_packet_free)                                     \
    each(avcodec, av_packet_rescale_ts)                               \
    each(avcodec, av_packet_unref)                                    \
    each(avcodec, avcodec_alloc_context3)                             \
    each(avcodec, avcodec_find_decoder)                               \
    each(avcodec, avcodec_find_encoder_by_name)                       \
    each(avcodec, avcodec_flush_buffers)                              \
    each(avcodec, avcodec_free_context)                               \
    each(avcodec, avcodec_get_name)                                   \
    each(avcodec, avcodec_open2)                                      \
    each(avcodec, avcodec_parameters_from_context)                    \
    each(avcodec, avcodec_parameters_to_context)                      \
    each(avcodec, avcodec_receive_frame)                              \
    each(avcodec, avcodec_receive_packet)                             \
    each(avcodec, avcodec_send_frame)                                 \
    each(avcodec, avcodec_send_packet)                                \
    each(avformat, av_guess_sample_aspect_ratio)                      \
    each(avformat, av_interleaved_write_frame)                        \
    each(avformat, av_read_frame)                                     \
    each(avformat, av_seek_frame)                                     \
    each(avformat, av_stream_get_side_data)                           \
    each(avformat, av_write_trailer)                                  \
    each(avformat, avformat_alloc_context)                            \
    each(avformat, avformat_alloc_output_context2)                    \
    each(avformat, avformat_close_input)                              \
    each(avformat, avformat_find_stream_info)                         \
    each(avformat, avformat_free_context)                             \
    each(avformat, avformat_index_get_entry_from_timestamp)           \
    each(avformat, avformat_new_stream)                               \
    each(avformat, avformat_open_input)                               \
    each(avformat, avformat_write_header)                             \
    each(avformat, avio_alloc_context)                                \
    each(avformat, avio_closep)                                       \
    each(avformat, avio_context_free)                                 \
    each(avformat, avio_open2)

static void used_before_loading(void) {
    fputs("soranji: a function of libav was called before sk_av_load\n", stderr);
    abort();
}

#define SLOT(library, name) __attribute__((visibility("hidden"))) void *sk_av_slot_##name = (void *)used_before_loading;
FUNCTIONS(SLOT)

#define JUMP(library, name) \
    __asm__(".text\n" \
            ".p2align 4\n" \
            ".globl " #name "\n" \
            ".hidden " #name "\n" \
            ".type " #name ", @function\n" \
            #name ":\n" \
            "    jmp *sk_av_slot_" #name "(%rip)\n" \
            ".size " #name ", . - " #name "\n");
FUNCTIONS(JUMP)

static char failure[256];

// Failures are told by `failure`; what is open then stays open, as it would if it had been linked.
static void load(void) {
#define OPEN(library, major) \
    void *const library = dlopen("lib" #library ".so." AV_STRINGIFY(major), RTLD_LAZY | RTLD_LOCAL); \
    if (!library) { \
        snprintf(failure, sizeof failure, "%s", dlerror()); \
        return; \
    }
    LIBRARIES(OPEN)
#define FILL(library, name) \
    sk_av_slot_##name = dlsym(library, #name); \
    if (!sk_av_slot_##name) { \
        snprintf(failure, sizeof failure, "lib" #library " has no function " #name); \
        return; \
    }
    FUNCTIONS(FILL)
}

const char *sk_av_load(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return failure[0] ? failure : NULL;
}
