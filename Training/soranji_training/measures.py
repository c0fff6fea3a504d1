"""How a clip is judged without a learned judge: sprites are matched against the atlas over scale, turn and place; motion is read off
the matches' tracks; the background off the pixels that no sprite covers.

Matching is by squared error at half resolution: the picture minus its background is compared with each template, at each place, by
correlation; the best one is taken away and the search goes on (matching pursuit), so two things are found without knowing where."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from . import config as configuration
from .things import BACKGROUND_NAMES, BACKGROUNDS
from .world import SPIN_STEPS, Painter, Scene, things_of

SIZES_PX = (12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42)  # at 64 px
TURNED_SIZES_PX = (20, 24, 28, 32, 36)  # nothing turns and grows at once


@dataclass
class Match:
    thing: str
    gain: float  # share of the picture's energy that it explains
    x: float
    y: float
    size: int
    turn: int


@dataclass
class Verdict:
    background: str
    things: tuple[str, ...]  # the left or upper one first
    motions: tuple[str, ...]
    axis: str
    explained: float  # share of the foreground's energy that the matches explain, mean over frames


class Judge:
    def __init__(self, config: configuration.World):
        self.config, self.names = config, things_of(config)
        painter = Painter(config)
        unit = config.frame_px / 64
        self.sizes = tuple(2 * round(s * unit / 2) for s in SIZES_PX)
        self.reach = self._even(max(self.sizes) * 1.25)
        self.upright = self._bank(painter, self.names, (0,))
        self.turned = {n: self._bank(painter, (n,), tuple(range(SPIN_STEPS))) for n in self.names}

    @staticmethod
    def _even(x) -> int:
        return 4 * int(np.ceil(x / 4))

    def _bank(self, painter, names, turns):
        """Alpha (K, 1, k, k) and colour times alpha (K, 3, k, k) at half resolution, centred; and what each row is."""
        rows, alpha, colour = [], [], []
        unit = self.config.frame_px / 64
        for name in names:
            for size in self.sizes:
                for turn in turns if size / unit in TURNED_SIZES_PX else turns[:1]:
                    s = painter.sprite(name, size, turn)
                    a = np.zeros((self.reach, self.reach, 4), np.float32)
                    o = (self.reach - s.shape[0]) // 2
                    # `paint` puts a sprite of side h at x - h // 2, so its centre is at h // 2 of the template.
                    a[o : o + s.shape[0], o : o + s.shape[0]] = s
                    a = a.reshape(self.reach // 2, 2, self.reach // 2, 2, 4).mean((1, 3))
                    rows.append((name, size, turn))
                    alpha.append(a[..., 3:].transpose(2, 0, 1))
                    colour.append(a[..., :3].transpose(2, 0, 1))
        return rows, torch.from_numpy(np.stack(alpha)), torch.from_numpy(np.stack(colour))

    # Background

    def background(self, clip: np.ndarray) -> tuple[str, np.ndarray]:
        """The nearest backdrop, and its picture fitted to the clip (H, W, 3): the gradient plus one colour shift."""
        px = clip.shape[1]
        g = np.linspace(0, 1, px)[:, None, None]
        median = np.median(clip.astype(np.float32), axis=0)  # moving sprites leave most pixels free most of the time
        best = None
        for name in BACKGROUND_NAMES:
            b = BACKGROUNDS[name]
            base = np.broadcast_to(np.array(b.top) * (1 - g) + np.array(b.bottom) * g, (px, px, 3))
            d = median - base
            edge = np.concatenate([d[:6].reshape(-1, 3), d[-6:].reshape(-1, 3), d[:, :6].reshape(-1, 3), d[:, -6:].reshape(-1, 3)])
            shift = np.clip(np.median(edge, 0), -1.5 * self.config.jitter, 1.5 * self.config.jitter)
            error = np.minimum(np.abs(d - shift).max(-1), 64).mean()
            if best is None or error < best[0]:
                best = (error, name, (base + shift).astype(np.float32))
        return best[1], best[2]

    # Sprites

    def _half(self, picture: np.ndarray) -> torch.Tensor:
        h, w, _ = picture.shape
        return torch.from_numpy(picture.reshape(h // 2, 2, w // 2, 2, 3).mean((1, 3)).transpose(2, 0, 1).astype(np.float32) / 255)

    def _search(self, rest: torch.Tensor, back: torch.Tensor, bank, names=None) -> tuple[Match, torch.Tensor]:
        """The template and place that explain most of `rest` = picture - background (3, h, w); and what is then left."""
        rows, alpha, colour = bank
        mean = back.mean((1, 2), keepdim=True)
        template = colour - alpha * mean  # what a sprite adds to a flat background
        pad = self.reach // 4
        padded = F.pad(rest[None], (pad,) * 4)
        score = 2 * F.conv2d(padded, template) - template.square().sum((1, 2, 3))[:, None, None]
        at = int(score.argmax())
        width = score.shape[-1]
        k, cell = divmod(at, score.shape[-2] * width)
        y, x = divmod(cell, width)
        total = float(rest.square().sum()) + 1e-6
        left = padded[0].clone()
        side = template.shape[-1]
        left[:, y : y + side, x : x + side] -= template[k]
        left = left[:, pad : pad + rest.shape[1], pad : pad + rest.shape[2]]
        centre = lambda v: 2 * (v - pad) + self.reach / 2
        name, size, turn = rows[k]
        return Match(name, float(score.flatten()[at]) / total, centre(x), centre(y), size, turn), left

    def frame(self, picture: np.ndarray, back: np.ndarray, count: int, bank=None) -> list[Match]:
        back_half = self._half(back)
        rest = self._half(picture) - back_half
        energy, found = float(rest.square().sum()) + 1e-6, []
        for _ in range(count):
            match, left = self._search(rest, back_half, bank or self.upright)
            match.gain = match.gain * (float(rest.square().sum()) + 1e-6) / energy
            found.append(match)
            rest = left
        return found

    def judge(self, clip: np.ndarray, count: int | None = None) -> Verdict:
        """clip uint8 (T, H, W, 3). `count` fixes how many things are looked for; otherwise one or two are found."""
        background, back = self.background(clip)
        T = len(clip)
        # Turned sprites are upright in the first frames only, so identity is voted on over upright templates in all frames and turned
        # ones in four.
        votes: dict[str, float] = {}  # also of the second thing, so that both are among those looked at again
        pairs: dict[tuple[str, str], float] = {}
        second = []
        for t in range(0, T, 2):
            a, b = self.frame(clip[t], back, 2)
            votes[a.thing] = votes.get(a.thing, 0) + a.gain
            if count != 1:
                votes[b.thing] = votes.get(b.thing, 0) + b.gain
            if a.thing != b.thing:
                key = tuple(sorted((a.thing, b.thing)))
                pairs[key] = pairs.get(key, 0) + a.gain + b.gain
            distance = np.hypot(a.x - b.x, a.y - b.y)
            second.append(b.gain if distance > 14 * clip.shape[1] / 64 else 0.0)
        if count is None:
            count = 2 if np.quantile(second, 0.75) > 0.1 else 1  # one of the two may have shrunk
        names = list(max(pairs, key=pairs.get)) if count == 2 and pairs else [max(votes, key=votes.get)]
        # A spinning thing may be taken for another while it lies: look again with turns, among those with most votes.
        best = sorted(votes, key=votes.get)[-5:]
        turned = self._together(best)
        votes, pairs = {}, {}
        for t in (0, T // 4, T // 2, 3 * T // 4):
            found = self.frame(clip[t], back, count, turned)
            for m in found:
                votes[m.thing] = votes.get(m.thing, 0) + m.gain
            if count == 2 and found[0].thing != found[1].thing:
                key = tuple(sorted(m.thing for m in found))
                pairs[key] = pairs.get(key, 0) + sum(m.gain for m in found)
        if count == 1:
            names = [max(votes, key=votes.get)]
        elif pairs:
            names = list(max(pairs, key=pairs.get))
        tracks = self._tracks(clip, back, names)
        explained = float(np.mean([sum(m.gain for m in ms) for ms in zip(*tracks)]))
        axis = ""
        if len(tracks) == 2:
            mean = [(np.mean([m.x for m in t]), np.mean([m.y for m in t])) for t in tracks]
            dx, dy = mean[0][0] - mean[1][0], mean[0][1] - mean[1][1]
            axis = "x" if abs(dx) >= abs(dy) else "y"
            if (dx if axis == "x" else dy) > 0:
                tracks, names = tracks[::-1], names[::-1]
        return Verdict(background, tuple(names), tuple(self.motion(t, clip.shape[1]) for t in tracks), axis, explained)

    def _together(self, names):
        rows = [row for n in names for row in self.turned[n][0]]
        return rows, *(torch.cat([self.turned[n][i] for n in names]) for i in (1, 2))

    def _tracks(self, clip, back, names) -> list[list[Match]]:
        """One list of matches per name, a match a frame."""
        back_half = self._half(back)
        out: list[list[Match]] = [[] for _ in names]
        for picture in clip:
            rest = self._half(picture) - back_half
            total = float(rest.square().sum()) + 1e-6
            # The one that explains more goes first.
            first = [self._search(rest, back_half, self.turned[n])[0].gain for n in names] if len(names) > 1 else [1.0]
            for i in np.argsort(first)[::-1]:
                before = float(rest.square().sum()) + 1e-6
                match, rest = self._search(rest, back_half, self.turned[names[i]])
                match.gain *= before / total
                out[i].append(match)
        return out

    def motion(self, track: list[Match], px: int) -> str:
        unit = px / 64
        n = len(track)
        ends = max(1, n // 5)
        x, y = np.array([m.x for m in track]) / unit, np.array([m.y for m in track]) / unit
        size = np.array([m.size for m in track]) / unit
        turn = np.unwrap(np.array([m.turn for m in track]) * 2 * np.pi / SPIN_STEPS)
        late, early = slice(n - ends, n), slice(0, ends)
        dx, dy = np.median(x[late]) - np.median(x[early]), np.median(y[late]) - np.median(y[early])
        ratio = np.median(size[late]) / np.median(size[early])
        swing = np.ptp(y)
        if abs(turn[-1] - turn[0]) > np.pi and np.abs(np.diff(turn)).max() < 2.5:
            return "spin"
        if max(ratio, 1 / ratio) > 1.35:
            return "grow" if ratio > 1 else "shrink"
        if abs(dx) > max(5, abs(dy)):
            return "right" if dx > 0 else "left"
        # Two jumps: up by a quarter, down again at the half.
        up = (y[n // 4] + y[3 * n // 4]) / 2 - (y[0] + y[n // 2] + y[-1]) / 3
        if up < -2.5 and abs(dy) < 0.8 * swing:
            return "bounce"
        if abs(dy) > 4:
            return "fall" if dy > 0 else "rise"
        return "still"


def _means_by_grid(values: np.ndarray, first_px: int, token_px: int) -> tuple[float, float, float]:
    """Given a number for each line between pixels, the first of them before pixel `first_px`: the mean over lines between tokens of the plain grid,
    over those between tokens of the shifted one, and over the other even ones, where 4:2:0 puts its steps of colour as well."""
    begins = np.arange(len(values)) + first_px
    half = token_px // 2
    groups = begins % token_px == 0, begins % token_px == half, (begins % 2 == 0) & (begins % half != 0)
    return tuple(float(values[g].mean()) for g in groups)


def seams(clip: np.ndarray, token_px: int) -> np.ndarray:
    """How far neighbouring pixels of a clip (T, H, W, 3) differ, in the three groups of lines of `_means_by_grid`; differences above 8 of 255 count as 8: edges of things, which
    may be anywhere."""
    steps = [np.minimum(np.abs(np.diff(np.moveaxis(clip.astype(np.float32), axis, 1), axis=1)), 8).mean((0, 2, 3)) for axis in (1, 2)]
    return np.mean([_means_by_grid(s, 1, token_px) for s in steps], 0)


def cuts(clip: np.ndarray, token_px: int) -> np.ndarray:
    """How many edges of a clip (T, H, W, 3) lie on a line, in the three groups of lines of `_means_by_grid`. An edge is a step of over 40 of 255 in a colour that has calm
    (under 8) beyond it on one side at least: where a thing ends and its background begins."""
    rows = []
    for axis in (1, 2):
        steps = np.abs(np.diff(np.moveaxis(clip.astype(np.float32), axis, 1), axis=1)).max(-1)  # (T, lines, along)
        calm = steps < 8
        rows.append(_means_by_grid(((steps[:, 1:-1] > 40) & (calm[:, 2:] | calm[:, :-2])).sum((0, 2)), 2, token_px))
    return np.mean(rows, 0)


def score(judge: Judge, clips, scenes: list[Scene], token_px: int, counted: bool = False) -> dict:
    """Shares judged right of (clip, scene) pairs; `motions`: for each motion, how many things moved so, of how many that should, and
    what was seen instead; `seams`: how much more neighbouring pixels differ across the borders of tokens (`token_px`) of the plain and of the shifted
    grid (two numbers) than elsewhere, `cuts`: how much more edges of things there are; about 1 where there are no seams.
    `counted`: the number of things is not told to the judge."""
    rows, motions, borders = [], {}, []
    for clip, s in zip(clips, scenes):
        borders.append((seams(clip, token_px), cuts(clip, token_px)))
        v = judge.judge(clip, None if counted else len(s.things))
        same = v.things == s.things if len(s.things) == 1 else set(v.things) == set(s.things)
        in_place = v.things == s.things
        # Motions are compared thing by thing, whatever the places.
        said, seen = dict(zip(s.things, s.motions)), dict(zip(v.things, v.motions))
        if len(s.things) == 1:
            moves = v.motions[0] == s.motions[0]
        else:
            moves = all(seen.get(t) == m for t, m in said.items()) if same else v.motions == s.motions
        for i, (thing, motion) in enumerate(zip(s.things, s.motions)):
            found = seen[thing] if same else v.motions[i] if i < len(v.motions) else "nothing"
            motions.setdefault(motion, Counter())[found] += 1
        rows.append((v.background == s.background, same, in_place, moves, len(v.things) == len(s.things), v.explained, len(s.things)))
    r = np.array(rows, float)
    out = {k: round(float(r[:, i].mean()), 4) for i, k in enumerate(("background", "thing", "thing_in_place", "motion", "count", "explained"))}
    for n in (1, 2):
        part = r[r[:, 6] == n]
        if len(part):
            out |= {f"thing_{n}": round(float(part[:, 1].mean()), 4), f"motion_{n}": round(float(part[:, 3].mean()), 4)}
    for name, (*across, elsewhere) in zip(("seams", "cuts"), np.mean(borders, 0)):
        out[name] = [round(float(a / max(elsewhere, 1e-9)), 3) for a in across]
    return out | {"clips": len(r), "motions": {m: f"{c[m]} of {c.total()}" + "".join(f", {n} {k}" for k, n in c.most_common() if k != m) for m, c in sorted(motions.items())}}
