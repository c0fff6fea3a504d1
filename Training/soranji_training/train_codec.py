"""Stage 1: fits the codec's linear analysis, then trains its synthesis. Usage: python -m soranji_training.train_codec --minutes 20"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from . import stage as stages
from . import world
from .codec import Codec, psnr, to_float
from .layers import tensor
from .media import sheet
from .optimiser import Both


def draw(painter, config, r, count: int, split: str, seed: int, per: int = 4):
    """`count` frames from count/per scenes, with their sprites' cover."""
    frames, covers = [], []
    for _ in range(count // per):
        s = world.scene(config, seed, int(r.integers(2**31)), split)
        f, c = painter.paint(s, sorted(r.choice(config.frames, per, replace=False)))
        frames.append(f)
        covers.append(c)
    return np.concatenate(frames), np.concatenate(covers)


def weighted_loss(y, x, cover, weight: float):
    w = 1 + weight * (cover > 0.05).float()[..., None]
    w = w / w.mean()
    return (w * (y - x).abs()).mean() + 2 * (w * (y - x) ** 2).mean()


def edge_loss(y, x):
    """How far steps between neighbouring pixels are off: an edge that ends at a patch's border, or is blurred, costs more than its pixels."""
    return sum((y.diff(dim=d) - x.diff(dim=d)).abs().mean() for d in (1, 2))


def main():
    args = stages.arguments(__doc__).parse_args()
    st = stages.Stage("codec", args)
    config, c = st.config.world, st.config.codec
    painter = world.Painter(config)
    torch.manual_seed(args.seed)
    codec = Codec(c)
    matrix = lambda n, p: p.dim() == 2 and n.startswith("blocks")
    optimiser = Both(codec.named_parameters(), 0.01, c.rate, matrix)
    ema = stages.Average(codec)
    if not st.resume(codec, optimiser, ema):
        frames, cover = draw(painter, config, np.random.default_rng(args.seed), 4000, "train", 3)
        codec.fit(frames, cover)
        ema = stages.Average(codec)
        st.save(codec, optimiser, ema)
    held, held_cover = draw(painter, config, np.random.default_rng(9), 128, "test", 4)

    def evaluate():
        keep = {k: v.clone() for k, v in codec.state_dict().items()}
        codec.load_state_dict(ema.values)
        back = codec.decode_clip(codec.encode_clip(held))
        codec.load_state_dict(keep)
        rows = [np.concatenate([held[i : i + 8], back[i : i + 8]], 1) for i in range(0, 64, 8)]
        sheet(rows, st.folder / "sheets" / "codec.png")
        st.log(psnr=round(psnr(held, back), 2), psnr_sprites=round(psnr(held, back, held_cover > 0.05), 2))

    evaluate()
    while st.goes_on():
        r = st.begin_step()
        frames, cover = draw(painter, config, r, c.batch_frames, "train", 3)
        x = to_float(frames)
        with torch.no_grad():
            z = codec.encode(x)
            z = z + c.noise * torch.randn_like(z) * torch.rand(len(z), 1, 1, 1)
        y = codec.decode(z)
        loss = weighted_loss(y, x, tensor(cover), c.sprite_weight) + c.edge_weight * edge_loss(y, x)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        optimiser.step(st.rate(30, 1500))
        st.step += 1
        ema.update(codec, st.step)
        st.note(loss=loss.item())
        if st.every(60):
            evaluate()
            st.save(codec, optimiser, ema)
    evaluate()
    st.save(codec, optimiser, ema)


if __name__ == "__main__":
    main()
