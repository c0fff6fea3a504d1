#!/usr/bin/env python3
"""How sure the default model is of what it says of clips: of its world, of its world but for the things, and of others.

    $SORANJI_TRAINING/venv/bin/python Benchmarks/answers/certainty.py --tool .build/release/soranji

Every clip is described in its own run of `soranji ask`. The others are what ffmpeg's sources of test pictures draw. The table has, for
each group, quantiles of the certainty that `--json` tells, and which share of the clips would be doubted below each threshold."""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from score import ROOT, ask, configuration, language, media, sound, world
from soranji_training.things import CATALOGUE

QUESTION = "Describe the video."
# Two seconds of each, without sound.
SOURCES = (
    "smptebars=size=64x64:rate=8",
    "rgbtestsrc=size=64x64:rate=8",
    "testsrc=size=128x128:rate=8",
    "testsrc2=size=320x240:rate=25",
    "mandelbrot=size=320x240:rate=25",
    "life=size=64x64:rate=8:mold=10:r=8",
    "cellauto=size=64x64:rate=8",
    "sierpinski=size=320x240:rate=25",
    "gradients=size=64x64:rate=8",
    "color=gray:size=64x64:rate=8",
    "color=red:size=64x64:rate=8",
    "color=black:size=64x64:rate=8,noise=alls=100:allf=t",
    "yuvtestsrc=size=64x64:rate=8",
)
THRESHOLDS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=Path, default=ROOT / ".build/release/soranji")
    parser.add_argument("--clips", type=int, default=60, help="of each of the first two groups")
    parser.add_argument("--seed", type=int, default=91)
    parser.add_argument("options", nargs="*", help="more options for `soranji ask`, after --")
    args = parser.parse_args()
    config = configuration.load(None)
    painter, speaker = world.Painter(config.world), sound.Speaker(config.world.sample_rate)
    unknown = [name for name in CATALOGUE if name not in world.things_of(config.world)]
    groups: dict[str, list[float]] = {}

    def describe(clip: Path, group: str, right: str | None = None):
        told = ask(args.tool, clip, QUESTION, args.options)
        if right is not None:
            group += ", right" if told["answer"] == right else ", wrong"
        groups.setdefault(group, []).append(told["certainty"])

    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"

        def write(scene):
            wave = sound.render(config.world, scene, speaker)
            media.write_mp4(clip, painter.paint(scene)[0], wave, config.world.fps, config.world.sample_rate, 1)

        for index in range(args.clips):
            scene = world.scene(config.world, args.seed, index, "test")
            write(scene)
            describe(clip, "of its world", language.sentence(language.canonical(scene)))
            others = np.random.default_rng([args.seed, index]).choice(unknown, len(scene.things), replace=False)
            write(dataclasses.replace(scene, things=tuple(map(str, others))))
            describe(clip, "things that it does not know")
        for source in SOURCES:
            subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", "2", str(clip)], check=True)
            describe(clip, "other clips")
    print("| group | clips | lowest | 5 % | median | " + " | ".join(f"< {t}" for t in THRESHOLDS) + " |")
    print("|---|" + "---:|" * (4 + len(THRESHOLDS)))
    for group, values in groups.items():
        v = np.array(values)
        cells = [v.min(), np.quantile(v, 0.05), np.median(v), *((v < t).mean() for t in THRESHOLDS)]
        print(f"| {group} | {len(v)} | " + " | ".join(f"{x:.2f}" for x in cells) + " |")


if __name__ == "__main__":
    main()
