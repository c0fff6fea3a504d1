#!/usr/bin/env python3
"""Makes the clips of this folder, and what PyAV reads from them (`*.rgb`). Needs ffmpeg, PyAV, Pillow and NumPy.

clip.mp4, clip-frames.rgb and clip-waveform.f32 are older: 30 frames of H.264 with AAC, written and read back by PyAV
(frames 0, 6, 12, 17, 23, 29; all samples).
"""
import os, subprocess, sys
import av, numpy as np
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))

def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-y", "-v", "error", "-threads", "1", *arguments], check=True)

# Four colours: what is turned or mirrored shows.
quarters = np.zeros((32, 48, 3), np.uint8)
quarters[:16, :24], quarters[:16, 24:], quarters[16:, :24], quarters[16:, 24:] = (220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 230, 230)
Image.fromarray(quarters).save("quarters.png", optimize=True)
jpeg = Image.fromarray(quarters)
for number in range(1, 9):
    exif = Image.Exif(); exif[0x0112] = number
    jpeg.save(f"exif-{number}.jpg", exif=exif, quality=92, subsampling=0)
jpeg.save("quarters.webp", lossless=True)
exif = Image.Exif(); exif[0x0112] = 6
jpeg.save("exif-6.webp", exif=exif, lossless=True)
Image.fromarray(np.dstack([quarters, np.full((32, 48), 128, np.uint8)])).save("alpha.png")
Image.fromarray(quarters).convert("P", palette=Image.Palette.ADAPTIVE).save("palette.png")
Image.fromarray(quarters).convert("L").save("gray.png")

x264 = ["-c:v", "libx264", "-preset", "veryslow", "-x264-params", "threads=1"]
moving = ["-f", "lavfi", "-i", "testsrc2=s=48x32:r=10:d=0.5"]
picture = ["-loop", "1", "-i", "quarters.png", "-frames:v", "3", "-r", "10"]
formats = {"ten-bit": "yuv420p10le", "four-two-two": "yuv422p", "four-four-four": "yuv444p", "ten-bit-422": "yuv422p10le"}
for name, pixels in formats.items():
    ffmpeg(*moving, *x264, "-crf", "12", "-pix_fmt", pixels, f"{name}.mp4")
ffmpeg(*moving, "-vf", "scale=out_color_matrix=bt709:out_range=pc", *x264, "-crf", "12", "-pix_fmt", "yuv420p",
       "-color_range", "pc", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "full-range-709.mp4")
