"""Softens the borders of the flow decoder's tokens in frames that were filmed.

Each token is denoised to a tint of its own that is a little off, which shows as a grid of steps. As in the filters of video codecs
(H.264, 8.7), a small step between two calm sides is spread over the pixels beside it; a large one is an edge of the picture and stays."""

from __future__ import annotations

import torch

REACH_PX = 4  # pixels to each side that take part of a step
WHOLE, EDGE = 8 / 127.5, 24 / 127.5  # differences up to the first are removed, those above the second left; linear between


def soften(frames: torch.Tensor, token_px: int) -> torch.Tensor:
    """(T, H, W, 3) in about -1...1 -> the same. Columns of tokens first, then rows."""
    reach = min(REACH_PX, token_px // 4)
    x = frames.clone()
    for axis in (2, 1):
        v = x.movedim(axis, 0)
        for border in range(token_px, v.shape[0], token_px):
            before, after = v[border - 1], v[border]
            slope_before, slope_after = before - v[border - 2], v[border + 1] - after
            largest = torch.stack([after - before, slope_before, slope_after]).abs().amax((0, -1))[..., None]
            share = ((EDGE - largest) / (EDGE - WHOLE)).clamp(0, 1)
            step = torch.where(largest < EDGE, (after - before - (slope_before + slope_after) / 2) * share, 0)
            for i in range(reach):
                weight = (reach - i - 0.5) / (2 * reach)
                v[border - 1 - i] += weight * step
                v[border + i] -= weight * step
    return x
