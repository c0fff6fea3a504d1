#!/usr/bin/env python3
"""Perplexity of the same GGUF files on the same text: llama.cpp's `llama-perplexity` and `soranji score`.

What both compute, exactly (README.md beside this file says it at length): the text without one trailing newline is
tokenized once; the tokens are cut into windows of 512, a shorter rest is dropped; every window runs on its own from
position 0 (its first token replaced by BOS if the model asks for BOS); the tokens 257 ... 511 of each window are scored;
the result is exp(mean negative log-likelihood).
"""

import argparse
import json
import re
import time

import peer

TOLERANCE = 0.005


def llama_perplexity(tools, model, text, window, threads):
    done = peer.run(
        # A batch of one window: the same arithmetic per window as a single prompt.
        [tools / "llama-perplexity", "-m", model, "-f", text, "-c", window, "-b", window, "-t", threads]
    )
    output = done.stdout + done.stderr
    match = re.search(r"Final estimate: PPL = ([0-9.]+) \+/- ([0-9.]+)", output)
    if not match:
        raise peer.Failure(f"llama-perplexity printed no estimate for {model}:\n{output[-800:]}")
    windows = re.findall(r"\[(\d+)\][0-9.]+,", output)
    return {
        "perplexity": float(match.group(1)),
        "standard_error": float(match.group(2)),
        "windows": int(windows[-1]) if windows else None,
    }


def soranji_perplexity(program, model, text, window, threads):
    done = peer.run(
        [program, "score", "--model", model, "--file", text, "--window", window, "--threads", threads, "--json"]
    )
    report = json.loads(done.stdout)
    return {key: report[key] for key in ("perplexity", "windows", "scored_tokens") if key in report}


def body():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soranji", help="the program (default: this repository's release build)")
    parser.add_argument("--text", default=peer.BENCHMARKS / "text" / "persuasion.txt")
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=peer.QUANTIZATIONS, default=peer.QUANTIZATIONS)
    parser.add_argument("--peer-only", action="store_true", help="run llama.cpp alone")
    parser.add_argument("--results", help="write the figures into this JSON file")
    options = parser.parse_args()

    program = None if options.peer_only else peer.soranji(options.soranji)
    tools = peer.llama_tools()
    files = peer.models(tools)
    rows, record, failed = [], {}, False
    for name in options.only:
        started = time.monotonic()
        theirs = llama_perplexity(tools, files[name], options.text, options.window, options.threads)
        theirs["seconds"] = round(time.monotonic() - started, 1)
        record[name] = {"llama.cpp": theirs}
        if program is None:
            rows.append([name, f"{theirs['perplexity']:.4f} ± {theirs['standard_error']:.4f}"])
            continue
        started = time.monotonic()
        ours = soranji_perplexity(program, files[name], options.text, options.window, options.threads)
        ours["seconds"] = round(time.monotonic() - started, 1)
        ratio = ours["perplexity"] / theirs["perplexity"]
        passed = abs(ratio - 1) <= TOLERANCE
        failed = failed or not passed
        record[name]["soranji"] = ours
        record[name]["ratio"] = round(ratio, 5)
        rows.append(
            [name, f"{theirs['perplexity']:.4f}", f"{ours['perplexity']:.4f}", f"{ratio:.4f}", "yes" if passed else "NO"]
        )
    header = ["file", "llama.cpp"]
    if program is not None:
        header += ["soranji", "soranji / llama.cpp", "within 0.5 %"]
    print(peer.table(header, rows))
    if options.results:
        peer.update_results(options.results, "perplexity", {"window": options.window, "files": record})
    return 1 if failed else 0


if __name__ == "__main__":
    peer.main(body)
