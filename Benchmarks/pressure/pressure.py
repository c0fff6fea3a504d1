#!/usr/bin/env python3
"""Decoding with a 4 GB mixture of experts in a control group that allows half of that.

The random model of ../startup/make_olmoe.py answers at a high temperature, so that tokens, and with them experts, vary. Every
run begins with the files out of the page cache. Needs root, to make a memory control group (version 1 or 2).
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "peers"))
import peer  # noqa: E402

PROMPT = "Tell me about light houses and the sea."


class Group:
    """A control group that allows so many bytes, page cache included."""

    def __init__(self, limit):
        legacy = pathlib.Path("/sys/fs/cgroup/memory")
        self.legacy = legacy.is_dir()
        self.path = (legacy if self.legacy else pathlib.Path("/sys/fs/cgroup")) / f"soranji-pressure-{os.getpid()}"
        try:
            self.path.mkdir()
            (self.path / ("memory.limit_in_bytes" if self.legacy else "memory.max")).write_text(str(limit))
            if not self.legacy:
                (self.path / "memory.swap.max").write_text("0")
        except OSError as error:
            raise peer.Failure(f"no memory control group can be made ({error}); run as root") from None

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def peak(self):
        """Most bytes that the group had (0 where Linux does not say), and how often it was at its limit."""
        read = lambda name: (self.path / name).read_text()
        if self.legacy:
            return int(read("memory.max_usage_in_bytes")), int(read("memory.failcnt"))
        events = dict(line.split() for line in read("memory.events").splitlines())
        # Since Linux 5.19.
        return int(read("memory.peak")) if (self.path / "memory.peak").exists() else 0, int(events["max"])

    def close(self):
        try:
            if self.legacy:
                (self.path / "memory.force_empty").write_text("0")
            self.path.rmdir()
        except OSError:
            pass


def cold(paths):
    """Takes files out of the page cache."""
    for path in paths:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run(command, group):
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        preexec_fn=group.enter if group else None,
    )
    if done.returncode != 0:
        raise peer.Failure(f"{command[0]} ended with code {done.returncode}:\n{done.stderr[-800:]}")
    return done


def soranji(program, model, options, group, memory):
    command = [program, "ask", "--model", model, "--threads", options.threads, "--max-tokens", options.tokens]
    command += ["--temperature", 2, "--seed", 1, "--json", PROMPT] + (["--memory", memory] if memory else [])
    report = json.loads(run(command, group).stdout)
    return report["decode_tokens_per_second"], report["answer"]


def llama(tools, model, options, group):
    # --repack 0: its weights stay in the map instead of being copied.
    command = [tools / "llama-completion", "-m", model, "-t", options.threads, "-n", options.tokens, "-c", 2048]
    command += ["--temp", 2, "--seed", 1, "--ignore-eos", "--no-repack", "-no-cnv", "-p", PROMPT]
    found = re.search(r"\beval time =.*?([\d.]+) tokens per second", run(command, group).stderr)
    if not found:
        raise peer.Failure("llama-completion did not say how fast it was")
    return float(found.group(1))


def body():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soranji", help="the program (default: this repository's release build)")
    parser.add_argument("--limit", type=int, default=2 << 30, help="bytes that the control group allows")
    parser.add_argument("--memory", default="1800M", help="what Soranji is told of it")
    parser.add_argument("-n", "--tokens", type=int, default=96)
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, in turn")
    parser.add_argument("--skip-peer", action="store_true")
    parser.add_argument("--results", help="write the figures into this JSON file")
    options = parser.parse_args()
    program = peer.soranji(options.soranji)
    made = subprocess.run([sys.executable, FOLDER.parent / "startup" / "make_olmoe.py"], stdout=subprocess.PIPE, text=True)
    if made.returncode != 0:
        raise peer.Failure("the random model could not be made")
    model = pathlib.Path(made.stdout.strip().splitlines()[-1])
    tools = None if options.skip_peer else peer.llama_tools()
    # The first run imports the model; its words are what all others must say.
    speed, answer = soranji(program, model, options, None, None)
    # ROOT/peers/models/FILE and ROOT/bundles/NAME: see Scripts/common.sh.
    bundles = (model.parents[2] / "bundles").glob(model.stem + "*")
    files = [path for bundle in bundles for path in bundle.rglob("*") if path.is_file()] + [model]
    samples = {"unlimited": [speed], "soranji": [], f"soranji --memory {options.memory}": [], "llama.cpp": []}
    peaks = {}
    for _ in range(options.rounds):
        for name in list(samples)[1:]:
            if name == "llama.cpp" and not tools:
                continue
            cold(files)
            group = Group(options.limit)
            try:
                if name == "llama.cpp":
                    samples[name].append(llama(tools, model, options, group))
                else:
                    speed, words = soranji(program, model, options, group, options.memory if "--memory" in name else None)
                    samples[name].append(speed)
                    if words != answer:
                        raise peer.Failure(f"{name} answered otherwise than without a limit")
                peaks[name] = group.peak()
            finally:
                group.close()
            peak, hits = peaks[name]
            print(f"{name}: {samples[name][-1]:.2f} tokens/s, peak {peak >> 20} MiB, at the limit {hits} times", file=sys.stderr)
    figures = {name: peer.summary(values) for name, values in samples.items() if values}
    rows = [
        [name, f["median"], f["samples"], f"{peaks[name][0] >> 20} MiB" if name in peaks else ""]
        for name, f in figures.items()
    ]
    print(peer.table(["", "tokens/s, median", "samples", "peak of the last"], rows))
    for name, (peak, hits) in peaks.items():
        figures[name] |= {"peak_bytes": peak, "at_limit": hits}
    if options.results:
        peer.update_results(options.results, "pressure", figures | {"limit_bytes": options.limit, "load": peer.load_average()})
    return 0


if __name__ == "__main__":
    peer.main(body)
