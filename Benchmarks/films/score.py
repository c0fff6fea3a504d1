#!/usr/bin/env python3
"""Scores what the default model films through the product: `soranji generate` writes H.264 files, and what is in them is judged without a learned judge.

    $SORANJI_TRAINING/venv/bin/python Benchmarks/films/score.py --tool .build/release/soranji --keep films

Parts (--parts, all by default), each a line of JSON on standard output:
  prompts  held-out prompts, a file each: thing, motion, background and how many; a contact sheet of the first 24, seeds 0 to 23
  story    storyboards of 12 shots, a film each: shots judged right in their places
  extend   clips of `prompts` gone on from: whether the new two seconds show the same thing on the same background
  long     films of 60 s, storyboards of 30 shots: the measures of the last five shots beside those of the first five
  drawn    clips of 60 s from one prompt: the measures of the last two seconds beside those of the first two
  cost     seconds and peak memory of a clip of 2 s and of one of 60 s
Scenes are of the split `test`: each holds a triple of thing, motion and background that training never saw. The judge is
`soranji_training.measures`: sprites by matching, motion by tracking, backgrounds by their pixels."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Training"))

from soranji_training import config as configuration  # noqa: E402
from soranji_training import language, measures, media, world  # noqa: E402

PARTS = ("prompts", "story", "extend", "long", "drawn", "cost")
SHOTS, LONG_SHOTS, COMPARED_SHOTS = 12, 30, 5


def read(path: Path) -> np.ndarray:
    """(frames, height, width, 3)"""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


class Film:
    def __init__(self, args, home: Path):
        self.args, self.home = args, home
        self.config = configuration.load(args.config)
        self.judge = measures.Judge(self.config.world)

    def run(self, *arguments) -> tuple[float, float, float]:
        """Runs the tool once. Seconds from start to end, of the processor, and its peak memory in MB."""
        command = [str(self.args.tool), "generate", *map(str, arguments), *self.args.options]
        started = time.time()
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                errors.seek(0)
                raise SystemExit(f"{' '.join(command)}\n{errors.read().decode()}")
        return time.time() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024

    def scene(self, index: int, seed: int):
        scene = world.scene(self.config.world, seed, index, "test")
        text = language.caption(scene, np.random.default_rng([seed, index]))
        return scene, language.sentence(text) if self.args.sentences else text

    def clip(self, index: int) -> Path:
        """The clip of a prompt, filmed if it is not there."""
        path = self.home / f"{index:04d}.mp4"
        if not path.exists():
            self.run(self.scene(index, self.args.seed)[1], "-o", path, "--seed", index)
        return path

    def shares(self, clips, scenes) -> dict:
        told = measures.score(self.judge, clips, scenes, self.config.token_px)
        counted = measures.score(self.judge, clips, scenes, self.config.token_px, counted=True)
        keys = ("thing", "motion", "background", "thing_1", "motion_1", "thing_2", "motion_2", "seams", "cuts", "motions")
        return {k: told[k] for k in keys if k in told} | dict(count=counted["count"])

    # Parts

    def prompts(self) -> dict:
        started = time.time()
        chosen = range(self.args.prompts)
        scenes = [self.scene(i, self.args.seed)[0] for i in chosen]
        clips = [read(self.clip(i)) for i in chosen]
        filmed = time.time() - started
        media.sheet(clips[:24], self.home / "contact.png", side_by_side=2)
        words = [f"seed {i}: {self.scene(i, self.args.seed)[1]}" for i in chosen[:24]]
        (self.home / "contact.txt").write_text("\n".join(words) + "\n")
        return dict(prompts=len(scenes), seconds_filming=round(filmed, 1)) | self.shares(clips, scenes)

    def right(self, clip: np.ndarray, scene) -> dict[str, bool]:
        row = measures.score(self.judge, [clip], [scene], self.config.token_px)
        return {k: row[k] == 1 for k in ("thing", "motion", "background")}

    def storyboard(self, name: str, number: int, seed: int, shots: int):
        """The shots of a film from a storyboard, and their scenes."""
        frames = self.config.world.frames
        scenes = [world.scene(self.config.world, seed, i, "test") for i in range(shots)]
        text = self.home / f"{name}.md"
        text.write_text(language.storyboard(scenes, np.random.default_rng(seed)))
        path = text.with_suffix(".mp4")
        if not path.exists():
            self.run("--prompt-file", text, "-o", path, "--seed", number)
        film = read(path)
        if len(film) != shots * frames:
            raise SystemExit(f"{path} has {len(film)} frames instead of {shots * frames}")
        return [film[i * frames : (i + 1) * frames] for i in range(shots)], scenes

    def story(self) -> dict:
        rows = []
        for number in range(self.args.stories):
            shots, scenes = self.storyboard(f"story-{number}", number, self.args.seed + 1000 + number, SHOTS)
            rows.append([self.right(clip, scene) for clip, scene in zip(shots, scenes)])
        count = lambda keys: [sum(all(shot[k] for k in keys) for shot in story) for story in rows]
        return dict(
            stories=len(rows),
            shots=SHOTS,
            right=count(("thing", "motion", "background")),
            right_thing_and_background=count(("thing", "background")),
        )

    def extend(self) -> dict:
        same, frames = [], self.config.world.frames
        for i in range(self.args.extensions):
            scene, text = self.scene(i, self.args.seed)
            path = self.home / f"{i:04d}-longer.mp4"
            if not path.exists():
                self.run(text, "--extend", self.clip(i), "-o", path, "--seed", i, "--seconds", frames / self.config.world.fps)
            film = read(path)
            count = len(scene.things)
            before, after = self.judge.judge(film[:frames], count), self.judge.judge(film[-frames:], count)
            kept = sorted(before.things) == sorted(after.things), before.background == after.background
            # Half a second on either side of the join: a jump would show as a larger step than those inside of the clip.
            steps = np.abs(np.diff(film.astype(np.float32), axis=0)).mean((1, 2, 3))
            same.append((*kept, all(kept), set(after.things) == set(scene.things), steps[len(film) - frames - 1] / max(steps.mean(), 1e-6)))
        r = np.array(same, float)
        names = ("keeps_thing", "keeps_background", "keeps_both", "thing_as_asked", "step_at_join")
        return dict(clips=len(r)) | {k: round(float(r[:, i].mean()), 4) for i, k in enumerate(names)}

    def long(self) -> dict:
        first, last = ([], []), ([], [])
        for number in range(self.args.longs):
            clips, scenes = self.storyboard(f"long-{number}", number, self.args.seed + 2000 + number, LONG_SHOTS)
            for kept, part in ((first, slice(COMPARED_SHOTS)), (last, slice(-COMPARED_SHOTS, None))):
                kept[0].extend(clips[part])
                kept[1].extend(scenes[part])
        return dict(films=self.args.longs, shots=LONG_SHOTS, first=self.shares(*first), last=self.shares(*last))

    def drawn(self) -> dict:
        scenes, first, last = [], [], []
        frames = self.config.world.frames
        for i in range(self.args.drawn):
            scene, text = self.scene(i, self.args.seed + 1)
            path = self.home / f"{i:04d}-drawn.mp4"
            if not path.exists():
                self.run(text, "-o", path, "--seed", i, "--seconds", 60)
            film = read(path)
            scenes.append(scene)
            first.append(film[:frames])
            last.append(film[-frames:])
        return dict(clips=len(scenes), first=self.shares(first, scenes), last=self.shares(last, scenes))

    def cost(self) -> dict:
        text, row = self.scene(0, self.args.seed)[1], {}
        for seconds in (2, 60):
            best = min(self.run(text, "-o", self.home / "cost.mp4", "--seconds", seconds) for _ in range(3 if seconds == 2 else 1))
            names = ("seconds", "processor_seconds", "megabytes")
            row |= {f"{name}_{seconds}": round(value, 2) for name, value in zip(names, best)}
        return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=Path, default=ROOT / ".build/release/soranji")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--stories", type=int, default=3)
    parser.add_argument("--extensions", type=int, default=40)
    parser.add_argument("--longs", type=int, default=6)
    parser.add_argument("--drawn", type=int, default=2)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--sentences", action="store_true", help="prompts with a capital letter and a full stop")
    parser.add_argument("--config", help="settings of the world (JSON); default: the small ones")
    parser.add_argument("--keep", type=Path, help="folder that keeps the clips; what is there already is not filmed again")
    parser.add_argument("options", nargs="*", help="more options for `soranji generate`, after --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = args.keep or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        film = Film(args, home)
        for part in args.parts:
            started = time.time()
            row = dict(part=part) | getattr(film, part)()
            row |= dict(seconds=round(time.time() - started, 1), parts=os.environ.get("SORANJI_PARTS", "built in"))
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
