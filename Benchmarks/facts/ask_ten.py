#!/usr/bin/env python3
"""Ten questions about a document of 4,000 tokens, put to llama.cpp and to `soranji ask`: the same file, the same prompt, greedy.

The document tells of an island that does not exist, so that a right answer can only come from the document. An answer
is right if it contains one of the accepted words, whatever the case. Both programs get the same text: the system and
user messages below in the model's own chat template, at most 48 new tokens.
"""

import argparse
import json
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))
import peer  # noqa: E402

NEW_TOKENS = 48
# What the template itself puts in front when there is no system message.
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
# The prompt of `soranji ask` with one document.
USER = "Document {title}:\n\n{text}\n\nQuestion: {question}\nAnswer with one sentence from the document."


def rendered(title, text, question):
    """The whole prompt, as SmolLM2's chat template writes it."""
    user = USER.format(title=title, text=text, question=question)
    return f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"


def ask_llama(tools, model, title, text, question, threads, scratch):
    prompt = scratch / "prompt.txt"
    # The tool drops one newline at the end of the file; the prompt keeps its own.
    prompt.write_text(rendered(title, text, question) + "\n")
    done = peer.run(
        [
            tools / "llama-completion", "-m", model, "-f", prompt, "-no-cnv", "--no-escape", "--no-display-prompt",
            "--temp", "0", "-n", NEW_TOKENS, "-c", 8192, "-t", threads, "--no-perf",
            # The document is read once; the next question begins after it.
            "--prompt-cache", scratch / "document.cache",
        ]
    )  # fmt: skip
    return done.stdout.replace("[end of text]", "").strip()


def ask_soranji(program, model, document, question, threads):
    done = peer.run(
        [
            program, "ask", "--model", model, "--doc", document, "--temperature", "0", "--max-tokens", NEW_TOKENS,
            "--threads", threads, "--json", question,
        ]
    )  # fmt: skip
    return json.loads(done.stdout)["answer"].strip()


def is_right(answer, accepted):
    return any(word.lower() in answer.lower() for word in accepted)


def body():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soranji", help="the program (default: this repository's release build)")
    parser.add_argument("--model", choices=peer.QUANTIZATIONS, default="Q4_1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer-only", action="store_true", help="ask llama.cpp alone")
    parser.add_argument("--results", help="write the answers into this JSON file")
    options = parser.parse_args()

    program = None if options.peer_only else peer.soranji(options.soranji)
    tools = peer.llama_tools()
    model = peer.models(tools)[options.model]
    task = json.loads((HERE / "questions.json").read_text())
    document = HERE / task["document"]
    text = document.read_text().strip()

    asked = ["llama.cpp"] + (["soranji"] if program else [])
    right = dict.fromkeys(asked, 0)
    rows, record = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for item in task["questions"]:
            question, accepted = item["question"], item["accept"]
            answers = {
                "llama.cpp": ask_llama(
                    tools, model, document.name, text, question, options.threads, pathlib.Path(scratch)
                )
            }
            if program:
                answers["soranji"] = ask_soranji(program, model, document, question, options.threads)
            row = [question, accepted[0]]
            for who in asked:
                passed = is_right(answers[who], accepted)
                right[who] += passed
                row.append("right" if passed else "wrong")
            rows.append(row)
            record.append({"question": question, "accept": accepted, "answers": answers})
            for who in asked:
                print(f"{question}\n  {who}: {answers[who]!r}", file=sys.stderr)
    rows.append(["**right of ten**", ""] + [f"**{right[who]}**" for who in asked])
    print(peer.table(["question", "answer"] + asked, rows))
    if options.results:
        peer.update_results(options.results, "facts", {"model": options.model, "right": right, "questions": record})
    return 1 if program and right["soranji"] < right["llama.cpp"] else 0


if __name__ == "__main__":
    peer.main(body)
