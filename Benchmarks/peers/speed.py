#!/usr/bin/env python3
"""Speed on the same GGUF files: `llama-bench` and `soranji bench`, prefill of 512 tokens and decoding of 64, two threads.

The two programs run in turn, several rounds, because other work on the machine slows whoever runs beside it; the table
compares medians over the rounds, and the results keep every sample and the load of the machine at each.
"""

import argparse
import json

import peer


def llama_bench(tools, model, options):
    done = peer.run(
        [
            tools / "llama-bench", "-m", model, "-p", options.prefill, "-n", options.decode,
            "-t", options.threads, "-r", options.repetitions, "-o", "json",
        ]
    )  # fmt: skip
    figures = {}
    for test in json.loads(done.stdout):
        if test["n_prompt"] > 0 and test["n_gen"] == 0:
            figures["prefill"] = test["samples_ts"]
        elif test["n_gen"] > 0 and test["n_prompt"] == 0:
            figures["decode"] = test["samples_ts"]
    if set(figures) != {"prefill", "decode"}:
        raise peer.Failure(f"llama-bench reported no prefill and decode for {model}")
    return figures


def soranji_bench(program, model, options):
    done = peer.run(
        [
            program, "bench", "--model", model, "-p", options.prefill, "-n", options.decode,
            "-t", options.threads, "-r", options.repetitions, "--json",
        ]
    )  # fmt: skip
    report = json.loads(done.stdout)
    return {
        "prefill": [report["prefill_tokens_per_second"]],
        "decode": [report["decode_tokens_per_second"]],
    }


def body():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soranji", help="the program (default: this repository's release build)")
    parser.add_argument("-p", "--prefill", type=int, default=512)
    parser.add_argument("-n", "--decode", type=int, default=64)
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-r", "--repetitions", type=int, default=5, help="inside one run of either program")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program, in turn")
    parser.add_argument("--only", nargs="+", choices=peer.QUANTIZATIONS, default=peer.QUANTIZATIONS)
    parser.add_argument("--peer-only", action="store_true", help="run llama.cpp alone")
    parser.add_argument("--results", help="write the figures into this JSON file")
    options = parser.parse_args()

    program = None if options.peer_only else peer.soranji(options.soranji)
    tools = peer.llama_tools()
    files = peer.models(tools)
    runners = {"llama.cpp": lambda model: llama_bench(tools, model, options)}
    if program is not None:
        runners["soranji"] = lambda model: soranji_bench(program, model, options)
        for name in options.only:
            # The first run of a new file imports it; that is not part of what is measured.
            soranji_bench(program, files[name], argparse.Namespace(**{**vars(options), "repetitions": 1}))

    rows, record = [], {}
    for name in options.only:
        samples = {who: {"prefill": [], "decode": []} for who in runners}
        loads = []
        for _ in range(options.rounds):
            for who, measure in runners.items():
                figures = measure(files[name])
                for phase in ("prefill", "decode"):
                    samples[who][phase] += figures[phase]
                loads.append(peer.load_average())
        record[name] = {
            who: {phase: peer.summary(values) for phase, values in phases.items()} for who, phases in samples.items()
        }
        record[name]["load_averages"] = loads
        for phase in ("prefill", "decode"):
            theirs = record[name]["llama.cpp"][phase]
            row = [name, phase, f"{theirs['median']:.0f}", f"{theirs['best']:.0f}"]
            if program is not None:
                ours = record[name]["soranji"][phase]
                row += [f"{ours['median']:.0f}", f"{ours['best']:.0f}", f"{ours['median'] / theirs['median']:.2f}"]
            rows.append(row)
    header = ["file", "phase", "llama.cpp median", "llama.cpp best"]
    if program is not None:
        header += ["soranji median", "soranji best", "ratio of medians"]
    print("Tokens per second.\n")
    print(peer.table(header, rows))
    if options.results:
        setting = {key: getattr(options, key) for key in ("prefill", "decode", "threads", "repetitions", "rounds")}
        peer.update_results(options.results, "speed", {"setting": setting, "files": record})
    return 0


if __name__ == "__main__":
    peer.main(body)
