"""The latent codec: 8x8 pixel patches to a few dozen numbers each, frame by frame, and back.

Analysis is a fixed linear map: the leading principal components of sprite-weighted patches, scaled. Synthesis is its transpose plus
a learned correction: each patch sees the latents of its 3x3 neighbourhood, a small transformer mixes the patches of one frame, and
each patch adds to a window that reaches `rim_px` into its neighbours, blended linearly, so that no seams show. A frame needs no other
frame: decoding streams with fixed memory. Because analysis is fixed, later stages can train while synthesis still improves."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import config as configuration
from .grids import blend
from .layers import Block, Norm, grid_positions, rope, tensor


def patches(frames: torch.Tensor, side: int) -> torch.Tensor:
    """(B, H, W, 3) -> (B, H/side, W/side, side * side * 3), pixels row by row, colour last."""
    B, H, W, C = frames.shape
    return frames.reshape(B, H // side, side, W // side, side, C).permute(0, 1, 3, 2, 4, 5).reshape(B, H // side, W // side, -1)


def unpatch(p: torch.Tensor, side: int) -> torch.Tensor:
    B, h, w, n = p.shape
    return p.reshape(B, h, w, side, side, 3).permute(0, 1, 3, 2, 4, 5).reshape(B, h * side, w * side, 3)


def blend_weights(side: int, rim: int) -> torch.Tensor:
    """(side + 2 rim,): rises linearly over the 2 rim pixels that two windows share, so that neighbours sum to one."""
    ramp = (torch.arange(2 * rim) + 0.5) / (2 * rim) if rim else torch.ones(0)
    return torch.cat([ramp, torch.ones(side - 2 * rim), ramp.flip(0)])


def spread(windows: torch.Tensor, side: int, rim: int) -> torch.Tensor:
    """Adds up overlapping windows: (B, h, w, (side + 2 rim)^2 * 3) -> (B, h * side, w * side, 3); divides by the weights that fell inside."""
    B, h, w, _ = windows.shape
    n, k = side + 2 * rim, blend_weights(side, rim).to(windows)
    weight = k[:, None] * k[None, :]
    values = windows.reshape(B, h * w, n * n, 3) * weight.reshape(n * n, 1)
    values = values.permute(0, 3, 2, 1).reshape(B, 3 * n * n, h * w)
    size = (h * side, w * side)
    total = F.fold(values, size, n, padding=rim, stride=side)
    ones = F.fold(weight.reshape(1, n * n, 1).expand(1, -1, h * w).contiguous(), size, n, padding=rim, stride=side)
    return (total / ones).permute(0, 2, 3, 1)


def neighbours(z: torch.Tensor) -> torch.Tensor:
    """(B, h, w, C) -> (B, h * w, 9 C): the 3x3 neighbourhood row by row, zeros outside."""
    B, h, w, C = z.shape
    p = F.pad(z, (0, 0, 1, 1, 1, 1))
    return torch.cat([p[:, dy : dy + h, dx : dx + w] for dy in range(3) for dx in range(3)], -1).reshape(B, h * w, 9 * C)


class Codec(nn.Module):
    def __init__(self, c: configuration.Codec):
        super().__init__()
        self.c = c
        n = c.patch_px**2 * 3
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("basis", torch.zeros(c.channels, n))  # orthonormal rows
        self.register_buffer("scale", torch.ones(c.channels))  # component = latent * scale
        self.inlet = nn.Linear(9 * c.channels, c.width)
        self.blocks = nn.ModuleList(Block(c.width, c.heads) for _ in range(c.depth))
        self.norm = Norm(c.width)
        self.outlet = nn.Linear(c.width, (c.patch_px + 2 * c.rim_px) ** 2 * 3)
        nn.init.zeros_(self.outlet.weight)
        nn.init.zeros_(self.outlet.bias)

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, H, W, 3) in -1...1 -> latents (B, H/8, W/8, channels)."""
        return F.linear(patches(frames, self.c.patch_px) - self.mean, self.basis) / self.scale

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """latents (B, h, w, channels) -> (B, H, W, 3), about -1...1."""
        B, h, w, _ = z.shape
        base = unpatch((z * self.scale) @ self.basis + self.mean, self.c.patch_px)
        table = rope(grid_positions(h, w, z.device), self.c.width // self.c.heads)
        x = self.inlet(neighbours(z))
        for block in self.blocks:
            x = block(x, table)
        return base + spread(self.outlet(self.norm(x)).view(B, h, w, -1), self.c.patch_px, self.c.rim_px)

    @torch.no_grad()
    def encode_clip(self, clip: np.ndarray) -> torch.Tensor:
        """uint8 (T, H, W, 3) -> (T, h, w, channels)."""
        return self.encode(to_float(clip))

    @torch.no_grad()
    def decode_clip(self, z: torch.Tensor, batch: int = 64) -> np.ndarray:
        """(T, h, w, channels) -> uint8 (T, H, W, 3)."""
        return to_bytes(torch.cat([self.decode(z[i : i + batch]) for i in range(0, len(z), batch)]))

    @torch.no_grad()
    def decode_film(self, z: torch.Tensor, token_px: int) -> np.ndarray:
        """(G, T, h, w, channels), as each of one or two grids of tokens of side `token_px` draws it -> uint8 (T, H, W, 3)."""
        frames = [self.decode(latents) for latents in z]
        return to_bytes(blend(*frames, token_px) if len(frames) == 2 else frames[0])

    def fit(self, frames: np.ndarray, cover: np.ndarray):
        """Sets mean, basis and scale from frames uint8 (N, H, W, 3) and the sprites' cover (N, H, W)."""
        c = self.c
        p = patches(to_float(frames), c.patch_px).reshape(-1, self.mean.numel()).double()
        on_sprite = patches(tensor(cover)[..., None].expand(-1, -1, -1, 3), c.patch_px).reshape(len(p), -1).mean(1) > 0.02
        weight = 1 + c.sprite_weight * on_sprite.double()
        mean = (p * weight[:, None]).sum(0) / weight.sum()
        x = p - mean
        value, vector = torch.linalg.eigh((x * weight[:, None]).T @ x / weight.sum())
        basis = vector.flip(1)[:, : c.channels].T
        basis = basis * basis.sum(1, keepdim=True).sign()
        sd = value.flip(0)[: c.channels].sqrt()
        scale = sd**c.flatten
        scale = scale * ((sd / scale) ** 2).mean().sqrt()  # the latents' mean square is one
        self.mean.copy_(mean)
        self.basis.copy_(basis)
        self.scale.copy_(scale)


def to_float(frames: np.ndarray) -> torch.Tensor:
    return tensor(frames).float() / 127.5 - 1


def to_bytes(x: torch.Tensor) -> np.ndarray:
    return ((x.clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()


def psnr(a: np.ndarray, b: np.ndarray, where: np.ndarray | None = None) -> float:
    """Of 8-bit frames; `where` (N, H, W) picks pixels."""
    e = (a.astype(np.float32) - b.astype(np.float32)) ** 2
    return float(10 * np.log10(255**2 / max(1e-9, (e if where is None else e[where]).mean())))
