#!/usr/bin/env python3
"""Time from starting `soranji ask` on an imported 4 GB bundle to its first prefill chunk.

The random model of make_olmoe.py is imported once; then `ask` runs several times. What is reported is the life of the whole
process less the seconds that it spent on reading and answering (its own figures), so it is an upper bound: it includes ending.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "peers"))
import peer  # noqa: E402


def body():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soranji", help="the program (default: this repository's release build)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--results", help="write the figures into this JSON file")
    options = parser.parse_args()
    program = peer.soranji(options.soranji)
    made = subprocess.run([sys.executable, FOLDER / "make_olmoe.py"], stdout=subprocess.PIPE, text=True)
    if made.returncode != 0:
        raise peer.Failure("the random model could not be made")
    model = made.stdout.strip().splitlines()[-1]
    samples = []
    for index in range(options.runs + 1):
        started = time.monotonic()
        done = peer.run([program, "ask", "--model", model, "--max-tokens", 1, "--json", "hello"])
        seconds = time.monotonic() - started
        report = json.loads(done.stdout)
        samples.append(seconds - report["prefill_seconds"] - report["decode_seconds"])
    # The first run imported the model.
    imported, samples = samples[0], samples[1:]
    figures = {"import_and_start_seconds": round(imported, 2), "start_seconds": peer.summary(samples)}
    figures["start_seconds"]["worst"] = round(max(samples), 2)
    del figures["start_seconds"]["best"]
    print(f"first run, which imports: {imported:.1f} s")
    print("later runs, to the first prefill chunk: " + ", ".join(f"{sample:.2f}" for sample in samples) + " s")
    if options.results:
        peer.update_results(options.results, "startup", figures)
    return 0 if max(samples) < 0.3 else 1


if __name__ == "__main__":
    peer.main(body)
