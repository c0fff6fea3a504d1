"""Files as a viewer would have them: H.264 in mp4, written and read back in memory; PNG sheets."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from PIL import Image

av.logging.set_level(av.logging.ERROR)


def h264_round_trip(clip: np.ndarray, fps: int = 8, crf: int = 23, side: int | None = None) -> np.ndarray:
    """uint8 (T, H, W, 3) -> the same after libx264 in mp4, 4:2:0. `side` also resizes on the way there and back."""
    T, H, W, _ = clip.shape
    h, w = (side, side) if side else (H, W)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = w, h, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"crf": str(crf), "preset": "veryfast", "threads": "1"}
        for frame in clip:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            for packet in stream.encode(picture):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    buffer.seek(0)
    with av.open(buffer) as container:
        container.streams.video[0].codec_context.thread_count = 1
        out = [f.to_ndarray(format="rgb24", width=W, height=H, interpolation="BILINEAR") for f in container.decode(video=0)]
    return np.stack(out)


def sheet(rows: list[np.ndarray], path, columns: int = 8, scale: int = 2, side_by_side: int = 1):
    """Clips (T, H, W, 3) as rows of `columns` frames each."""
    strips = []
    for clip in rows:
        picks = np.linspace(0, len(clip) - 1, min(columns, len(clip))).round().astype(int)
        strips.append(np.concatenate([clip[i] for i in picks], 1))
    while len(strips) % side_by_side:
        strips.append(np.zeros_like(strips[0]))
    per = len(strips) // side_by_side
    picture = np.concatenate([np.concatenate(strips[i * per : (i + 1) * per], 0) for i in range(side_by_side)], 1)
    image = Image.fromarray(picture)
    image.resize((image.width * scale, image.height * scale), Image.NEAREST).save(path)


def write_mp4(path, clip: np.ndarray, sound: np.ndarray | None = None, fps: int = 8, rate: int = 16000, scale: int = 4):
    """Writes a clip, enlarged `scale` times without smoothing, with AAC sound."""
    big = clip.repeat(scale, 1).repeat(scale, 2)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(fps))
        video.width, video.height, video.pix_fmt = big.shape[2], big.shape[1], "yuv420p"
        video.options = {"crf": "18"}
        audio = container.add_stream("aac", rate=rate, layout="mono") if sound is not None else None
        for frame in big:
            for packet in video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")):
                container.mux(packet)
        if audio:
            wave = av.AudioFrame.from_ndarray(sound.astype(np.float32)[None], format="fltp", layout="mono")
            wave.sample_rate, wave.pts = rate, 0
            for packet in audio.encode(wave):
                container.mux(packet)
        for stream in filter(None, (video, audio)):
            for packet in stream.encode():
                container.mux(packet)
