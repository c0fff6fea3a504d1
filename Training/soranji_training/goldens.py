"""Small reference results for the Swift tests: tiny networks with seeded random weights, their inputs and outputs, f32.

Usage: python -m soranji_training.goldens --out FOLDER. One safetensors file a case: `w.*` weights by their names in a checkpoint,
`in.*`, `out.*`; the settings as JSON in the metadata."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from . import config as configuration, grids
from .codec import Codec
from .flow import INSIDE, START, STILL, FlowDecoder, film, prompt_masks, tokens_of
from .grown import Grown
from .senses import Senses
from .sound import MelPicture
from .trunk import Dims, Trunk

MEL = configuration.Mel(window=256, hop=125, bands=12, low_hz=60, high_hz=1900)
CONFIG = configuration.Config(
    name="golden",
    world=configuration.World(frame_px=32, frames=8, sample_rate=4000),
    codec=configuration.Codec(channels=6, width=24, depth=2, heads=2),
    mel=MEL,
    understanding=configuration.Understanding(eye_width=32, eye_depth=2, eye_heads=2, ear_width=32, ear_depth=1, ear_heads=2, expert_hidden=8, window_frames=8),
    flow=configuration.Flow(width=32, depth=2, heads=2, expert_hidden=16, chunk_frames=2, trunk_layers=(1, 3), told_chunks=2, both_grids=False),
)


def randomise(model, seed: int):
    """Every tensor gets values, also those that training starts at zero."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.state_dict().items():
        fan = p.shape[-1] if p.dim() > 1 else 1
        value = torch.randn(p.shape, generator=g) * (0.7 * fan**-0.5 if p.dim() > 1 else 0.2)
        if name.endswith(("gain", "gains", "scale", "spread")):
            value = 1 + 0.2 * torch.randn(p.shape, generator=g)
        if name.endswith("sharpness"):
            value = 1.5 + 0.2 * torch.randn(p.shape, generator=g)
        p.copy_(value)
    return model


def write(folder: Path, name: str, model, inputs: dict, outputs: dict, extra: dict | None = None):
    values = {f"w.{k}": v for k, v in (model.state_dict() if hasattr(model, "state_dict") else model or {}).items()}
    values |= {f"in.{k}": v for k, v in inputs.items()} | {f"out.{k}": v for k, v in outputs.items()}
    meta = dict(config=json.dumps(configuration.as_dict(CONFIG) | (extra or {})))
    save_file({k: v.detach().contiguous().clone() for k, v in values.items()}, folder / f"{name}.safetensors", meta)


