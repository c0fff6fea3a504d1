"""The procedural world: what happens in a clip (`Scene`), and its pictures.

`scene(config, seed, index, split)` is a pure function of its arguments; so are the pictures that `Painter.paint` makes of it.
A clip is `frames` pictures of `frame_px` x `frame_px`, RGB 8 bit, with one or two sprites. One in `held_out_of` of the triples
(thing, motion, background) is never drawn for the split "train"; a clip of the split "test" holds at least one of those."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .config import World
from .things import BACKGROUND_NAMES, BACKGROUNDS, CATALOGUE, MOTION_NAMES

FONTS = ("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", "/usr/share/fonts/noto/NotoColorEmoji.ttf")
SPLITS = {"train": 0, "test": 1, "seen": 2}  # "seen": fresh clips of trained triples
SPIN_STEPS = 16


@dataclass(frozen=True)
class Scene:
    things: tuple[str, ...]  # the left or upper one first
    motions: tuple[str, ...]
    background: str
    axis: str  # "x": two things side by side, "y": one above the other, "": one thing
    sound: str  # "event", "voice" or "none"
    spoken: str  # the word, where a voice speaks
    draw: int  # seeds what the words leave open: size, start, colour jitter

    @property
    def places(self) -> tuple[str, ...]:
        return {"x": ("left", "right"), "y": ("above", "below"), "": ("",)}[self.axis]

    def as_dict(self) -> dict:
        return asdict(self)


def things_of(config: World) -> tuple[str, ...]:
    return config.things or tuple(CATALOGUE)[:16]


def held_out(config: World, thing: str, motion: str, background: str) -> bool:
    return zlib.crc32(f"{thing}|{motion}|{background}".encode()) % config.held_out_of == 0


def scene(config: World, seed: int, index: int, split: str = "train") -> Scene:
    r = np.random.default_rng([config.seed, seed, index, SPLITS[split]])
    names = things_of(config)
    while True:
        background = BACKGROUND_NAMES[r.integers(len(BACKGROUND_NAMES))]
        count = 2 if r.random() < config.two_share else 1
        things = tuple(names[i] for i in r.choice(len(names), count, replace=False))
        motions = tuple(MOTION_NAMES[r.integers(len(MOTION_NAMES))] for _ in range(count))
        held = [held_out(config, t, m, background) for t, m in zip(things, motions)]
        if any(held) if split == "test" else not any(held):
            break
    axis = ""
    if count == 2:
        across, along = {"left", "right"} & set(motions), {"rise", "fall", "bounce"} & set(motions)
        # A thing needs room along its way; where both want room, the lanes lie across and the upright ways are shorter.
        axis = "y" if across else "x" if along else ("x", "y")[r.integers(2)]
    u = r.random()
    sound = "voice" if u < config.spoken_share else "none" if u < config.spoken_share + config.silent_share else "event"
    return Scene(things, motions, background, axis, sound, names[r.integers(len(names))] if sound == "voice" else "", int(r.integers(2**31)))


@dataclass
class Track:
    """Where one sprite is in each frame: centre in pixels, size in pixels, turn in sixteenths of a circle."""

    x: np.ndarray
    y: np.ndarray
    size: np.ndarray
    turn: np.ndarray


def bounce_height(t: np.ndarray) -> np.ndarray:
    """0 on the ground, 1 at the top; two jumps in a clip, on the ground at 0, 1/2 and 1."""
    return np.abs(np.sin(2 * np.pi * t))


def tracks(config: World, scene: Scene, frames: int = 0) -> list[Track]:
    """Tracks of a clip or, with more `frames`, of what comes after it, too: what spins or bounces goes on, all else stays where it came to."""
    r = np.random.default_rng([scene.draw, 1])
    n, px, g = config.frames, config.frame_px, config.grid_px
    t = np.arange(n) / (n - 1)
    unit, out = px / 64, []
    snap = lambda v: np.round(v / g) * g
    for i, motion in enumerate(scene.motions):
        two = bool(scene.axis)
        sizes = config.sizes_two_px if two else config.sizes_one_px
        size = float(r.choice(sizes)) * unit
        cx = cy = px / 2
        way_x = way_y = 17 * unit
        lane = px / 4 if i == 0 else px * 3 / 4
        if not two:
            cx += snap(r.uniform(-5, 5) * unit)
            cy += snap(r.uniform(-5, 5) * unit)
        elif scene.axis == "x":
            cx, cy, way_x = lane, cy + snap(r.uniform(-4, 4) * unit), 5 * unit
        else:
            cx, cy, way_y = cx + snap(r.uniform(-4, 4) * unit), lane, 5 * unit
        if motion == "spin":
            # In the middle of its lane and of one size: sixteen turns at every place and size would be most of what there is to learn.
            cx, cy = {"": (px / 2, px / 2), "x": (lane, px / 2), "y": (px / 2, lane)}[scene.axis]
            size = float(sizes[len(sizes) // 2]) * unit
        x, y, s, a = np.full(n, cx), np.full(n, cy), np.full(n, size), np.zeros(n, int)
        if motion in ("right", "left"):
            x = (cx if two and scene.axis == "x" else px / 2) + (2 * t - 1) * way_x * (1 if motion == "right" else -1)
        elif motion in ("rise", "fall"):
            y = (cy if two and scene.axis == "y" else px / 2) + (2 * t - 1) * way_y * (1 if motion == "fall" else -1)
        elif motion == "bounce":
            y = (cy if two and scene.axis == "y" else px / 2) + way_y * (0.75 - 1.5 * bounce_height(t))
        elif motion == "spin":
            a = (np.arange(n) * SPIN_STEPS // n) % SPIN_STEPS
        elif motion in ("grow", "shrink"):
            s = size * (0.55 + 0.6 * (t if motion == "grow" else 1 - t))
        k = np.arange(max(frames, n))
        k = k % n if motion in ("spin", "bounce") else np.minimum(k, n - 1)
        out.append(Track(np.round(x).astype(int)[k], np.round(y).astype(int)[k], (np.round(s / 2) * 2).astype(int)[k], a[k]))
    return out


class Painter:
    """Draws scenes; keeps the scaled and turned sprites it has made."""

    def __init__(self, config: World):
        self.config, self.glyphs, self.sprites = config, {}, {}
        self.font = next((ImageFont.truetype(f, 109) for f in FONTS if __import__("os").path.exists(f)), None)
        if self.font is None:
            raise SystemExit("Noto Color Emoji is missing; install fonts-noto-color-emoji")

    def glyph(self, thing: str) -> Image.Image:
        if thing not in self.glyphs:
            picture = Image.new("RGBA", (176, 176))
            ImageDraw.Draw(picture).text((16, 16), CATALOGUE[thing][0], font=self.font, embedded_color=True)
            picture = picture.crop(picture.getbbox())
            side = max(picture.size)
            square = Image.new("RGBA", (side, side))
            square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
            self.glyphs[thing] = square
        return self.glyphs[thing]

    def sprite(self, thing: str, size: int, turn: int = 0) -> np.ndarray:
        """(h, w, 4) float32 in 0...1, colours multiplied by alpha; turned sprites are larger than `size`."""
        key = (thing, size, turn)
        if key not in self.sprites:
            picture = self.glyph(thing)
            if turn:
                wide = int(picture.width * 1.25)
                canvas = Image.new("RGBA", (wide, wide))
                canvas.paste(picture, ((wide - picture.width) // 2,) * 2)
                picture = canvas.rotate(-turn * 360 / SPIN_STEPS, Image.BICUBIC)
                size = 2 * round(size * 1.25 / 2)
            a = np.array(picture.resize((size, size), Image.LANCZOS), np.float32) / 255
            a[..., :3] *= a[..., 3:]
            self.sprites[key] = a
        return self.sprites[key]

    def backdrop(self, background: str, draw: int) -> np.ndarray:
        """(px, px, 3) float32 in 0...255: a vertical gradient, its colour shifted a little by `draw`."""
        px, b = self.config.frame_px, BACKGROUNDS[background]
        shift = np.random.default_rng([draw, 2]).uniform(-self.config.jitter, self.config.jitter, 3)
        g = np.linspace(0, 1, px)[:, None, None]
        return np.broadcast_to(np.array(b.top) * (1 - g) + np.array(b.bottom) * g + shift, (px, px, 3)).astype(np.float32)

    def paint(self, scene: Scene, times=None) -> tuple[np.ndarray, np.ndarray]:
        """Frames (n, px, px, 3) uint8 and the sprites' cover (n, px, px) float32 in 0...1; `times` picks frames,
        which may be after the clip's end."""
        times = range(self.config.frames) if times is None else times
        back, paths, px = self.backdrop(scene.background, scene.draw), tracks(self.config, scene, max(times) + 1), self.config.frame_px
        out, cover = np.empty((len(times), px, px, 3), np.uint8), np.zeros((len(times), px, px), np.float32)
        for k, t in enumerate(times):
            frame = back.copy()
            for thing, p in zip(scene.things, paths):
                s = self.sprite(thing, int(p.size[t]), int(p.turn[t]))
                h = s.shape[0]
                x, y = int(p.x[t]) - h // 2, int(p.y[t]) - h // 2
                x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + h, px), min(y + h, px)
                if x0 < x1 and y0 < y1:
                    q = s[y0 - y : y1 - y, x0 - x : x1 - x]
                    frame[y0:y1, x0:x1] = frame[y0:y1, x0:x1] * (1 - q[..., 3:]) + q[..., :3] * 255
                    cover[k, y0:y1, x0:x1] = np.maximum(cover[k, y0:y1, x0:x1], q[..., 3])
            out[k] = np.clip(np.round(frame), 0, 255)
        return out, cover
