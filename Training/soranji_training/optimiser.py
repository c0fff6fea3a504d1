"""Muon for matrices (momentum, then an orthogonalised update by five Newton-Schulz steps) beside AdamW for the rest.

Muon: K. Jordan et al., 2024; the quintic's coefficients are theirs. Stacked experts (E, out, in) are updated one matrix each."""

from __future__ import annotations

import torch


def orthogonalise(g: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """(..., a, b) -> nearly orthogonal factors of each matrix."""
    a, b, c = 3.4445, -4.7750, 2.0315
    flip = g.shape[-2] > g.shape[-1]
    x = g.mT if flip else g
    x = x / (x.flatten(-2).norm(dim=-1)[..., None, None] + 1e-7)
    for _ in range(steps):
        q = x @ x.mT
        x = a * x + (b * q + c * (q @ q)) @ x
    return x.mT if flip else x


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, rate: float, momentum: float = 0.95, decay: float = 0.01, bf16: bool = False):
        super().__init__(parameters, dict(lr=rate, momentum=momentum, decay=decay))
        self.number = torch.bfloat16 if bf16 else torch.float32  # of the Newton-Schulz steps

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                m = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(m, group["momentum"]).to(self.number)
                rows, columns = p.shape[-2:]
                if p.dim() == 2 and rows % columns == 0 and rows > columns:  # fused projections: a square block each
                    update = orthogonalise(update.view(rows // columns, columns, columns)).view_as(p)
                    scale = 1.0
                else:
                    update, scale = orthogonalise(update), max(1.0, rows / columns) ** 0.5
                p.mul_(1 - group["lr"] * group["decay"]).add_(update.to(p.dtype), alpha=-group["lr"] * scale)


class Both:
    """Muon and AdamW as one optimiser; `scale` multiplies both rates."""

    def __init__(self, named, muon_rate: float, adam_rate: float, is_matrix, bf16: bool = False):
        named = [(n, p) for n, p in named if p.requires_grad]
        matrices = [p for n, p in named if is_matrix(n, p)]
        rest = [p for n, p in named if not is_matrix(n, p)]
        self.parts = [torch.optim.AdamW(rest, adam_rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True)]
        self.rates = [adam_rate]
        if matrices:
            self.parts.append(Muon(matrices, muon_rate, bf16=bf16))
            self.rates.append(muon_rate)

    def step(self, scale: float):
        for part, rate in zip(self.parts, self.rates):
            for group in part.param_groups:
                group["lr"] = rate * scale
            part.step()

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self):
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states):
        for part, state in zip(self.parts, states):
            part.load_state_dict(state)
