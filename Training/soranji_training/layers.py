"""Building blocks that all networks share: linear maps, RMS norms, rotary positions, attention and routed experts. No convolutions."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

EPS = 1e-6


def tensor(a: np.ndarray) -> torch.Tensor:
    """On the device that the stage works on (torch's default device)."""
    return torch.from_numpy(np.ascontiguousarray(a)).to(torch.get_default_device())


def norm(x: torch.Tensor) -> torch.Tensor:
    return F.rms_norm(x, x.shape[-1:], eps=EPS)


class Norm(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.gain, EPS)


def axis_pairs(head: int, axes: int) -> list[int]:
    """How many rotated pairs of a head each axis gets: (y, x) share equally; (t, y, x) = 1/4, 3/8, 3/8, rounded down, the rest to t."""
    pairs = head // 2
    if axes == 2:
        return [pairs - pairs // 2, pairs // 2]
    side = 3 * pairs // 8
    return [pairs - 2 * side, side, side]


def rope(positions: torch.Tensor, head: int) -> tuple[torch.Tensor, torch.Tensor]:
    """positions (..., axes) float -> cos and sin (..., head/2).

    Pair i of an axis with m pairs turns by position * pi/2 * 64^(-i / max(1, m - 1)): a quarter turn for one step of the fastest,
    so that neighbours differ strongly from the first training step on."""
    angles = []
    for axis, m in enumerate(axis_pairs(head, positions.shape[-1])):
        speed = (math.pi / 2) * 64.0 ** (-torch.arange(m, dtype=torch.float64) / max(1, m - 1))
        angles.append(positions[..., axis : axis + 1].double() * speed.to(positions.device))
    angle = torch.cat(angles, -1)
    return angle.cos().float(), angle.sin().float()


def rotate(x: torch.Tensor, table) -> torch.Tensor:
    """x (..., head): the pairs (2i, 2i + 1) are turned."""
    cos, sin = table
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


def grid_positions(rows: int, columns: int, device=None) -> torch.Tensor:
    """(rows * columns, 2) of (y, x), row by row."""
    y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return torch.stack([y.flatten(), x.flatten()], -1).float()


class Block(nn.Module):
    """Pre-norm transformer block: attention with normalised, turned q and k; SwiGLU. x (B, N, width)."""

    def __init__(self, width: int, heads: int, hidden: int | None = None):
        super().__init__()
        self.heads = heads
        hidden = hidden or 32 * round(width * 8 / 3 / 32)
        self.norm1, self.norm2 = Norm(width), Norm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.sharpness = nn.Parameter(torch.full((heads,), 1.5))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x, table):
        B, N, D = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, N, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = norm(q) * self.sharpness[:, None, None], norm(k)
        if table is not None:
            q, k = rotate(q, table), rotate(k, table)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, D))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Experts(nn.Module):
    """Routed SwiGLU experts: softmax over the router's scores, the best `top` renormalised to sum to one.

    x (N, width). `loads` collects (balance loss, share of the choices that each expert got) where a list is given."""

    def __init__(self, width: int, experts: int, hidden: int, top: int, zero: bool = True):
        super().__init__()
        self.top = top
        self.router = nn.Parameter(torch.randn(experts, width) * width**-0.5)
        self.gate_up = nn.Parameter(torch.randn(experts, 2 * hidden, width) * width**-0.5)
        self.down = nn.Parameter(torch.zeros(experts, width, hidden) if zero else torch.randn(experts, width, hidden) * hidden**-0.5)

    def one(self, e: int, x: torch.Tensor) -> torch.Tensor:
        gate, up = F.linear(x, self.gate_up[e]).chunk(2, -1)
        return F.linear(F.silu(gate) * up, self.down[e])

    def forward(self, x, loads: list | None = None):
        E = self.router.shape[0]
        if E == 1:
            return self.one(0, x)
        with torch.autocast(x.device.type, enabled=False):  # scores that are close decide between experts
            p = F.linear(x.float(), self.router).softmax(-1)
        weight, chosen = p.topk(self.top, -1)
        weight = weight / weight.sum(-1, keepdim=True)
        y = torch.zeros_like(x)
        for e in range(E):
            row, column = (chosen == e).nonzero(as_tuple=True)
            # Few sizes: of those it has not seen, bfloat16 kernels are compiled anew.
            rows = F.pad(x[row], (0, 0, 0, -len(row) % 64)) if loads is not None else x[row]
            y = y.index_add(0, row, (self.one(e, rows)[: len(row)] * weight[row, column, None]).to(y.dtype))
        if loads is not None:
            share = F.one_hot(chosen, E).float().sum(1).mean(0) / self.top
            loads.append((E * (share * p.mean(0)).sum(), share.detach()))
        return y
