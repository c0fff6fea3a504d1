"""The grown experts: beside the frozen FFN of every other layer, video tokens and audio tokens each have routed experts of their own
(softmax over that modality's experts, the best two renormalised). Text tokens use none: without media the network is SmolLM2.

Sequence of a question: `<|im_start|>user\\n` media `QUESTION<|im_end|>\\n<|im_start|>assistant\\n` answer `<|im_end|>`, where media is, for
each window, mark, 8 video tokens, mark, then mark, 3 audio tokens, mark. Everything is causal in that order. In training the
questions of a clip are branches after one media prefix: a tree mask, positions restarted."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from . import config as configuration
from .layers import Experts, tensor
from .senses import AUDIO_SLOTS, VIDEO_SLOTS
from .trunk import END, START, Trunk

MODALITIES = ("video", "audio")
MARKS = ("video_begin", "video_end", "audio_begin", "audio_end")
VIDEO_TOKENS, AUDIO_TOKENS = len(VIDEO_SLOTS) + 2, len(AUDIO_SLOTS) + 2


class Grown(nn.Module):
    """Called by the trunk with the normed media states of a layer; knows by position which rows are video and which audio."""

    def __init__(self, u: configuration.Understanding, layers: int, width: int, dense: bool = False):
        super().__init__()
        # `dense`: one expert as wide as the routed ones that run, for comparison.
        E, hidden = (1, u.expert_hidden * u.expert_top) if dense else (u.experts, u.expert_hidden)
        make = lambda: nn.ModuleDict({str(i): Experts(width, E, hidden, u.expert_top) for i in range(0, layers, u.expert_every)})
        self.video, self.audio = make(), make()
        self.marks = nn.Parameter(torch.zeros(len(MARKS), width))
        self.gains = nn.Parameter(torch.ones(len(VIDEO_SLOTS) + len(AUDIO_SLOTS)))
        self.kinds: torch.Tensor | None = None  # (media rows,) index into MODALITIES

    def __call__(self, layer, x, loads=None):
        key = str(layer)
        if key not in self.video:
            return 0
        out = torch.zeros_like(x)
        for m, experts in enumerate((self.video[key], self.audio[key])):
            rows = (self.kinds == m).nonzero(as_tuple=True)[0]
            if len(rows):
                part = x[:, rows]
                y = experts(part.reshape(-1, x.shape[-1]), loads).view(part.shape)
                out = out.index_add(1, rows, y)
        return out

    def media(self, senses, video: torch.Tensor | None, audio: torch.Tensor | None) -> torch.Tensor:
        """Slots' directions (B, slots, width) of one window -> trunk inputs (B, n, width); sets `kinds`."""
        parts, kinds = [], []
        n = len(VIDEO_SLOTS)
        for m, (slots, gains) in enumerate(((video, self.gains[:n]), (audio, self.gains[n:]))):
            if slots is None:
                continue
            mark = senses.centre + self.marks[2 * m : 2 * m + 2]
            mark = mark[:, None, None].expand(-1, len(slots), 1, -1)
            parts += [mark[0], senses.embed(slots * gains[:, None]), mark[1]]
            kinds += [m] * (slots.shape[1] + 2)
        self.kinds = torch.tensor(kinds)
        return torch.cat(parts, 1)


class Packer:
    """Questions of clips as token tables: text ids (B, S), positions and mask over media + text, and where each answer is predicted."""

    def __init__(self, trunk: Trunk):
        self.trunk, self.known = trunk, {}
        self.pre, self.mid, self.end = self.ids(f"{START}user\n"), self.ids(f"{END}\n{START}assistant\n"), self.ids(END)

    def ids(self, text):
        if text not in self.known:
            self.known[text] = self.trunk.ids(text)
        return self.known[text]

    def __call__(self, clips: list[list], media: int):
        P = len(self.pre)
        base, rows = P + media, []
        for questions in clips:
            ids, branch, pos, predict = list(self.pre), [0] * P, list(range(P)), []
            for j, q in enumerate(questions):
                ask, answer, start = self.ids(q.question) + self.mid, self.ids(q.answer) + self.end, len(ids)
                ids += ask + answer[:-1]
                n = len(ids) - start
                branch += [j + 1] * n
                pos += range(base, base + n)
                predict += [(start + len(ask) - 1 + k, y, j) for k, y in enumerate(answer)]
            rows.append((ids, branch, pos, predict))
        B, S = len(rows), max(len(r[0]) for r in rows)
        table, branch, pos = np.zeros((B, S), int), np.full((B, media + S), -1), np.zeros((B, media + S), int)
        branch[:, :media], pos[:, :media] = 0, np.arange(P, base)
        where = []
        for b, (ids, br, po, predict) in enumerate(rows):
            n = len(ids)
            table[b, :n], branch[b, media : media + n], pos[b, media : media + n] = ids, br, po
            where += [(b, p, y, j) for p, y, j in predict]
        branch, pos = tensor(branch), tensor(pos)
        mask = (pos[:, None] <= pos[:, :, None]) & ((branch[:, None] == 0) | (branch[:, None] == branch[:, :, None])) & (branch[:, None] >= 0)
        mask |= torch.eye(media + S, dtype=torch.bool)
        return tensor(table), pos, mask, torch.tensor(where)


def answer_logits(trunk: Trunk, grown: Grown, media: torch.Tensor, packed, loads=None):
    table, pos, mask, where = packed
    h, _ = trunk.run(trunk.emb[table], pos, mask, media, grown, loads=loads)
    return h[where[:, 0], where[:, 1]] @ trunk.emb.T, where[:, 2]


@torch.no_grad()
def answer(trunk: Trunk, grown: Grown, media: torch.Tensor, question: str, longest: int = 32) -> str:
    """Greedy answer about one clip (media (1, n, width)). Recomputes the sequence for each token: a reference, not fast."""
    P, n = trunk.ids(f"{START}user\n"), media.shape[1]
    ids = P + trunk.ids(f"{question}{END}\n{START}assistant\n")
    first, stop = len(ids), trunk.ids(END)[0]
    while len(ids) < first + longest:
        S = len(ids)
        pos = torch.cat([torch.arange(n) + len(P), torch.arange(len(P)), torch.arange(len(P), S) + n])[None]
        mask = pos[:, None] <= pos[:, :, None]
        h, _ = trunk.run(trunk.emb[torch.tensor([ids])], pos, mask, media, grown)
        token = int((h[0, -1] @ trunk.emb.T).argmax())
        if token == stop:
            break
        ids.append(token)
    return trunk.tokenizer.decode(ids[first:])
