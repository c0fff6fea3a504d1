"""Eye and ear: a window of latents, or of log-mel columns, becomes a few tokens in the trunk's embedding space, one a slot.

A slot answers one question about the window (the first thing, its motion, its place, ...). Its vector is the mean word embedding plus a
direction, trained (without the trunk) to point at the word that is right; so the frozen trunk reads something close to words."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from . import config as configuration
from .layers import Block, Norm, grid_positions, norm, rope
from .things import BACKGROUND_NAMES, MOTION_NAMES, PLACES
from .world import Scene, things_of

NONE = "none"
MOTION_WORDS = {"right": "right", "left": "left", "rise": "rises", "fall": "falls", "bounce": "bounces", "spin": "spins", "grow": "grows", "shrink": "shrinks"}
PLACE_WORDS = {"left": "left", "right": "right", "above": "top", "below": "bottom"}
SOUND_WORDS = {"right": "ticks", "left": "knocks", "rise": "rising", "fall": "falling", "bounce": "thumps", "spin": "trill", "grow": "swelling", "shrink": "fading", "voice": "voice"}
VIDEO_SLOTS = ("thing1", "motion1", "place1", "thing2", "motion2", "place2", "background", "count")
AUDIO_SLOTS = ("sound1", "sound2", "spoken")


def slot_words(config: configuration.World) -> dict[str, list[str]]:
    """The words that each slot chooses among."""
    things, motions = list(things_of(config)), [MOTION_WORDS[m] for m in MOTION_NAMES]
    places, sounds = [PLACE_WORDS[p] for p in PLACES], list(SOUND_WORDS.values())
    return {
        "thing1": things,
        "motion1": motions,
        "place1": [*places, NONE],
        "thing2": [*things, NONE],
        "motion2": [*motions, NONE],
        "place2": [*places, NONE],
        "background": list(BACKGROUND_NAMES),
        "count": ["one", "two"],
        "sound1": [*sounds, NONE],
        "sound2": [*sounds, NONE],
        "spoken": [*things, NONE],
    }


def slot_answers(scene: Scene) -> dict[str, str]:
    two = len(scene.things) == 2
    out = {"background": scene.background, "count": "two" if two else "one", "thing2": NONE, "motion2": NONE, "place2": NONE, "place1": NONE}
    for i, (thing, motion) in enumerate(zip(scene.things, scene.motions), 1):
        out |= {f"thing{i}": thing, f"motion{i}": MOTION_WORDS[motion]}
        if two:
            out[f"place{i}"] = PLACE_WORDS[scene.places[i - 1]]
    sounds = list(dict.fromkeys(scene.motions)) if scene.sound == "event" else ["voice"] if scene.sound == "voice" else []
    heard = [SOUND_WORDS[s] for s in sounds] + [NONE, NONE]
    return out | {"sound1": heard[0], "sound2": heard[1], "spoken": scene.spoken or NONE}


class Sense(nn.Module):
    """Tokens (B, N, inputs) at fixed positions, plus a learned query a slot -> (B, slots, trunk width)."""

    def __init__(self, inputs: int, width: int, depth: int, heads: int, slots: int, positions: torch.Tensor, trunk_width: int):
        super().__init__()
        self.inlet = nn.Linear(inputs, width)
        self.positions = positions  # (N, axes)
        self.spot = nn.Parameter(torch.randn(len(positions), width) * 0.3)
        self.queries = nn.Parameter(torch.randn(slots, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = Norm(width)
        self.outlet = nn.Linear(width, trunk_width, bias=False)
        self.head = width // heads

    def forward(self, x):
        B, slots = len(x), len(self.queries)
        # Queries stand far outside the grid.
        where = torch.cat([self.positions, torch.full((slots, self.positions.shape[1]), -8.0)]).to(x.device)
        table = rope(where, self.head)
        x = torch.cat([self.inlet(x) + self.spot, self.queries.expand(B, -1, -1)], 1)
        for block in self.blocks:
            x = block(x, table)
        return norm(self.outlet(self.norm(x[:, -slots:])))


def eye_tokens(latents: torch.Tensor, frames: int, side: int) -> torch.Tensor:
    """(B, T, h, w, C) -> (B, T/frames * h/side * w/side, frames * side * side * C): inside a token frame, row, column, channel."""
    B, T, h, w, C = latents.shape
    x = latents.reshape(B, T // frames, frames, h // side, side, w // side, side, C)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(B, (T // frames) * (h // side) * (w // side), -1)


class Senses(nn.Module):
    def __init__(self, config: configuration.Config, word_table: torch.Tensor):
        """word_table: the trunk's embeddings (vocabulary, width); only their mean and spread are kept."""
        super().__init__()
        u, w = config.understanding, config.world
        self.u = u
        side = w.frame_px // config.codec.patch_px // u.token_latents
        T = u.window_frames // u.eye_frames
        t = torch.arange(T).float().repeat_interleave(side * side)[:, None]
        grid = torch.cat([t, grid_positions(side, side).repeat(T, 1)], 1)
        width = word_table.shape[1]
        self.eye = Sense(u.eye_frames * u.token_latents**2 * config.codec.channels, u.eye_width, u.eye_depth, u.eye_heads, len(VIDEO_SLOTS), grid, width)
        columns = u.window_frames * w.sample_rate // w.fps // config.mel.hop
        line = torch.stack([torch.arange(columns // u.ear_columns).float(), torch.zeros(columns // u.ear_columns)], 1)
        self.ear = Sense(u.ear_columns * config.mel.bands, u.ear_width, u.ear_depth, u.ear_heads, len(AUDIO_SLOTS), line, width)
        self.register_buffer("centre", word_table.mean(0))
        self.register_buffer("spread", (word_table - word_table.mean(0)).square().mean().sqrt())

    def see(self, latents: torch.Tensor) -> torch.Tensor:
        """(B, window_frames, h, w, C) -> (B, video slots, width), RMS 1: directions from `centre`."""
        return self.eye(eye_tokens(latents, self.u.eye_frames, self.u.token_latents))

    def hear(self, mel: torch.Tensor) -> torch.Tensor:
        """(B, columns, bands) -> (B, audio slots, width)"""
        B, n, bands = mel.shape
        return self.ear(mel.reshape(B, n // self.u.ear_columns, -1))

    def embed(self, directions: torch.Tensor) -> torch.Tensor:
        """What the trunk is given."""
        return self.centre + self.spread * directions


def concept_table(config: configuration.World, trunk) -> tuple[dict[str, list[str]], dict[str, torch.Tensor]]:
    """For each slot its words, and their centred, normalised embeddings (n, width)."""
    words, centre = slot_words(config), trunk.emb.mean(0)
    one = lambda w: F.normalize(trunk.emb[trunk.ids(" " + w)].mean(0) - centre, dim=0)
    return words, {slot: torch.stack([one(w) for w in ws]) for slot, ws in words.items()}


def slot_scores(directions: torch.Tensor, table: dict[str, torch.Tensor], slots, sharpness: float = 20.0) -> dict[str, torch.Tensor]:
    """Cosine scores (B, words) of each slot."""
    u = F.normalize(directions, dim=-1)
    return {s: sharpness * u[:, i] @ table[s].T for i, s in enumerate(slots)}
