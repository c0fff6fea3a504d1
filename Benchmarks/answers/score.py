#!/usr/bin/env python3
"""Scores the default model's answers through the product: held-out clips as H.264 and AAC in mp4, asked about with `soranji ask`.

    $SORANJI_TRAINING/venv/bin/python Benchmarks/answers/score.py --tool .build/release/soranji --questions 600

Every question goes through its own run of the tool at temperature 0, as a user's would. An answer is right when it is the right one, word
for word. Scenes and questions are those of the split `test`: each holds a triple of thing, motion and background that training never saw.
A line of JSON with the share of each kind goes to standard output; --wrong N shows wrong answers."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Training"))

from soranji_training import config as configuration  # noqa: E402
from soranji_training import language, media, sound, world  # noqa: E402


def ask(tool: Path, clip: Path, question: str, options: list[str]) -> dict:
    command = [str(tool), "ask", "--video", str(clip), "--json", "--max-tokens", "48", *options, question]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)}\n{run.stderr}")
    return json.loads(run.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=Path, default=ROOT / ".build/release/soranji")
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--config", help="settings of the world (JSON); default: the small ones")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--scale", type=int, default=1, help="enlarge the clips' pixels so many times")
    parser.add_argument("--wrong", type=int, default=0, help="show so many wrong answers")
    parser.add_argument("--keep", type=Path, help="folder that keeps the clips")
    parser.add_argument("options", nargs="*", help="more options for `soranji ask`, after --")
    args = parser.parse_args()
    config = configuration.load(args.config)
    painter, speaker = world.Painter(config.world), sound.Speaker(config.world.sample_rate)
    hits: dict[str, list[bool]] = {}
    started, asked, index, shown = time.time(), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        home = args.keep or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        while asked < args.questions:
            scene = world.scene(config.world, args.seed, index, "test")
            clip = home / f"{index:04d}.mp4"
            wave = sound.render(config.world, scene, speaker)
            media.write_mp4(clip, painter.paint(scene)[0], wave, config.world.fps, config.world.sample_rate, args.scale)
            for q in language.questions(scene, np.random.default_rng([args.seed, index]), config.world):
                if asked >= args.questions:
                    break
                said = ask(args.tool, clip, q.question, args.options)["answer"]
                right = said == q.answer
                for kind in (q.kind, f"{q.kind}_{len(scene.things)}"):
                    hits.setdefault(kind, []).append(right)
                asked += 1
                if not right and shown < args.wrong:
                    shown += 1
                    print(f"{clip.name} {q.question} -> {said} [{q.answer}]", file=sys.stderr)
            index += 1
    row = dict(questions=asked, clips=index, seconds=round(time.time() - started, 1), parts=os.environ.get("SORANJI_PARTS", "built in"))
    row |= {kind: round(float(np.mean(v)), 4) for kind, v in sorted(hits.items())}
    row["all"] = round(float(np.mean([x for kind, v in hits.items() if kind[-1] not in "12" for x in v])), 4)
    print(json.dumps(row))


if __name__ == "__main__":
    main()
