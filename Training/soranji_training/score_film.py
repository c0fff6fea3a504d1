"""Scores filmed clips on held-out prompts, without a learned judge, and the judge itself on real clips and on noise.

Usage: python -m soranji_training.score_film --prompts 300   (or --real, --noise: what the judge says of those)
Every clip goes through H.264 before it is judged. Writes a contact sheet of unpicked clips, seeds 0 to 23, and scores.jsonl."""

from __future__ import annotations

import json
import time

import numpy as np
import torch

from . import measures, prompts, world
from . import stage as stages
from .codec import Codec
from .flow import FlowDecoder, film
from .media import h264_round_trip, sheet


def load_flow(st: stages.Stage, pool: prompts.Pool) -> FlowDecoder:
    c = st.config
    sound = c.mel.bands * (c.world.sample_rate // c.world.fps // c.mel.hop)
    return stages.load_weights(FlowDecoder(c.flow, c.codec.channels, sound, pool.rows.shape[1]), st.folder / "flow.safetensors")


def film_clips(st, model, codec, pool, chosen, steps, guidance, seed, shift=3.0) -> list[np.ndarray]:
    c = st.config
    side = c.world.frame_px // c.token_px
    rows, lengths = pool.batch(chosen)
    z, _ = film(model, rows, lengths, c.world.frames // c.flow.chunk_frames, (side, side), c.codec.channels, steps, guidance, shift, seed)
    return [codec.decode_film(x, c.token_px) for x in z.unbind(1)]


def main():
    parser = stages.arguments(__doc__)
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--steps-film", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=1.5)
    parser.add_argument("--real", action="store_true", help="judge real held-out clips (through the codec and H.264) instead of filmed ones")
    parser.add_argument("--noise", action="store_true", help="judge noise")
    parser.add_argument("--count", action="store_true", help="do not tell the judge how many things there should be")
    args = parser.parse_args()
    st = stages.Stage("scores", args)
    pool = prompts.build(st.config, st.folder, "test", 500, 21, lambda: False)
    codec = stages.load_weights(Codec(st.config.codec), st.folder / "codec.safetensors")
    painter, judge = world.Painter(st.config.world), measures.Judge(st.config.world)
    chosen = list(range(min(args.prompts, len(pool))))
    scenes, start, clips = [pool.scenes[i] for i in chosen], time.time(), []
    row = dict(at=time.strftime("%F %T"), counted=args.count)
    if args.noise:
        r = np.random.default_rng(args.seed)
        px = st.config.world.frame_px
        clips = [r.integers(0, 256, (st.config.world.frames, px, px, 3)).astype(np.uint8) for _ in chosen]
        row["what"] = "noise"
    elif args.real:
        clips = [h264_round_trip(codec.decode_clip(codec.encode_clip(painter.paint(s)[0]))) for s in scenes]
        row["what"] = "real"
    else:
        model = load_flow(st, pool)
        for first in range(0, len(chosen), 8):
            st.pause()
            part = film_clips(st, model, codec, pool, chosen[first : first + 8], args.steps_film, args.guidance, first)
            clips += [h264_round_trip(c) for c in part]
        row |= dict(what="filmed", steps=args.steps_film, guidance=args.guidance, seconds_a_clip=round((time.time() - start) / len(chosen), 2))
        sheet(clips[:24], st.folder / "sheets" / "contact.png", side_by_side=2)
        (st.folder / "sheets" / "contact.txt").write_text("\n".join(pool.captions[i] for i in chosen[:24]))

    def one_by_one():
        for clip in clips:
            st.pause()
            yield clip

    row |= measures.score(judge, one_by_one(), scenes, st.config.token_px, counted=args.count)
    with open(st.folder / "scores.jsonl", "a") as f:
        f.write(json.dumps(row) + "\n")
    print(json.dumps(row))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