def tiny_trunk(seed: int) -> Trunk:
    t = Trunk.__new__(Trunk)
    t.dims, t.loaded, t.tokenizer = Dims(32, 4, 4, 2, 8, 1e-5, 100000.0), 4, None
    g = torch.Generator().manual_seed(seed)
    rand = lambda *s: torch.randn(*s, generator=g) * s[-1] ** -0.5
    d, kv = 32, 2 * 8
    t.w = {"emb": rand(64, d), "norm": 1 + 0.1 * torch.randn(d, generator=g)}
    for i in range(4):
        t.w |= {f"{i}.qkv": rand(d + 2 * kv, d), f"{i}.o": rand(d, d), f"{i}.gate_up": rand(96, d), f"{i}.down": rand(d, 48), f"{i}.n1": 1 + 0.1 * torch.randn(d, generator=g), f"{i}.n2": 1 + 0.1 * torch.randn(d, generator=g)}
    t.emb = t.w["emb"]
    return t


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    c, g = CONFIG, torch.Generator().manual_seed(1)
    rand = lambda *s: torch.randn(*s, generator=g)

    codec = randomise(Codec(c.codec), 2)
    frames = torch.rand(2, 32, 24, 3, generator=g) * 2 - 1  # taller than wide
    z = codec.encode(frames)
    write(out, "codec", codec, dict(frames=frames), dict(latents=z, frames=codec.decode(z)))

    drawn = torch.rand(2, 2, 48, 32, 3, generator=torch.Generator().manual_seed(7)) * 2 - 1
    write(out, "blend", None, dict(plain=drawn[0], shifted=drawn[1]), dict(frames=grids.blend(*drawn, 16)), dict(token_px=16))

    mel = MelPicture(MEL, c.world.sample_rate)
    t = torch.arange(4000) / 4000
    wave = 0.5 * torch.sin(2 * torch.pi * (300 + 200 * t) * t) + 0.01 * rand(4000)
    picture = mel.picture(wave.numpy())
    write(out, "mel", None, dict(waveform=wave), dict(picture=torch.from_numpy(picture), waveform=torch.from_numpy(mel.waveform(picture))))

    trunk = tiny_trunk(3)
    sound, prompt = MEL.bands * 4, 2 * 2 * 2 * 8
    flow = randomise(FlowDecoder(c.flow, c.codec.channels, sound, prompt), 4)
    rows, lengths = rand(2, 5, prompt), torch.tensor([5, 3])
    grid, n = 2, 2 * 4 + 2
    video, mels, level = rand(2, 3, 8, 24), rand(2, 3, 2, sound), torch.tensor([[0.0, 0.1, 0.7], [0.0, 0.0, 0.3]])
    masks = prompt_masks(lengths, 5, 3, n, torch.tensor([False, True])), ((0,), (0, 1), (0, 1, 2))
    pv, ps = flow(video, mels, level, [START, STILL + 1, INSIDE], [0, 2, 4], flow.read(rows), *masks, grid, grid)
    write(out, "flow", flow, dict(video=video, sound=mels, level=level, rows=rows, lengths=lengths, dropped=torch.tensor([0, 1])), dict(video=pv, sound=ps, velocity=(video[:, -1] - pv[:, -1]) / level[:, -1, None, None]), dict(kinds=[START, STILL + 1, INSIDE], first_frames=[0, 2, 4], grid=[grid, grid]))

    noise = [(rand(2, 8, 24), rand(2, 2, sound)) for _ in range(4)]
    z, s = film(flow, rows, lengths, 4, (grid, grid), c.codec.channels, 5, 2.5, 3.0, noise=lambda k: noise[k], caution=1.5)
    inputs = {f"noise_video.{k}": v for k, (v, _) in enumerate(noise)} | {f"noise_sound.{k}": v for k, (_, v) in enumerate(noise)}
    assert tokens_of(z[0][:, :2], 2).shape == noise[0][0].shape
    write(out, "film", None, inputs | dict(rows=rows, lengths=lengths), dict(latents=z[0], sound=s), dict(weights="flow.safetensors", steps=5, guidance=2.5, shift=3.0, caution=1.5))
    flow.c = dataclasses.replace(c.flow, both_grids=True)
    z, s = film(flow, rows, lengths, 4, (grid, grid), c.codec.channels, 5, 2.5, 3.0, noise=lambda k: noise[k], caution=1.5)
    write(out, "film.both", None, {}, dict(latents=z[0], shifted=z[1], sound=s), dict(inputs="film.safetensors", weights="flow.safetensors", both_grids=True))

    senses = randomise(Senses(c, trunk.emb), 5)
    latents, picture = rand(2, 8, 4, 4, c.codec.channels), rand(2, 32, MEL.bands).clamp(-1, 1)
    seen, heard = senses.see(latents), senses.hear(picture)
    write(out, "senses", senses, dict(latents=latents, mel=picture), dict(video=seen, audio=heard, embedded=senses.embed(seen)))

    u = dataclasses.replace(c.understanding)
    grown = randomise(Grown(u, 4, 32), 6)
    media = grown.media(senses, seen[:1], heard[:1])
    ids = torch.randint(0, 64, (1, 9), generator=g)
    P, m = 3, media.shape[1]
    pos = torch.cat([torch.arange(m) + P, torch.arange(P), torch.arange(P, 9) + m])[None]
    h, kv = trunk.run(trunk.emb[ids], pos, pos[:, None] <= pos[:, :, None], media, grown, kv_layers=(1, 3))
    plain, _ = trunk.run(trunk.emb[ids], torch.arange(9)[None], torch.ones(1, 9, 9, dtype=torch.bool).tril())
    weights = grown.state_dict() | {f"trunk.{k}": v for k, v in trunk.w.items()} | {f"senses.{k}": v for k, v in senses.state_dict().items() if k in ("centre", "spread")}
    write(out, "grown", weights, dict(ids=ids, video=seen[:1], audio=heard[:1]), dict(media=media, logits=h @ trunk.emb.T, plain_logits=plain @ trunk.emb.T, **{f"kv.{k}": v for k, v in kv.items()}), dict(prefix=P, trunk=dataclasses.asdict(trunk.dims)))
    for path in sorted(out.glob("*.safetensors")):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
