#!/usr/bin/env python3
"""A book of a million tokens in one session: read (and killed while it is read), opened again, asked.

The book is any long text; by default the King James Bible of Debian's package bible-kjv, 1,000,475 tokens for SmolLM2. A
pass key is put in at a depth, and the sections of the handbook of `Benchmarks/facts` all over it, whose ten questions are
asked, too. Reading takes more than an hour on two cores; what was read stays, so the script can be run again for the
questions alone. Needs root to drop the page cache.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "peers"))
import peer  # noqa: E402

# Asked "What is the pass key?", a small model tells what such a thing might be, though the number is on its list.
QUESTION = "Which number is the pass key?"
LONG_QUESTION = "Write a long story about what you have read."
FACTS = FOLDER.parent / "facts"


def bible():
    """Chapters with a line of their own between them."""
    try:
        lines = peer.run(["bible", "-f", "Gen1:1-Rev22:21"]).stdout.splitlines()
    except peer.Failure:
        raise peer.Failure("the program `bible` is not there: install bible-kjv, or name a text with --text") from None
    parts, place = [], None
    for line in lines:
        found = re.match(r"^(\S+?)(\d+):\d+ (.*)$", line)
        if not found:
            continue
        if found.groups()[:2] != place:
            place = found.groups()[:2]
            parts.append(f"\n\n{place[0]} {place[1]}\n\n")
        parts.append(found.group(3) + " ")
    return "".join(parts)


def document(options, home):
    """The text with its key and the sections of the handbook, as a file."""
    text = pathlib.Path(options.text).read_text() if options.text else bible()
    text = text[: options.characters or None]
    sections = re.split(r"(?m)^## .*\n", (FACTS / "fennick-light.md").read_text())[1:]
    added = [(options.depth, f" The pass key is {options.key}. Remember it. {options.key} is the pass key. ")]
    added += [((number + 0.5) / len(sections), f"\n\n{section.strip()}") for number, section in enumerate(sections)]
    reach = min(options.within or len(text), len(text))
    # From the end on, so that places before stay what they are.
    for depth, words in sorted(added, reverse=True):
        place = text.find("\n\n", int(reach * depth))
        if place < 0:
            raise peer.Failure(f"the text has no empty line behind the depth {depth:.2f}, where something could be put in")
        text = text[:place] + words + text[place:]
    path = home / "document.txt"
    path.write_text(text)
    return path


def facts_found(options, home, *arguments):
    """How many of the handbook's questions are answered rightly, and the answers."""
    told = json.loads((FACTS / "questions.json").read_text())["questions"]
    answers = []
    for fact in told:
        report = json.loads(ask(options, home, "-n", 48, "--no-sources", "--json", *arguments, question=fact["question"])[0])
        answer = report["answer"].strip()
        answers.append((any(word.lower() in answer.lower() for word in fact["accept"]), fact["question"], answer))
    return sum(right for right, _, _ in answers), answers


def ask(options, home, *arguments, question=QUESTION, kill_after=None):
    """Runs a question to its end, or kills it. The report, seconds to the first byte and to the end, and peak MiB."""
    command = [options.program, "ask", "--session", options.name, "--kv", options.kv, "--threads", options.threads, *arguments, question]
    environment = os.environ | {"SORANJI_SESSIONS": str(home / "sessions")}
    with open(home / "errors.txt", "w+") as errors:
        started = time.monotonic()
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=errors, env=environment)
        if kill_after:
            time.sleep(kill_after)
            process.send_signal(signal.SIGKILL)
        first = process.stdout.read(1)
        to_first = time.monotonic() - started
        output = first + process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode and not kill_after:
            errors.seek(0)
            raise peer.Failure(errors.read())
    return output.decode(errors="replace"), to_first, time.monotonic() - started, used.ru_maxrss / 1024


def stored(options, home):
    """Tokens whose pages are in the session."""
    environment = os.environ | {"SORANJI_SESSIONS": str(home / "sessions")}
    found = peer.run([options.program, "session", "verify", options.name], env=environment).stdout
    left = re.search(r"(\d+) tokens are not computed", found)
    return found.splitlines()[0], int(left.group(1)) if left else 0


def drop_caches():
    subprocess.run(["sync"], check=True)
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError as error:
        raise peer.Failure(f"the page cache cannot be dropped ({error}); run as root") from None


def body():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soranji", help="the program (default: this repository's release build)")
    parser.add_argument("--home", default="/tmp/million", help="folder of the document and the session, which stay")
    parser.add_argument("--name", default="million", help="of the session; one with another text can begin with this one's pages")
    parser.add_argument("--text", help="another text than the Bible")
    parser.add_argument("--characters", type=int, help="so much of it")
    parser.add_argument("--within", type=int, help="the key and the sections stand within the first so many characters (default: all)")
    parser.add_argument("--depth", type=float, default=0.4, help="where the key is, from 0 to 1")
    parser.add_argument("--key", default="71432")
    parser.add_argument("--kv", default="q8v4")
    parser.add_argument("--kill-after", type=float, help="kills the first reading after so many seconds")
    parser.add_argument("--memory", default="3G", help="what is allowed in the last question")
    parser.add_argument("-t", "--threads", type=int, default=2)
    options = parser.parse_args()
    options.program = peer.soranji(options.soranji)
    home = pathlib.Path(options.home)
    home.mkdir(parents=True, exist_ok=True)
    path = document(options, home)
    exists = lambda: (home / "sessions" / options.name / "session.json").exists()
    reading = ["--doc", path]
    if options.kill_after and not exists():
        ask(options, home, *reading, "-n", 1, kill_after=options.kill_after)
        if exists():
            line, left = stored(options, home)
            print(f"killed after {options.kill_after:.0f} s: {line}; {left:,} tokens left")
    if exists():
        reading = []
    output, _, seconds, peak = ask(options, home, *reading, "-n", 16, "--no-sources", "--json")
    report = json.loads(output)
    rows = [["reading, or what was left of it", f"{seconds:.1f} s", f"{peak:.0f} MiB", report["answer"].strip()]]
    tokens = report["prompt_tokens"]
    drop_caches()
    for name, arguments in (("page cache dropped", ()), ("again", ()), (f"--memory {options.memory}", ("--memory", options.memory))):
        output, to_first, seconds, peak = ask(options, home, "-n", 16, "--no-sources", *arguments)
        rows.append([f"{name}: first token, all", f"{to_first:.2f} s, {seconds:.2f} s", f"{peak:.0f} MiB", output.strip()])
    for name in ("writing, its pages not in memory yet", "writing"):
        report = json.loads(ask(options, home, "-n", 200, "--no-sources", "--json", question=LONG_QUESTION)[0])
        rows.append([name, f"{report['decode_tokens_per_second']:.1f} tokens/s", "", f"{report['answer_tokens']} tokens"])
    print(f"{tokens:,} tokens")
    print(peer.table(["", "time", "peak", "answer"], rows))
    for name, arguments in (("", ()), (" without the question's words (--recall-words 0)", ("--recall-words", 0))):
        right, answers = facts_found(options, home, *arguments)
        print(f"{right} of {len(answers)} facts found{name}:")
        for is_right, question, answer in answers:
            print(f"  {'right' if is_right else 'wrong'}: {question} -> {answer}")
    answers = {row[3] for row in rows[:4]}
    if len(answers) != 1:
        raise peer.Failure("answers differ")
    print("the key was found" if options.key in answers.pop() else "the key was not found")
    return 0


if __name__ == "__main__":
    peer.main(body)