ffmpeg(*moving, "-vf", "scale=out_color_matrix=bt709", *x264, "-crf", "12", "-pix_fmt", "yuv420p",
       "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "studio-709.mp4")
ffmpeg("-f", "lavfi", "-i", "testsrc=s=35x21:r=10:d=0.3", "-c:v", "libvpx-vp9", "-crf", "10", "-b:v", "0", "-pix_fmt", "yuv420p", "odd-size.webm")
ffmpeg("-f", "lavfi", "-i", "testsrc2=s=35x21:r=10:d=0.3", "-c:v", "libsvtav1", "-crf", "10", "-vf", "scale=64:64", "-pix_fmt", "yuv420p", "av1.mp4")
for degrees in (90, 180, 270):
    ffmpeg(*picture, *x264, "-crf", "12", "-pix_fmt", "yuv420p", "upright.mp4")
    ffmpeg("-i", "upright.mp4", "-c", "copy", "-metadata:s:v:0", f"rotate={degrees}", f"rotated-{degrees}.mp4")
ffmpeg(*picture, "-vf", "setsar=2/1", *x264, "-crf", "12", "-pix_fmt", "yuv420p", "wide-pixels.mp4")
# 25 frames a second of which most are dropped unevenly: frames begin at 0, 0.04, 0.2, 0.24, 0.48, 0.96 seconds.
ffmpeg("-f", "lavfi", "-i", "color=black:s=32x32:r=25:d=1", "-vf", "geq=lum='40+N*8':cb=128:cr=128,select='eq(n,0)+eq(n,1)+eq(n,5)+eq(n,6)+eq(n,12)+eq(n,24)'",
       "-vsync", "vfr", "-video_track_timescale", "25", *x264, "-crf", "4", "-pix_fmt", "yuv420p", "variable-rate.mp4")
# A long one for jumps: 20 seconds, key frames every 2 seconds, open groups, frames out of order. Eight stripes are the bits of the frame's number.
ffmpeg("-f", "lavfi", "-i", "color=black:s=32x32:r=10:d=20", "-vf", "geq=lum='16+219*mod(floor(N/pow(2,floor(X/4))),2)':cb=128:cr=128", "-c:v", "libx264", "-preset", "medium",
       "-x264-params", "threads=1:open-gop=1:keyint=20:min-keyint=20:bframes=3:scenecut=0", "-crf", "24", "-pix_fmt", "yuv420p", "long.mp4")
ffmpeg("-i", "long.mp4", "-c", "copy", "long.mkv")
ffmpeg("-i", "long.mp4", "-c", "copy", "long.ts")
ffmpeg("-i", "long.mp4", "-c", "copy", "-f", "h264", "raw.h264")
tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=1"]
for name, codec in {"tone.wav": ["pcm_s16le"], "tone.mp3": ["libmp3lame", "-b:a", "64k"], "tone.flac": ["flac"],
                    "tone.ogg": ["libvorbis", "-b:a", "64k"], "tone.m4a": ["aac", "-b:a", "64k"], "tone.opus": ["libopus", "-b:a", "32k"]}.items():
    ffmpeg(*tone, "-c:a", *codec, name)
ffmpeg(*tone, "-f", "lavfi", "-i", "sine=frequency=880:sample_rate=44100:duration=1", "-t", "0.2", "-filter_complex", "[0][1]amerge=inputs=2", "-c:a", "pcm_s24le", "stereo.wav")
ffmpeg("-i", "tone.mp3", "-i", "quarters.png", "-map", "0", "-map", "1", "-c", "copy", "-disposition:v", "attached_pic", "-metadata", "title=A tone", "cover.mp3")
ffmpeg(*moving, *moving, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=16000:duration=0.5", "-f", "lavfi", "-i", "sine=frequency=880:sample_rate=16000:duration=0.5",
       "-i", "subtitles.srt", "-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "4", "-filter:v:0", "scale=16:16", *x264, "-c:a", "aac", "-ac:a:1", "2",
       "-c:s", "srt", "-disposition:v:1", "default", "-disposition:v:0", "0", "-metadata:s:a:0", "language=fra", "-metadata:s:a:1", "language=eng", "-pix_fmt", "yuv420p", "tracks.mkv")
# The sound begins half a second after the picture.
ffmpeg(*moving, "-itsoffset", "0.5", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=16000:duration=0.5", *x264, "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le", "late-sound.mkv")
# A second of sound of which the middle half was lost.
ffmpeg("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=16000:duration=1", "-af", "aselect='lt(t,0.25)+gte(t,0.75)'", "-c:a", "pcm_s16le", "gap.mkv")
# Half a second of sound, and the other half ten hours later.
ffmpeg("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=16000:duration=1", "-af", r"asetpts=if(lt(T\,0.5)\,PTS\,PTS+36000/TB)", "-c:a", "libopus", "-b:a", "24k", "far-gap.mkv")
ffmpeg(*moving, "-c:v", "gif", "moving.gif")
ffmpeg(*moving, "-c:v", "libwebp_anim", "-lossless", "1", "moving.webp")
ffmpeg(*moving, "-c:v", "mpeg4", "-q:v", "2", "-pix_fmt", "yuv420p", "older.avi")
os.remove("upright.mp4")

for name in ["ten-bit.mp4", "four-two-two.mp4", "four-four-four.mp4", "ten-bit-422.mp4", "full-range-709.mp4", "studio-709.mp4", "odd-size.webm", "older.avi", "moving.gif", "av1.mp4"]:
    with av.open(name) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    frames[-1].tofile(name.rsplit(".", 1)[0] + ".rgb")
for name in sorted(os.listdir(".")):
    print(os.path.getsize(name), name)
