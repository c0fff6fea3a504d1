"""The pool of prompts that the flow decoder trains on: scenes in words, what the trunk's K and V say about each, and each one's sound.

What the words leave open (size, start, colour jitter) is drawn anew every time a prompt is used."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from . import config as configuration
from . import language, world
from .layers import tensor
from .sound import MelPicture, Speaker, render
from .trunk import Trunk


@dataclasses.dataclass
class Pool:
    scenes: list[world.Scene]
    captions: list[str]
    rows: np.ndarray  # (total, prompt) float16, one prompt after the other
    starts: np.ndarray  # (N + 1,)
    mel: np.ndarray  # (N, columns, bands) float16

    def __len__(self):
        return len(self.scenes)

    def batch(self, chosen) -> tuple[torch.Tensor, torch.Tensor]:
        """Prompt rows (B, M, prompt) with zeros at the end, M a multiple of 8 (few sizes), and lengths (B,)."""
        parts = [tensor(self.rows[self.starts[i] : self.starts[i + 1]].astype(np.float32)) for i in chosen]
        rows = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
        return F.pad(rows, (0, 0, 0, -rows.shape[1] % 8)), torch.tensor([len(p) for p in parts])


def build(config: configuration.Config, folder: Path, split: str, count: int, seed: int, going_on=lambda: True, part: int = 250) -> Pool:
    """Makes what is missing of the pool, in parts that are kept; fewer than `count` prompts if `going_on` says so."""
    key = configuration.fingerprint(config.world, config.mel) + "-" + "-".join(map(str, config.flow.trunk_layers))
    home = folder / "cache" / f"prompts-{split}-{seed}-{key}"
    home.mkdir(parents=True, exist_ok=True)
    trunk = speaker = mel = None
    parts = []
    for first in range(0, count, part):
        path = home / f"{first:06d}.npz"
        if not path.exists():
            if not going_on():
                break
            if trunk is None:
                trunk = Trunk(layers=max(config.flow.trunk_layers) + 1)
                speaker, mel = Speaker(config.world.sample_rate), MelPicture(config.mel, config.world.sample_rate)
            scenes = [world.scene(config.world, seed, i, split) for i in range(first, first + part)]
            captions = [language.caption(s, np.random.default_rng([seed, i])) for i, s in enumerate(scenes, first)]
            rows = trunk.prompt_rows(captions, config.flow.trunk_layers)
            pictures = np.stack([mel.picture(render(config.world, s, speaker)) for s in scenes])
            text = json.dumps([dict(scene=s.as_dict(), caption=c) for s, c in zip(scenes, captions)])
            partial = path.with_suffix(".partial.npz")
            np.savez(partial, rows=torch.cat(rows).cpu().numpy().astype(np.float16), lengths=np.array([len(r) for r in rows]), mel=pictures.astype(np.float16), text=np.array(text))
            partial.replace(path)
        parts.append(np.load(path))
    if not parts:
        raise SystemExit(f"{home} has no prompts yet: run train_prompts first")
    said = [x for p in parts for x in json.loads(str(p["text"]))]
    scenes = [world.Scene(**{k: tuple(v) if isinstance(v, list) else v for k, v in x["scene"].items()}) for x in said]
    lengths = np.concatenate([p["lengths"] for p in parts])
    return Pool(scenes, [x["caption"] for x in said], np.concatenate([p["rows"] for p in parts]), np.concatenate([[0], np.cumsum(lengths)]), np.concatenate([p["mel"] for p in parts]))
