#!/usr/bin/env python3
"""Times the encoders beside transformers, in turns, and compares what comes out.

    run.py FOLDER [--what image,video,audio] [--threads 2] [--rounds 3] [--weights bf16,f32] [--reference f32,bf16]

FOLDER holds what `reference.py make` wrote, and takes the bundles; EncoderBench must be built. Every process encodes
twice, and the second time counts: files are read and buffers made in the first. Prints the seconds of every round by
the clock and of all processors, the best of each, and the difference from the rows of the first reference.
"""
import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
GRIDS = {"image": "1x48x48", "video": "4x28x28"}


def commands(options, what):
    """Command and output file of every side."""
    kind = "audio" if what == "audio" else "vision"
    inside = lambda name: os.path.join(options.folder, name)
    sides = {}
    for weights in filter(None, options.weights.split(",")):
        output = inside(f"out-{what}-{weights}.f32")
        sides["soranji " + weights] = [options.bench, inside(kind), inside(f"{kind}-{weights}.bundle"), kind, weights,
                                       inside(what + ".f32"), output, str(options.threads), str(options.repeats),
                                       GRIDS.get(what, "")], output
    for reference in filter(None, options.reference.split(",")):
        output = inside(f"out-{what}-reference-{reference}.f32")
        sides["transformers " + reference] = [sys.executable, os.path.join(HERE, "reference.py"), "time",
                                              options.folder, what, reference, str(options.threads), str(options.repeats), output], output
    return sides


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--what", default="image,video,audio")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2, help="encodings of every process, of which the last counts")
    parser.add_argument("--weights", default="bf16,f32")
    parser.add_argument("--reference", default="f32,bf16")
    parser.add_argument("--bench", default=os.path.join(HERE, "../../.build/release/EncoderBench"))
    options = parser.parse_args()
    for what in options.what.split(","):
        sides = commands(options, what)
        best = {name: (1e9, 1e9) for name in sides}
        for _ in range(options.rounds):
            for name, (command, _) in sides.items():
                lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
                seconds, processors = (float(word) for word in lines[-1].split())
                best[name] = (min(best[name][0], seconds), min(best[name][1], processors))
                print(f"{what} {name}: {seconds:.2f} s, {processors:.2f} s of processors", flush=True)
        reference = next((output for name, (_, output) in sides.items() if name.startswith("transformers")), None)
        for name, (_, output) in sides.items():
            difference = ""
            if reference and output != reference:
                difference = subprocess.run(
                    [sys.executable, os.path.join(HERE, "reference.py"), "compare", reference, output],
                    check=True, capture_output=True, text=True).stdout.strip()
            print(f"best of {what}, {name}: {best[name][0]:.2f} s, {best[name][1]:.2f} s of processors; "
                  f"difference {difference or '-'}", flush=True)


if __name__ == "__main__":
    main()
