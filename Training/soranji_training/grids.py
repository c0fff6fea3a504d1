"""Blends what the plain and the shifted grid of the flow decoder draw, so that a film hardly shows the borders of either's tokens.

Each token's tint, and where it ends a thing, are a little off, which shows as steps along its borders. A border of one grid lies in the middle of
the other's tokens, and there the other one counts."""

from __future__ import annotations

import torch


def share(pixels: int, token_px: int) -> torch.Tensor:
    """(pixels,): how far inside a token of the plain grid each lies along one axis, near 1 in the middle and near 0 at its ends."""
    within = ((torch.arange(pixels) % token_px) + 0.5) / token_px
    return 1 - (2 * within - 1).abs()


def blend(plain: torch.Tensor, shifted: torch.Tensor, token_px: int) -> torch.Tensor:
    """Frames (..., H, W, 3) on either grid -> one of both; where a border of one grid crosses one of the other, half of each."""
    y, x = share(plain.shape[-3], token_px)[:, None, None], share(plain.shape[-2], token_px)[:, None]
    ours, theirs = (y * x).to(plain), ((1 - y) * (1 - x)).to(plain)
    return shifted + ours / (ours + theirs) * (plain - shifted)
