"""Stage 4 (A): eye and ear learn to point at the right words, without the trunk. Usage: python -m soranji_training.train_senses --minutes 15

A share of the clips goes through H.264 and a resize, as files that are read back do."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import prompts, world
from . import stage as stages
from .codec import Codec, to_float
from .layers import tensor
from .media import h264_round_trip
from .optimiser import Both
from .senses import AUDIO_SLOTS, VIDEO_SLOTS, Senses, concept_table, slot_answers, slot_scores
from .trunk import Trunk

VOICE_ROLL = 12  # mel columns a spoken word may be moved by


def damaged(clip: np.ndarray, r: np.random.Generator) -> np.ndarray:
    side = (None, None, 96, 128)[int(r.integers(4))]
    return h264_round_trip(clip, crf=int(r.integers(16, 31)), side=side)


def clip_batch(config, pool, painter, codec, r, count: int, h264_share: float):
    """Fresh drawings of scenes of the pool: (scenes, latents (B, T, h, w, C), mel (B, columns, bands))."""
    chosen = r.integers(len(pool), size=count)
    scenes, frames = [], []
    for i in chosen:
        scene = dataclasses.replace(pool.scenes[i], draw=int(r.integers(2**31)))
        clip = painter.paint(scene)[0]
        scenes.append(scene)
        frames.append(damaged(clip, r) if r.random() < h264_share else clip)
    with torch.no_grad():
        z = codec.encode(to_float(np.concatenate(frames))).view(count, config.world.frames, *[config.world.frame_px // config.codec.patch_px] * 2, -1)
        z = z + 0.05 * torch.rand(count, 1, 1, 1, 1) * torch.randn_like(z)
    mel = pool.mel[chosen].astype(np.float32)
    for k, scene in enumerate(scenes):
        if scene.sound == "voice":
            mel[k] = np.roll(mel[k], int(r.integers(-VOICE_ROLL, VOICE_ROLL + 1)), 0)
        mel[k] += np.where(mel[k] > -0.99, r.uniform(-0.15, 0.1), 0)  # loudness
    mel = tensor(mel)
    return scenes, z, (mel + 0.03 * torch.randn_like(mel)).clamp(-1, 1)


def targets(scenes, words):
    answers = [slot_answers(s) for s in scenes]
    return {slot: torch.tensor([ws.index(a[slot]) for a in answers]) for slot, ws in words.items()}


def is_matrix(name, p):
    return ".blocks." in name and p.dim() == 2


def main():
    args = stages.arguments(__doc__, 15).parse_args()
    st = stages.Stage("senses", args)
    config, u = st.config, st.config.understanding
    trunk = Trunk(layers=0)
    words, table = concept_table(config.world, trunk)
    pool = prompts.build(config, st.folder, "train", config.flow.caption_pool, 21, lambda: False)
    held = prompts.build(config, st.folder, "test", 500, 21, lambda: False)
    painter = world.Painter(config.world)
    codec = stages.load_weights(Codec(config.codec), st.folder / "codec.safetensors")
    torch.manual_seed(args.seed)
    model = Senses(config, trunk.emb)
    optimiser = Both(model.named_parameters(), 0.01, u.rate_a, is_matrix)
    ema = stages.Average(model, 0.995)
    st.resume(model, optimiser, ema)

    torch.manual_seed(3)
    checks = clip_batch(config, held, painter, codec, np.random.default_rng(3), 160, 1.0)

    def both_scores(z, mel):
        return slot_scores(model.see(z), table, VIDEO_SLOTS) | slot_scores(model.hear(mel), table, AUDIO_SLOTS)

    @torch.no_grad()
    def evaluate():
        keep = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(ema.values)
        scenes, z, mel = checks
        y, s = targets(scenes, words), both_scores(z, mel)
        model.load_state_dict(keep)
        st.log(**{k: round((s[k].argmax(-1) == y[k]).float().mean().item(), 3) for k in s})

    while st.goes_on():
        r = st.begin_step()
        scenes, z, mel = clip_batch(config, pool, painter, codec, r, u.batch_clips_a, u.h264_share)
        y, s = targets(scenes, words), both_scores(z, mel)
        loss = torch.stack([F.cross_entropy(s[k], y[k]) for k in s]).sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step(st.rate(40, 1500))
        st.step += 1
        ema.update(model, st.step)
        st.note(loss=loss.item())
        if st.every(120):
            evaluate()
            st.save(model, optimiser, ema)
    evaluate()
    st.save(model, optimiser, ema)


if __name__ == "__main__":
    main()
