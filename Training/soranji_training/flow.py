"""The flow decoder: a rectified-flow transformer that films a clip chunk by chunk.

A chunk is `chunk_frames` frames: a video token for every 2x2 latents of a frame and one sound token a frame (its log-mel columns),
denoised together. A token is read with a rim of its neighbours' latents and drawn into it, where they overlap the sum counts: edges do
not end where tokens do. Every token attends, in one softmax, to the prompt (K before RoPE and V of chosen trunk layers, projected once a
prompt), to chunks committed before it, and to its own chunk. A committed chunk is clean (t = 0, or a told small noise level); its K and
V do not depend on the noisy chunk, so they can be cached. Guidance drops the prompt by masking its rows for the noisy chunk's queries:
both branches read the same pages. The network predicts the clean tokens; v = (x_t - prediction) / t."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from . import config as configuration
from .layers import Experts, norm, rope, rotate

START, INSIDE, STILL = range(3)  # kinds of chunk: first of a shot, a later one, a single frame


def numbered(k: int, c: configuration.Flow) -> int:
    """Kind of a shot's chunk k: the first one, one that is told its number, or just a later one."""
    return START if k == 0 else STILL + k if k <= c.told_chunks else INSIDE


def tokens_of(latents: torch.Tensor, side: int) -> torch.Tensor:
    """(B, F, h, w, C) -> (B, F * h/side * w/side, side * side * C): frame by frame, row by row; inside: latent rows, columns, channels."""
    B, T, h, w, C = latents.shape
    return latents.reshape(B, T, h // side, side, w // side, side, C).permute(0, 1, 2, 4, 3, 5, 6).reshape(B, T * (h // side) * (w // side), side * side * C)


def latents_of(tokens: torch.Tensor, frames: int, rows: int, columns: int, side: int) -> torch.Tensor:
    B = tokens.shape[0]
    return tokens.reshape(B, frames, rows, columns, side, side, -1).permute(0, 1, 2, 4, 3, 5, 6).reshape(B, frames, rows * side, columns * side, -1)


def windows_of(tokens: torch.Tensor, grid: tuple[int, int, int], side: int, rim: int, shift: bool = False) -> torch.Tensor:
    """Tokens of (frames, rows, columns) with what lies around them: (B, F * rows * columns, side * side * C) -> (..., (side + 2 rim)^2 * C),
    zeros beyond the frame. `shift`: windows on the shifted grid, (rows + 1) x (columns + 1) of them, each in the middle of four of the others."""
    edge = rim + shift * side // 2
    z = F.pad(latents_of(tokens, *grid, side), (0, 0, edge, edge, edge, edge))
    z = z.unfold(2, side + 2 * rim, side).unfold(3, side + 2 * rim, side)  # (B, F, rows, columns, C, down, across)
    return z.permute(0, 1, 2, 3, 5, 6, 4).flatten(1, 3).flatten(2)


def sum_of_windows(windows: torch.Tensor, grid: tuple[int, int, int], side: int, rim: int, shift: bool = False) -> torch.Tensor:
    """The way back: each latent is the sum of what its own token and its neighbours' say of it."""
    frames, rows, columns = grid
    s = side + 2 * rim
    x = windows.view(-1, (rows + shift) * (columns + shift), s * s, windows.shape[-1] // (s * s)).permute(0, 3, 2, 1).flatten(1, 2)
    z = F.fold(x, (rows * side, columns * side), s, padding=rim + shift * side // 2, stride=side)
    return tokens_of(z.view(-1, frames, *z.shape[1:]).movedim(2, -1), side)


class Block(nn.Module):
    def __init__(self, c: configuration.Flow):
        super().__init__()
        d = c.width
        self.heads = c.heads
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.prompt_kv = nn.Linear(d, 2 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.sharpness = nn.Parameter(torch.full((2, c.heads), 1.5))  # of attention to clips, to the prompt
        self.experts = Experts(d, c.experts, c.expert_hidden, c.expert_top)
        self.table = nn.Parameter(torch.zeros(6, d))

    def forward(self, x, modulation, prompt, prompt_mask, sees, table, loads, past, kept):
        """x (B, P, n, d): P chunks of n tokens. modulation (B, P, 6, d). prompt (B, M, d). prompt_mask (B, 1, P * n, M) is added to
        the scores. sees[i]: the chunks that chunk i sees. table: cos, sin of the positions (P * n, head / 2). past: turned K and V
        (B, H, m, head) of chunks committed before, which every chunk sees; this call's own are appended to `kept`."""
        B, P, n, D = x.shape
        H, N = self.heads, P * n
        shift1, scale1, gate1, shift2, scale2, gate2 = (modulation + self.table)[:, :, :, None].unbind(2)
        y = norm(x) * (1 + scale1) + shift1
        q, k, v = self.qkv(y).view(B, N, 3, H, D // H).permute(2, 0, 3, 1, 4)
        q, k = norm(q), norm(k)
        pk, pv = self.prompt_kv(prompt).view(B, -1, 2, H, D // H).permute(2, 0, 3, 1, 4)
        s = self.sharpness * (D // H) ** -0.5
        q_turned, k = rotate(q, table), rotate(k, table)
        if kept is not None:
            kept.append((k, v))
        far = (q * s[1, :, None, None]) @ norm(pk).mT + prompt_mask
        near = q_turned * s[0, :, None, None]
        # Chunk by chunk, with what it sees alone: of a whole clip and its noisy copies that is less than a third of all pairs.
        ks, vs = k.split(n, 2), v.split(n, 2)
        rows = []
        for i, (queries, scores) in enumerate(zip(near.split(n, 2), far.split(n, 2))):
            seen_k = torch.cat([*(past[:1] if past else ()), *(ks[j] for j in sees[i])], 2)
            seen_v = torch.cat([pv, *(past[1:] if past else ()), *(vs[j] for j in sees[i])], 2)
            rows.append(torch.cat([scores, queries @ seen_k.mT], -1).softmax(-1) @ seen_v)
        a = torch.cat(rows, 2)
        x = x + (1 + gate1) * self.out(a.transpose(1, 2).reshape(B, P, n, D))
        y = norm(x) * (1 + scale2) + shift2
        return x + (1 + gate2) * self.experts(y.reshape(-1, D), loads).view(x.shape)


class FlowDecoder(nn.Module):
    def __init__(self, c: configuration.Flow, channels: int, sound: int, prompt: int, probe: int = 0):
        """channels: of a latent; sound: numbers in a frame's sound token; prompt: numbers in a prompt row; probe: numbers that are
        read off the middle of the network in training (`train_flow.facts`), nothing that filming uses."""
        super().__init__()
        self.c = c
        d, window = c.width, (c.token_latents + 2 * c.rim_latents) ** 2 * channels
        self.video_in, self.sound_in = nn.Linear(window, d), nn.Linear(sound, d)
        self.place = nn.Linear(16, d)  # of the token in the frame
        self.frame = nn.Parameter(torch.randn(c.chunk_frames, d) * 0.4)  # of the chunk
        self.kind = nn.Parameter(torch.randn(3 + c.told_chunks, d) * 0.4)
        self.prompt_in = nn.Linear(prompt, d)
        self.time_in, self.time_out = nn.Linear(128, d), nn.Linear(d, d)
        self.modulation = nn.Linear(d, 6 * d)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.depth))
        self.last = nn.Linear(d, 2 * d)
        self.video_out, self.sound_out = nn.Linear(d, window), nn.Linear(d, sound)
        if probe:
            self.probe = nn.Linear(d, probe)
        for layer in (self.modulation, self.last, self.video_out, self.sound_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for name, size in (("prompt", prompt), ("sound", sound)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))

    def time(self, t: torch.Tensor) -> torch.Tensor:
        """(...) in 0...1 -> (..., d)"""
        f = torch.exp(-math.log(1000) * torch.arange(64, device=t.device) / 64) * 1000
        angle = t[..., None] * f
        return self.time_out(F.silu(self.time_in(torch.cat([angle.cos(), angle.sin()], -1))))

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Prompt rows (B, M, prompt) -> (B, M, d): once a prompt."""
        return norm(self.prompt_in(((rows - self.prompt_mean) / self.prompt_scale).clamp(-8, 8)))

    def positions(self, first_frames: list[int], frames: int, rows: int, columns: int, shift: bool = False) -> torch.Tensor:
        """(t, y, x) of the tokens of each chunk: its video tokens, then its sound tokens at y = x = -2."""
        down, across = (torch.arange(n + shift) - shift / 2 for n in (rows, columns))
        device, out = self.frame.device, []
        for first in first_frames:
            t, y, x = torch.meshgrid(torch.arange(frames) + float(first), down, across, indexing="ij")
            out.append(torch.stack([t, y, x], -1).view(-1, 3))
            out.append(torch.stack([torch.arange(frames) + first, torch.full((frames,), -2), torch.full((frames,), -2)], -1))
        return torch.cat(out).float().to(device)

    def place_features(self, rows: int, columns: int, shift: bool = False) -> torch.Tensor:
        """(tokens of a frame, 16): cos and sin of pi k u, k = 1...4, for u = the token's centre in 0...1 down, then across."""
        device = self.frame.device
        k = math.pi * torch.arange(1, 5, device=device)
        down, across = ((torch.arange(n + shift, device=device) + 0.5 * (not shift))[:, None] / n * k for n in (rows, columns))
        f = lambda a: torch.cat([a.cos(), a.sin()], -1)
        return torch.cat([f(down)[:, None].expand(-1, len(across), -1), f(across)[None].expand(len(down), -1, -1)], -1).reshape(-1, 16)

    def forward(self, video, sound, t, kinds, first_frames, prompt, prompt_mask, sees, rows, columns, loads=None, past=None, kept=None, probed=None, shift=False):
        """video (B, P, F * rows * columns, token), sound (B, P, F, sound; already normalised), t (B, P) noise levels, kinds [P],
        first_frames [P], prompt (B, M, d) from `read`, sees: the chunks that each chunk sees, past: (K, V) a block.
        `shift`: inside, the tokens are those of the shifted grid. Returns the predicted clean video and sound tokens."""
        B, P, _, _ = video.shape
        frames = sound.shape[2]
        e = self.frame[:frames]
        windows = (frames, rows, columns), self.c.token_latents, self.c.rim_latents, shift
        place = self.place(self.place_features(rows, columns, shift))
        v = self.video_in(windows_of(video.flatten(0, 1), *windows).unflatten(0, (B, P))) + place.repeat(frames, 1) + e.repeat_interleave(len(place), 0)
        V = v.shape[2]
        x = torch.cat([v, self.sound_in(sound) + e], 2)
        m = F.silu(self.time(t) + self.kind[list(kinds)])
        modulation = self.modulation(m).view(B, P, 6, -1)
        table = rope(self.positions(first_frames, frames, rows, columns, shift), self.c.width // self.c.heads)
        for i, block in enumerate(self.blocks):
            x = block(x, modulation, prompt, prompt_mask, sees, table, loads, past[i] if past else None, kept)
            if probed is not None and i == len(self.blocks) // 2 - 1:
                probed.append(self.probe(norm(x[:, :, :V])))
        shift, scale = self.last(m)[:, :, None].chunk(2, -1)
        x = norm(x) * (1 + scale) + shift
        drawn = sum_of_windows(self.video_out(x[:, :, :V]).float().flatten(0, 1), *windows)
        return drawn.unflatten(0, (B, P)), self.sound_out(x[:, :, V:])


OFF = -1e4
ALONE = ((0,),)  # one chunk, which sees itself


def prompt_masks(lengths: torch.Tensor, longest: int, chunks: int, tokens: int, dropped: torch.Tensor, noisy: int = 1) -> torch.Tensor:
    """(B, 1, P * n, M): rows beyond a prompt's length are off; where `dropped` (B,), the last `noisy` chunks see no row at all."""
    device = lengths.device
    off = torch.arange(longest, device=device)[None] >= lengths[:, None]
    m = off[:, None, None].expand(-1, -1, chunks * tokens, -1).clone()
    m[:, :, (chunks - noisy) * tokens :] |= dropped[:, None, None, None]
    return torch.zeros(m.shape, device=device).masked_fill(m, OFF)


def shifted(steps: int, shift: float, device=None) -> torch.Tensor:
    """steps + 1 noise levels from 1 to 0; shift > 1 spends more of them on high noise."""
    return towards_noise(torch.linspace(1, 0, steps + 1, device=device), shift)


def towards_noise(level, shift: float):
    """Moves noise levels that are neither 0 nor 1 up (shift > 1) or down."""
    return shift * level / (1 + (shift - 1) * level)


@torch.no_grad()
def film(model: FlowDecoder, rows: torch.Tensor, lengths: torch.Tensor, chunks: int, grid: tuple[int, int], channels: int, steps: int = 12, guidance: float = 1.5, shift: float = 3.0, seed: int = 0, noise=None, caution: float = 1.5):
    """Films one shot per prompt: rows (B, M, prompt). Returns latents (G, B, T, h, w, C), as each of G grids draws them, and sound tokens
    (B, T, sound), the mel scale undone.

    `noise(k)` gives chunk k's starting video and sound tokens; without it they come from `seed`. `caution`: what is half-way a clip has
    errors beside its noise, which training does not show; told a higher noise level than there is, the network mends more of them (Li et
    al., "Alleviating Exposure Bias in Diffusion Models through Sampling with Shifted Time Steps", 2023). 1: told what is. With
    `both_grids` the last step is made on the plain and on the shifted grid, for `grids.blend` to make frames of both (the cycle spinning
    of Coifman and Donoho, "Translation-Invariant De-Noising", 1995, in the last step alone); what is committed then is their mean: one
    pass at t = 0 on each grid makes the K and V that later chunks see; the last `history_chunks` are kept, so memory has a bound."""
    c, (gh, gw), device = model.c, grid, rows.device
    B, f, side = len(rows), c.chunk_frames, c.token_latents
    g = torch.Generator(device="cpu").manual_seed(seed)
    prompt = model.read(rows)
    prompts = torch.cat([prompt] * 2)
    times = shifted(steps, shift, device)
    none = torch.zeros(B, dtype=torch.bool, device=device)
    grids = (False, True) if c.both_grids else (False,)
    sizes = [f * (gh + moved) * (gw + moved) + f for moved in grids]
    plain = [prompt_masks(lengths, rows.shape[1], 1, n, none) for n in sizes]
    twice = [torch.cat([p, prompt_masks(lengths, rows.shape[1], 1, n, ~none)]) for p, n in zip(plain, sizes)]
    committed, video, sound = [[] for _ in grids], [[] for _ in grids], []  # committed: per grid, per chunk, per block (K, V)
    for k in range(chunks):
        if noise:
            xv, xs = noise(k)
        else:
            xv = torch.randn(B, f * gh * gw, side * side * channels, generator=g, device="cpu").to(device)
            xs = torch.randn(B, f, model.sound_mean.numel(), generator=g, device="cpu").to(device)
        kind, first = [numbered(k, c)], [k * f]
        windows = [earlier[-c.history_chunks :] for earlier in committed]
        pasts = [[tuple(torch.cat([chunk[i][j] for chunk in window], 2) for j in (0, 1)) for i in range(c.depth)] if window else None for window in windows]

        def predict(level, i):
            past = [(torch.cat([a, a]), torch.cat([b, b])) for a, b in pasts[i]] if pasts[i] else None
            t = towards_noise(level, caution).expand(2 * B, 1)
            parts = model(torch.cat([xv, xv])[:, None], torch.cat([xs, xs])[:, None], t, kind, first, prompts, twice[i], ALONE, gh, gw, past=past, shift=grids[i])
            return [p[B:, 0] + guidance * (p[:B, 0] - p[B:, 0]) for p in parts]

        for a, b in zip(times[:-1], times[1:]):
            drawn = [predict(a, i) for i in range(len(grids) if b == 0 else 1)]
            pv, ps = (sum(p) / len(drawn) for p in zip(*drawn))
            xv, xs = xv + (b - a) * (xv - pv) / a, xs + (b - a) * (xs - ps) / a
        for i, moved in enumerate(grids):
            kept: list = []
            model(xv[:, None], xs[:, None], torch.zeros(B, 1, device=device), kind, first, prompt, plain[i], ALONE, gh, gw, past=pasts[i], kept=kept, shift=moved)
            committed[i] = [*windows[i][1 - c.history_chunks :], kept] if c.history_chunks > 1 else [kept]
            video[i].append(latents_of(drawn[i][0], f, gh, gw, side))
        sound.append(xs)
    return torch.stack([torch.cat(v, 1) for v in video]), torch.cat(sound, 1) * model.sound_scale + model.sound_mean
