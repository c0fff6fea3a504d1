"""What the comparison scripts share: where the tools and models lie, how a tool is run, how this machine is described."""

import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

BENCHMARKS = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = BENCHMARKS.parent
MODEL_NAME = "SmolLM2-135M-Instruct"
QUANTIZATIONS = ("Q4_1", "Q4_0", "Q8_0", "Q4_K_M")


class Failure(Exception):
    """An error for the person at the terminal: printed without a traceback."""


def run(command, **options):
    """Runs a tool to its end and returns the completed process; its output is text."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", **options
        )
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not there; build it first") from None
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        raise Failure(f"{' '.join(command)}\nended with code {done.returncode}:\n{tail}")
    return done


def prepared(script):
    """Runs a preparing script, whose messages go to the terminal, and returns the last line of its output: a path."""
    try:
        done = subprocess.run([str(script)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    except subprocess.CalledProcessError as error:
        raise Failure(f"{script} ended with code {error.returncode}") from None
    return pathlib.Path(done.stdout.strip().splitlines()[-1])


def llama_tools():
    """The folder of llama.cpp's tools, built if need be."""
    return prepared(BENCHMARKS / "peers" / "build-llama.sh")


def models(tools):
    """Quantization name -> GGUF file. Made once by llama-quantize from the Q4_1 file that the project fetches."""
    source = prepared(REPOSITORY / "Scripts" / "model.sh")
    folder = source.parent.parent / "peers" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    files = {"Q4_1": source}
    for name in QUANTIZATIONS:
        if name in files:
            continue
        target = folder / f"{MODEL_NAME}.{name}.gguf"
        if not target.exists():
            # A name of its own for every process, so that two runs at once end with one whole file.
            partial = target.with_suffix(f".{os.getpid()}.partial")
            print(f"making {target}", file=sys.stderr)
            run([tools / "llama-quantize", "--allow-requantize", source, partial, name, 2])
            partial.rename(target)
        files[name] = target
    return files


def soranji(argument):
    """The program to compare: the given path, or the release build of this repository."""
    program = pathlib.Path(argument) if argument else REPOSITORY / ".build" / "release" / "soranji"
    if not program.exists():
        raise Failure(f"{program} is not there; run `make build`, or name the program with --soranji")
    return program


def machine():
    """Processor, cores, memory and system of this machine, as the results record them."""
    details = {"system": platform.platform(), "cores": os.cpu_count()}
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        for key in ("vendor_id", "model name", "cpu family", "model"):
            match = re.search(rf"^{key}\s*:\s*(.*)$", text, re.MULTILINE)
            if match:
                details[key.replace(" ", "_")] = match.group(1)
        flags = re.search(r"^flags\s*:\s*(.*)$", text, re.MULTILINE)
        wanted = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")
        present = set(flags.group(1).split()) if flags else set()
        details["instruction_sets"] = [flag for flag in wanted if flag in present]
        memory = re.search(r"MemTotal:\s*(\d+) kB", pathlib.Path("/proc/meminfo").read_text())
        details["memory_gib"] = round(int(memory.group(1)) / (1 << 20), 1)
    except OSError:
        pass
    return details


def load_average():
    """Runnable processes over the last minute: how busy the machine was while a figure was taken."""
    return round(os.getloadavg()[0], 2)


def summary(samples):
    """Median, best and all samples, rounded for reading."""
    return {
        "median": round(statistics.median(samples), 2),
        "best": round(max(samples), 2),
        "samples": [round(sample, 2) for sample in samples],
    }


def update_results(path, section, value):
    """Replaces one section of a results file and the description of the machine; the other sections stay."""
    path = pathlib.Path(path)
    results = json.loads(path.read_text()) if path.exists() else {}
    results["machine"] = machine()
    results.setdefault(section, {})
    results[section] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    partial.rename(path)


def table(header, rows):
    """A Markdown table, columns padded so that it reads well in a terminal too."""
    cells = [list(map(str, header))] + [list(map(str, row)) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def main(body):
    """Runs a script's body; a Failure becomes one message and exit code 1."""
    try:
        sys.exit(body())
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
