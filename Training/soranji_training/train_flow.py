"""Stage 3: the flow decoder. Usage: python -m soranji_training.train_flow --minutes 60

Every batch is of one sort: single frames, first chunks of shots, or later chunks with clean chunks before, after or around them (which
is what extending, extending back and joining need). Its loss is on the noisy chunk alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import prompts, world
from . import stage as stages
from .codec import Codec, to_float
from .flow import INSIDE, START, STILL, FlowDecoder, film, numbered, prompt_masks, tokens_of
from .layers import tensor
from .media import sheet
from .optimiser import Both
from .things import MOTION_NAMES

SORTS = ("still", "first", "prefix", "suffix", "both")


def is_matrix(name: str, p) -> bool:
    return name.startswith("blocks") and p.dim() >= 2 and not name.endswith(("table", "sharpness", "router"))


def sound_tokens(mel: torch.Tensor, frames: int) -> torch.Tensor:
    """(B, columns, bands) -> (B, frames, columns / frames * bands)"""
    return mel.reshape(mel.shape[0], frames, -1)


def probe_size(config) -> int:
    return len(world.things_of(config)) + 6


def facts(config, scenes, times, side: int, shift: bool = False) -> np.ndarray:
    """What stands where, for each token (scenes, times, side * side, probe_size; with `shift` of the shifted grid, one more each way):
    which thing is nearest to the token, how far it is across and down, its size and turn, and whether it is near. Naming these from
    half-way through the network, under any noise, is far easier to learn than drawing, and what drawing needs; the head that names
    them is not part of what films."""
    names, px = world.things_of(config), config.frame_px
    unit, centres = px / 64, (np.arange(side + shift) + 0.5 * (not shift)) * px / side
    cy, cx = (a.reshape(-1) for a in np.meshgrid(centres, centres, indexing="ij"))
    out = np.zeros((len(scenes), len(times), len(cx), len(names) + 6), np.float32)
    for b, scene in enumerate(scenes):
        tracks = world.tracks(config, scene, max(times) + 1)
        x, y, size, turn = (np.stack([getattr(p, k)[times] for p in tracks], -1)[:, None] for k in ("x", "y", "size", "turn"))  # (times, 1, sprites)
        dx, dy = x - cx[:, None], y - cy[:, None]
        far = np.maximum(np.abs(dx), np.abs(dy)) - size / 2
        near = far.argmin(-1)[..., None]
        pick = lambda a: np.take_along_axis(np.broadcast_to(a, far.shape), near, -1)[..., 0]
        labels = np.array([names.index(t) for t in scene.things])[near[..., 0]]
        out[b] = np.concatenate(
            [
                4 * np.eye(len(names), dtype=np.float32)[labels],
                np.stack([pick(dx) / (24 * unit), pick(dy) / (24 * unit), pick(size) / (12 * unit) - 2.2, np.cos(pick(turn) * 2 * np.pi / world.SPIN_STEPS), np.sin(pick(turn) * 2 * np.pi / world.SPIN_STEPS), pick(far) < px / side / 2], -1),
            ],
            -1,
        )
    return out


def odds(scenes, c) -> np.ndarray:
    """How likely each scene of a pool is drawn for a batch: what is hard to learn, more often than it is in the pool."""
    hard = dict(zip(MOTION_NAMES, c.motion_odds))
    weight = np.array([np.mean([hard[m] for m in s.motions]) for s in scenes])
    two = np.array([len(s.things) == 2 for s in scenes])
    for group, share in ((two, c.two_share), (~two, 1 - c.two_share)):
        weight[group] *= share / max(weight[group].sum(), 1e-9)
    return weight / weight.sum()


class Batches:
    def __init__(self, st: stages.Stage, pool: prompts.Pool, codec: Codec, painter: world.Painter, weighed: bool = False):
        self.st, self.pool, self.codec, self.painter = st, pool, codec, painter
        self.c, self.w = st.config.flow, st.config.world
        self.side = self.w.frame_px // st.config.token_px
        self.odds = odds(pool.scenes, self.c) if weighed else None

    def layout(self, sort: str, r) -> tuple[list[int], int, list[tuple[int, int]], int]:
        """Indices of the chunks in the order of the sequence, how many frames each has, pairs (i, j) of places such that i sees j
        (beside itself), and how many chunks at the end are noisy.

        "prefix" holds a whole clip: its clean chunks, each of which sees those in its window before it, then noisy copies of all but
        the first: exactly what a rollout with cached K and V sees. "suffix" and "both" commit the later chunk first."""
        n, f, window = self.w.frames // self.c.chunk_frames, self.c.chunk_frames, self.c.history_chunks
        if sort == "still":
            return [int(r.integers(self.w.frames))], 1, [], 1
        if sort == "first":
            return [0], f, [], 1
        if sort == "prefix":
            clean = [(i, j) for i in range(n - 1) for j in range(max(0, i - window), i)]
            noisy = [(n - 2 + k, j) for k in range(1, n) for j in range(max(0, k - window), k)]
            return [*range(n - 1), *range(1, n)], f, clean + noisy, n - 1
        if sort == "suffix":
            k = int(r.integers(0, n - 1))
            return [k + 1, k], f, [(1, 0)], 1
        k = int(r.integers(1, n - 1))
        return [k + 1, k - 1, k], f, [(1, 0), (2, 0), (2, 1)], 1

    def draw(self, r: np.random.Generator, sort: str | None = None, count: int | None = None, beyond: bool | None = None, shift: bool | None = None):
        """A batch. `beyond`: of chunks that reach past the clip's end, `shift`: read and drawn on the shifted grid; None: as the settings
        have it, and never for checks."""
        c, shares = self.c, np.array([getattr(self.c, f"share_{s}") for s in SORTS])
        sort = sort or SORTS[r.choice(len(SORTS), p=shares / shares.sum())]
        chunks, f, sees, noisy = self.layout(sort, r)
        if beyond is None:
            beyond = self.odds is not None and sort == "prefix" and r.random() < c.beyond
        if beyond:
            later = int(r.integers(1, self.w.frames // f + 1))
            chunks = [k + later for k in chunks]
        if shift is None:
            shift = self.odds is not None and r.random() < c.shifted_share
        tokens = f * (self.side + shift) ** 2 + f
        count = count or max(8, c.batch_tokens // (tokens * len(chunks)))
        chosen = r.choice(len(self.pool), size=count, p=self.odds) if self.odds is not None else r.integers(len(self.pool), size=count)
        different = sorted(set(chunks))
        places = [different.index(k) for k in chunks]
        times = [t for k in different for t in range(k * f, (k + 1) * f)]
        frames, covers, scenes = [], [], []
        for i in chosen:
            scene = dataclasses.replace(self.pool.scenes[i], draw=int(r.integers(2**31)))
            picture, cover = self.painter.paint(scene, times)
            scenes.append(scene)
            frames.append(picture)
            covers.append(cover)
        with torch.no_grad():
            z = self.codec.encode(to_float(np.concatenate(frames)))
        z = z.view(count * len(different), f, *z.shape[1:])
        video = tokens_of(z, c.token_latents).view(count, len(different), f * self.side**2, -1)[:, places]
        cover, token_px = tensor(np.concatenate(covers)), self.w.frame_px // self.side
        covered = lambda px, side: px.view(count, len(different), f, side, token_px, side, token_px).mean((4, 6)).reshape(count, len(different), -1)[:, places[-noisy:]]
        around = covered(F.pad(cover, (token_px // 2,) * 4), self.side + 1) if shift else covered(cover, self.side)
        cover = covered(cover, self.side)
        mel = sound_tokens(tensor(self.pool.mel[chosen].astype(np.float32)), self.w.frames)
        sound = mel[:, [t % self.w.frames for t in times]].view(count, len(different), f, -1)[:, places]
        known = tensor(facts(self.w, scenes, times, self.side, shift)).view(count, len(different), f * (self.side + shift) ** 2, -1)[:, places[-noisy:]]
        rows, lengths = self.pool.batch(chosen)
        lot = r.random()
        share = 1.0 if lot < c.told else 0.0 if lot < (1 + c.told) / 2 else 0.5
        told = {k: r.random() < share for k in different}
        kinds = [STILL if sort == "still" else numbered(k, c) if k == 0 or told[k] else INSIDE for k in chunks]
        visible = [[*(j for k, j in sees if k == i), i] for i in range(len(chunks))]
        return dict(scenes=scenes, sort=sort, noisy=noisy, visible=visible, known=known, video=video, sound=sound, cover=cover, around=around, shift=shift, rows=rows, lengths=lengths, kinds=kinds, first=[k * f for k in chunks])


def noise_levels(rows: int, columns: int, c, shift: bool = False) -> torch.Tensor:
    """(rows, columns) of t, at random: mostly towards noise, where a clip's plan is made, and a share near its end. On the shifted grid,
    which is for mending, evenly from `shifted_levels`."""
    if shift:
        low, high = c.shifted_levels
        return low + (high - low) * torch.rand(rows, columns)
    level = torch.sigmoid(torch.randn(rows, columns) + c.shift_mean)
    low, high = c.fine
    fine = low + (high - low) * torch.rand(rows, columns)
    return torch.where(torch.rand(rows, columns) < c.fine_share, fine, level)


def loss_of(model: FlowDecoder, b: dict, c, rows_columns: int, pixel: torch.Tensor, t=None, noise=None, drop: bool = True, loads=None):
    """Per-sample losses of a batch: v of video, v of video in pixels (`pixel`: the squared scale of each number of a token, 1 on the mean),
    v of sound, and of naming what stands where."""
    video, sound = b["video"], (b["sound"] - model.sound_mean) / model.sound_scale
    B, P, _, _ = video.shape
    n, Q = b["known"].shape[2] + sound.shape[2], b["noisy"]
    ev, es = noise or (torch.randn_like(video), torch.randn_like(sound))
    level = torch.rand(B, P) * c.history_noise * (torch.rand(B, 1) < 0.5)
    level[:, P - Q :] = noise_levels(B, Q, c, b["shift"]) if t is None else t[:, None]
    a = level[..., None, None]
    xv, xs = (1 - a) * video + a * ev, (1 - a) * sound + a * es
    dropped = torch.rand(B) < c.prompt_drop if drop else torch.zeros(B, dtype=torch.bool)
    visible = b["visible"]
    if drop and P > Q and torch.rand(()) < c.history_drop:
        visible = [[j for j in seen if i < P - Q or j >= P - Q] for i, seen in enumerate(visible)]
    pm = prompt_masks(b["lengths"], b["rows"].shape[1], P, n, dropped, Q)
    probed: list = []
    pv, ps = model(xv, xs, level, b["kinds"], b["first"], model.read(b["rows"]), pm, visible, rows_columns, rows_columns, loads, probed=probed, shift=b["shift"])
    floor = a[:, P - Q :].clamp(min=c.time_floor)
    w, around = (1 + c.sprite_weight * (b[cover] > 0.02).float() for cover in ("cover", "around"))
    w, around = w / w.mean(2, keepdim=True), around / around.mean(2, keepdim=True)
    error = ((pv - video)[:, P - Q :] / floor).square()
    lv = (error.mean(-1) * w).mean((1, 2))
    lp = (error * pixel).mean((1, 2, 3))
    ls = ((ps - sound)[:, P - Q :] / floor).square().mean((1, 2, 3))
    la = ((probed[0][:, P - Q :] - b["known"]).square().mean(-1) * around).mean((1, 2))
    return lv, lp, ls, la


def main():
    parser = stages.arguments(__doc__, 60)
    parser.add_argument("--sample-minutes", type=float, default=12, help="minutes between sheets")
    args = parser.parse_args()
    st = stages.Stage("flow", args)
    config, c = st.config, st.config.flow
    pool = prompts.build(config, st.folder, "train", c.caption_pool, 21, lambda: False)
    held = prompts.build(config, st.folder, "test", 500, 21, lambda: False)
    painter = world.Painter(config.world)
    codec = stages.load_weights(Codec(config.codec), st.folder / "codec.safetensors")
    pixel = (codec.scale.square() / codec.scale.square().mean()).repeat(c.token_latents**2)
    torch.manual_seed(args.seed)
    sound = config.mel.bands * (config.world.sample_rate // config.world.fps // config.mel.hop)
    model = FlowDecoder(c, config.codec.channels, sound, pool.rows.shape[1], probe_size(config.world))
    some = pool.rows[:20000].astype(np.float32)
    model.prompt_mean.copy_(tensor(some.mean(0)))
    model.prompt_scale.copy_(tensor(some.std(0) + 1e-3))
    # One mean and scale for every number of a sound token: the runtime needs no more than two.
    mel = pool.mel[:2000].astype(np.float32)
    model.sound_mean.fill_(float(mel.mean()))
    model.sound_scale.fill_(float(mel.std()))
    optimiser = Both(model.named_parameters(), c.rate_muon, c.rate_adam, is_matrix, args.bf16)
    ema = stages.Average(model)
    st.resume(model, optimiser, ema)
    batches, checks = Batches(st, pool, codec, painter, weighed=True), Batches(st, held, codec, painter)
    if st.step == 0:
        total = sum(p.numel() for p in model.parameters())
        print(f"{total / 1e6:.2f} M parameters, {len(pool)} prompts", flush=True)

    def evaluate():
        keep = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(ema.values)
        losses = {}
        with torch.no_grad():
            for name, sort in (("first", "first"), ("prefix", "prefix"), ("beyond", "prefix"), ("shifted", "prefix")):
                r = np.random.default_rng(5)
                torch.manual_seed(5)
                b = checks.draw(r, sort, 48, name == "beyond", name == "shifted")
                t = (torch.arange(48) + 0.5) / 48
                lv, lp, ls, la = loss_of(model, b, c, batches.side, pixel, t=t, drop=False)
                spins = torch.tensor(["spin" in s.motions for s in b["scenes"]])
                losses |= {f"held_{name}_spin": round(lv[spins].mean().item(), 4), f"held_{name}_fine": round(lv[t < c.fine[1]].mean().item(), 4), f"held_{name}": round(lv.mean().item(), 4), f"held_{name}_pixel": round(lp.mean().item(), 4), f"held_{name}_sound": round(ls.mean().item(), 4), f"held_{name}_naming": round(la.mean().item(), 4)}
        model.load_state_dict(keep)
        st.log(**losses)

    def look():
        keep = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(ema.values)
        chosen = [i for i, s in enumerate(held.scenes) if len(s.things) == 1][:6] + [i for i, s in enumerate(held.scenes) if len(s.things) == 2][:2]
        rows, lengths = held.batch(chosen)
        side = batches.side * c.token_latents
        z, _ = film(model, rows, lengths, config.world.frames // c.chunk_frames, (batches.side,) * 2, config.codec.channels, steps=8)
        clips = [codec.decode_film(x, config.token_px) for x in z.unbind(1)]
        sheet(clips, st.folder / "sheets" / f"flow-{st.step:06d}.png", side_by_side=2)
        (st.folder / "sheets" / "flow.txt").write_text("\n".join(held.captions[i] for i in chosen))
        model.load_state_dict(keep)
        assert side * config.codec.patch_px == config.world.frame_px

    looked = 0.0
    while st.goes_on():
        r = st.begin_step()
        b = batches.draw(r)
        loads: list = []
        with torch.autocast(st.device.type, torch.bfloat16, enabled=args.bf16):
            lv, lp, ls, la = loss_of(model, b, c, batches.side, pixel, loads=loads)
        lv, lp, ls = (x.clamp(max=25).mean() for x in (lv, lp, ls))
        balance = torch.stack([x for x, _ in loads]).mean()
        loss = lv + c.pixel_weight * lp + (0 if b["sort"] == "still" else c.sound_weight * ls) + c.align_weight * la.mean() + c.balance * balance
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step(st.rate(40, 3000))
        st.step += 1
        ema.update(model, st.step)
        st.note(**{b["sort"]: lv.item(), "pixel": lp.item(), "sound": ls.item(), "naming": la.mean().item(), "max_load": max(x.max().item() for _, x in loads), "clips": len(b["video"])})
        if st.every(240):
            evaluate()
            st.save(model, optimiser, ema)
            if st.worked_s() - looked > args.sample_minutes * 60:
                look()
                looked = st.worked_s()
    evaluate()
    st.save(model, optimiser, ema)
    if st.worked_s() - looked > 60:
        look()


if __name__ == "__main__":
    main()
