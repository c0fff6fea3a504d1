"""Runs stages in turns, one process at a time, each resuming where it stopped.

Usage: python -m soranji_training.schedule --plan codec=10,prompts=8,flow=15,senses=10,answers=10 --rounds 6
The first round runs the stages as they stand; a stage with `*` (for example prompts*) runs in the first round only; flow=60/40 cools the
rates over the last 40 of its 60 minutes, in the last round alone. SIGTERM or the stop
file ends the running stage cleanly, then the schedule."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

from . import stage as stages

STAGES = ("codec", "prompts", "flow", "senses", "answers")


def main():
    parser = stages.arguments(__doc__)
    parser.add_argument("--plan", default="codec*=40,prompts*=10,senses=8,flow=20,answers=10", help="STAGE=MINUTES[/COOL],...")
    parser.add_argument("--rounds", type=int, default=8)
    args = parser.parse_args()
    turns = []
    for item in args.plan.split(","):
        name, _, minutes = item.partition("=")
        once = name.endswith("*")
        name = name.rstrip("*")
        if name not in STAGES:
            raise SystemExit(f"unknown stage {name}; there are {', '.join(STAGES)}")
        minutes, _, cool = minutes.partition("/")
        turns.append((name, float(minutes), float(cool or 0), once))
    stop = args.stop_file or args.folder / "stop"
    running: list[subprocess.Popen] = []
    ended = [False]

    def end(*_):
        ended[0] = True
        for p in running:
            p.terminate()

    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, end)
    for turn in range(args.rounds):
        for name, minutes, cool, once in turns:
            if ended[0] or stop.exists():
                return
            if once and turn:
                continue
            command = [sys.executable, "-m", f"soranji_training.train_{name}", "--minutes", str(minutes), "--cool", str(cool if turn == args.rounds - 1 else 0), "--folder", str(args.folder), "--seed", str(args.seed), "--threads", str(args.threads), "--device", args.device]
            command += [x for flag, value in (("--config", args.config), ("--pause-file", args.pause_file), ("--stop-file", args.stop_file)) if value for x in (flag, str(value))]
            command += ["--bf16"] * args.bf16
            print(json.dumps(dict(round=turn, stage=name, minutes=minutes, at=time.strftime("%H:%M:%S"))), flush=True)
            running[:] = [subprocess.Popen(command)]
            code = running[0].wait()
            if code and not ended[0]:
                raise SystemExit(f"stage {name} ended with code {code}")


if __name__ == "__main__":
    main()
