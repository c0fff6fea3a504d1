"""The settings of a run: one JSON file, read into frozen dataclasses. Widening the world or the networks is a change of that file.

A checkpoint stores the settings it was trained with; `fingerprint` tells whether a stage's caches still fit them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class World:
    seed: int = 20261121
    frame_px: int = 64
    fps: int = 8
    frames: int = 16
    things: tuple[str, ...] = ()  # names in `things.CATALOGUE`; empty = the catalogue's first 16
    sizes_one_px: tuple[int, ...] = (28, 32, 36)
    sizes_two_px: tuple[int, ...] = (24,)
    two_share: float = 0.35
    grid_px: int = 2  # sprites start on this grid: fewer distinct pictures to learn
    jitter: float = 6.0  # of the background's colour, in 8-bit steps
    held_out_of: int = 10  # one in so many (thing, motion, background) triples is never trained on
    sample_rate: int = 16000
    spoken_share: float = 0.2
    silent_share: float = 0.08


@dataclass(frozen=True)
class Codec:
    patch_px: int = 8
    rim_px: int = 4  # how far a patch's learned part reaches into its neighbours
    channels: int = 48
    flatten: float = 0.5  # 0: latents keep the pixels' energies, 1: every channel has the same; between: coarse before fine under noise
    width: int = 160
    depth: int = 2
    heads: int = 5
    noise: float = 0.05  # added to latents while the pixels' half is trained
    sprite_weight: float = 6.0
    edge_weight: float = 1.0  # of steps between pixels
    batch_frames: int = 24
    rate: float = 2e-3


@dataclass(frozen=True)
class Mel:
    window: int = 1024
    hop: int = 500  # four columns to a video frame at 8 fps
    bands: int = 48
    low_hz: float = 60.0
    high_hz: float = 7600.0
    floor: float = 1e-3


@dataclass(frozen=True)
class Understanding:
    eye_width: int = 160
    eye_depth: int = 3
    eye_heads: int = 5
    eye_frames: int = 4  # frames to an eye token, of token_latents x token_latents latents each
    token_latents: int = 2
    ear_width: int = 96
    ear_depth: int = 2
    ear_heads: int = 3
    ear_columns: int = 4  # mel columns to an ear token
    expert_every: int = 2
    experts: int = 4
    expert_hidden: int = 64
    expert_top: int = 2
    batch_clips_a: int = 32
    rate_a: float = 1e-3
    h264_share: float = 0.3
    batch_clips_b: int = 4
    questions_b: int = 3
    rate_b: float = 1e-3
    without_sound: float = 0.08  # share of the batches of stage B whose clips have no sound, or nothing but sound
    without_picture: float = 0.08
    balance: float = 0.01
    window_frames: int = 16  # the eye and the ear see so much at a time; a longer clip is several windows


@dataclass(frozen=True)
class Flow:
    width: int = 192
    depth: int = 6
    heads: int = 4
    experts: int = 4
    expert_top: int = 2
    expert_hidden: int = 256
    trunk_layers: tuple[int, ...] = (4, 10, 16)
    chunk_frames: int = 4
    token_latents: int = 2  # latents along each side of a token
    rim_latents: int = 1  # how far a token is read from, and drawn into, its neighbours (since minute 695)
    both_grids: bool = True  # make the last step of a film on the shifted grid as well, and blend what both draw
    shifted_share: float = 0.35  # share of the batches on it (since minute 881; to minute 948 half, at all levels)
    shifted_levels: tuple[float, float] = (0.1, 0.65)  # their noise levels
    history_chunks: int = 2  # how far back a chunk looks
    told_chunks: int = 3  # later chunks of a shot that are told their number; those after them only that they are later ones
    batch_tokens: int = 2048
    rate_muon: float = 0.02
    rate_adam: float = 2e-3
    prompt_drop: float = 0.1
    history_drop: float = 0.1
    history_noise: float = 0.15
    told: float = 0.6  # share of the batches whose chunks are all told their number; in half of the others none is
    shift_mean: float = 0.8  # t = sigmoid(N(shift_mean, 1)): towards noise
    fine_share: float = 0.15  # share of the noise levels that are drawn from `fine` instead, where the ends of things are decided (from minute 801 to 868: 0.25)
    fine: tuple[float, float] = (0.1, 0.4)
    time_floor: float = 0.2  # in the v-loss of the x-prediction
    sprite_weight: float = 3.0
    pixel_weight: float = 1.0  # of errors as they are in pixels: those of a token's tint show as seams, and are small among the latents (since minute 606)
    sound_weight: float = 0.5
    align_weight: float = 0.5  # of naming, from the middle of the network, what stands where
    balance: float = 0.01
    # Shares of the training batches: single frames, first chunks, chunks with earlier ones, with later ones, with both. Many single
    # frames (0.4) teach what things look like in the first hour; motion is learned from the others.
    share_still: float = 0.05
    share_first: float = 0.2
    share_prefix: float = 0.55
    share_suffix: float = 0.1
    share_both: float = 0.1
    beyond: float = 0.4  # share of the batches with earlier chunks that go on after the clip's end (since minute 654), up to a whole clip
    two_share: float = 0.5  # share of clips with two things in the batches: they are harder than one, and fewer in the pool
    # How often scenes with each motion are in the batches, in the order of `things.MOTIONS` (right, left, rise, fall, bounce, spin, grow,
    # shrink). Drawn evenly, things at each of their turns are a hundred times rarer than upright ones: after 330 minutes the other seven
    # motions were right in 169 of 192 cases, and none of 30 things span. With 6 for spinning, single large things became rougher.
    motion_odds: tuple[float, ...] = (1, 1, 2, 1.5, 1, 4, 1.5, 1)
    caption_pool: int = 6000


@dataclass(frozen=True)
class Config:
    name: str = "small"
    world: World = field(default_factory=World)
    codec: Codec = field(default_factory=Codec)
    mel: Mel = field(default_factory=Mel)
    understanding: Understanding = field(default_factory=Understanding)
    flow: Flow = field(default_factory=Flow)

    @property
    def token_px(self) -> int:
        """Side of a token of the flow decoder."""
        return self.codec.patch_px * self.flow.token_latents


PARTS = {"world": World, "codec": Codec, "mel": Mel, "understanding": Understanding, "flow": Flow}


def load(path: str | os.PathLike | None) -> Config:
    """Reads a settings file. Unknown names are errors, so that a misspelled one is not quietly ignored."""
    if path is None:
        return Config()
    raw = json.loads(Path(path).read_text())
    parts = {}
    for name, kind in PARTS.items():
        given = raw.pop(name, {})
        known = {f.name for f in dataclasses.fields(kind)}
        if unknown := set(given) - known:
            raise SystemExit(f"{path}: unknown setting {name}.{sorted(unknown)[0]}")
        parts[name] = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
    name = raw.pop("name", "small")
    if raw:
        raise SystemExit(f"{path}: unknown part {sorted(raw)[0]}")
    return Config(name=name, **parts)


def as_dict(config) -> dict:
    return dataclasses.asdict(config)


def fingerprint(*parts) -> str:
    """Short hash of settings: names a cache that must be made anew when they change."""
    text = json.dumps([dataclasses.asdict(p) for p in parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
