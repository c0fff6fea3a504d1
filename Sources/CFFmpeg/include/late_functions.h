// The functions of libav that are called here and from Swift, by the library that has them. Included before libav's own headers:
// each is given another name for the linker, so that what embeds this package may be linked to libav itself.
#ifndef SK_LATE_FUNCTIONS_H
#define SK_LATE_FUNCTIONS_H

#include <libavformat/version.h>
#include <libavutil/version.h>

#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
#define SK_AV_SIDE_DATA(each) each(avcodec, av_packet_side_data_get)
#else
#define SK_AV_SIDE_DATA(each) each(avformat, av_stream_get_side_data)
#endif

// One that is used and not named here is an error of the linker: "undefined reference".
#define SK_AV_FUNCTIONS(each) \
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
    each(avutil, av_get_cpu_flags)                                    \
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
    each(avformat, avio_open2)                                        \
    SK_AV_SIDE_DATA(each)

#define SK_AV_PRAGMA(text) _Pragma(#text)
#define SK_AV_RENAME(library, name) SK_AV_PRAGMA(redefine_extname name sk_av_jump_##name)
SK_AV_FUNCTIONS(SK_AV_RENAME)

#endif
