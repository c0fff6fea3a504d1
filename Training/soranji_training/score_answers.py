"""Scores answers to held-out questions about H.264 clips with sound. Usage: python -m soranji_training.score_answers --questions 600

An answer is right when the whole greedy answer is, word for word; that is so exactly if every token is the most likely one after the
right ones before it, so one pass scores all questions of a clip."""

from __future__ import annotations

import json
import time

import numpy as np
import torch

from . import language, prompts, world
from . import stage as stages
from .codec import Codec
from .grown import AUDIO_TOKENS, VIDEO_TOKENS, Grown, Packer, answer_logits
from .senses import Senses
from .train_senses import clip_batch
from .trunk import Trunk


@torch.no_grad()
def main():
    parser = stages.arguments(__doc__)
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--show", type=int, default=0, help="print so many wrong answers")
    parser.add_argument("--dense", action="store_true", help="score the dense adapter that train_answers --dense made")
    args = parser.parse_args()
    st = stages.Stage("scores", args)
    config = st.config
    trunk = Trunk()
    pool = prompts.build(config, st.folder, "test", 500, 21, lambda: False)
    codec = stages.load_weights(Codec(config.codec), st.folder / "codec.safetensors")
    senses = stages.load_weights(Senses(config, trunk.emb), st.folder / "senses.safetensors")
    grown = stages.load_weights(Grown(config.understanding, trunk.dims.layers, trunk.dims.width, args.dense), st.folder / f"answers{'-dense' if args.dense else ''}.safetensors")
    pack, painter, hits, asked, k, shown = Packer(trunk), world.Painter(config.world), {}, 0, 0, 0
    while asked < args.questions:
        st.pause()
        r = np.random.default_rng([args.seed, 99, k])
        k += 1
        scenes, z, mel = clip_batch(config, pool, painter, codec, r, 8, 1.0)
        questions = [language.questions(s, r, config.world) for s in scenes]
        packed = pack(questions, VIDEO_TOKENS + AUDIO_TOKENS)
        logits, y = answer_logits(trunk, grown, grown.media(senses, senses.see(z), senses.hear(mel)), packed)
        best, where = logits.argmax(-1), packed[3]
        for b, qs in enumerate(questions):
            for j, q in enumerate(qs):
                if asked >= args.questions:
                    break
                mine = (where[:, 0] == b) & (where[:, 3] == j)
                right = bool((best[mine] == y[mine]).all())
                hits.setdefault(q.kind, []).append(right)
                hits.setdefault(f"{q.kind}_{len(scenes[b].things)}", []).append(right)
                asked += 1
                if not right and shown < args.show:
                    shown += 1
                    print(f"{q.question} -> {trunk.tokenizer.decode(best[mine].tolist())} [{q.answer}]")
    row = dict(at=time.strftime("%F %T"), what="answers-dense" if args.dense else "answers", questions=asked) | {k: round(float(np.mean(v)), 4) for k, v in sorted(hits.items())}
    with open(st.folder / "scores.jsonl", "a") as f:
        f.write(json.dumps(row) + "\n")
    print(json.dumps(row))


if __name__ == "__main__":
    main()
