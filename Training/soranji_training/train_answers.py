"""Stage 5 (B): the grown experts learn to answer through the frozen trunk. Usage: python -m soranji_training.train_answers --minutes 30

Eye and ear stay as stage A left them. `--dense` trains one dense adapter of the same active size instead, under another name."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import language, prompts, world
from . import stage as stages
from .codec import Codec
from .grown import AUDIO_TOKENS, VIDEO_TOKENS, Grown, Packer, answer_logits
from .optimiser import Both
from .senses import Senses
from .train_senses import clip_batch
from .trunk import Trunk

WEIGHT = {"thing": 1.0, "motion": 1.0, "background": 0.6, "count": 0.6, "place": 1.0, "describe": 1.4, "heard": 1.0, "yes_no": 1.0}


def some(questions, r, count: int):
    p = np.array([WEIGHT[q.kind] for q in questions])
    return [questions[i] for i in r.choice(len(questions), min(count, len(questions)), replace=False, p=p / p.sum())]


def main():
    parser = stages.arguments(__doc__, 30)
    parser.add_argument("--dense", action="store_true", help="a dense adapter instead of routed experts, for comparison")
    args = parser.parse_args()
    st = stages.Stage("answers-dense" if args.dense else "answers", args)
    config, u = st.config, st.config.understanding
    trunk = Trunk()
    pool = prompts.build(config, st.folder, "train", config.flow.caption_pool, 21, lambda: False)
    held = prompts.build(config, st.folder, "test", 500, 21, lambda: False)
    painter = world.Painter(config.world)
    codec = stages.load_weights(Codec(config.codec), st.folder / "codec.safetensors")
    senses = stages.load_weights(Senses(config, trunk.emb), st.folder / "senses.safetensors")
    torch.manual_seed(args.seed)
    grown = Grown(u, trunk.dims.layers, trunk.dims.width, args.dense)
    optimiser = Both(grown.named_parameters(), 0.0, u.rate_b, lambda n, p: False)
    ema = stages.Average(grown, 0.99)
    st.resume(grown, optimiser, ema)
    pack = Packer(trunk)

    def batch(pool, r, count, h264, per):
        scenes, z, mel = clip_batch(config, pool, painter, codec, r, count, h264)
        questions = [some(language.questions(s, r, config.world), r, per) for s in scenes]
        with torch.no_grad():
            video, audio = senses.see(z), senses.hear(mel)
        return questions, video, audio

    @torch.no_grad()
    def evaluate():
        keep = {k: v.clone() for k, v in grown.state_dict().items()}
        grown.load_state_dict(ema.values)
        hits: dict[str, list] = {}
        ce = []
        for k in range(2):
            questions, video, audio = batch(held, np.random.default_rng([7, k]), 8, 1.0, 8)
            logits, y = answer_logits(trunk, grown, grown.media(senses, video, audio), p := pack(questions, VIDEO_TOKENS + AUDIO_TOKENS))
            ce.append(F.cross_entropy(logits, y).item())
            ok, where = (logits.argmax(-1) == y), p[3]
            for b, qs in enumerate(questions):
                for j, q in enumerate(qs):
                    hits.setdefault(q.kind, []).append(ok[(where[:, 0] == b) & (where[:, 3] == j)].all().item())
        grown.load_state_dict(keep)
        st.log(held_ce=round(float(np.mean(ce)), 4), **{f"held_{k}": round(float(np.mean(v)), 3) for k, v in sorted(hits.items())})

    if st.step == 0:
        print(f"{sum(p.numel() for p in grown.parameters()) / 1e6:.2f} M grown parameters", flush=True)
        evaluate()
    while st.goes_on():
        r = st.begin_step()
        questions, video, audio = batch(pool, r, u.batch_clips_b, u.h264_share, u.questions_b)
        # A clip without sound and a recording are read too: a modality that is always there would be leant on.
        lot, tokens = r.random(), VIDEO_TOKENS + AUDIO_TOKENS
        if lot < u.without_sound:
            questions, audio, tokens = [[q for q in qs if q.kind != "heard"] for qs in questions], None, VIDEO_TOKENS
        elif lot > 1 - u.without_picture:
            questions, video, tokens = [[q for q in qs if q.kind == "heard"] for qs in questions], None, AUDIO_TOKENS
        if not any(questions):
            st.step += 1
            continue
        loads: list = []
        logits, y = answer_logits(trunk, grown, grown.media(senses, video, audio), pack(questions, tokens), loads)
        ce = F.cross_entropy(logits, y)
        loss = ce + (u.balance * torch.stack([x for x, _ in loads]).mean() if loads else 0)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(grown.parameters(), 1.0)
        optimiser.step(st.rate(20, 600))
        st.step += 1
        ema.update(grown, st.step)
        st.note(ce=ce.item(), questions=sum(map(len, questions)))
        if st.every(300):
            evaluate()
            st.save(grown, optimiser, ema)
    evaluate()
    st.save(grown, optimiser, ema)


if __name__ == "__main__":
    main()
