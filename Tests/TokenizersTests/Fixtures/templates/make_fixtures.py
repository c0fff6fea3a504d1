"""Writes what Jinja2 makes of the templates: expected/*.json, conversations.json and expressions.json.

Needs Jinja2 3.1.6. Run in this folder: python3 make_fixtures.py
Cases whose output is not the same in every run (addresses of objects) are left out.
"""

import json
import pathlib
import re

import conversations
import expressions
import oracle

HERE = pathlib.Path(__file__).parent
# Objects print their address; numbers beyond 64 bits, complex numbers and characters by name are not supported.
UNSTABLE = re.compile(r"object at 0x|<TemplateReference|<class ")
UNSUPPORTED = {"{{ (-8) ** 0.5 }}", "{{ '\\N{DIGIT ONE}' }}", "{{ 99999999999999999999999 }}", "{{ 'a'.encode is undefined }}"}


def write(name, value):
    text = json.dumps(value, ensure_ascii=False, indent=0)
    (HERE / name).write_text(text + "\n", encoding="utf-8")


def main():
    contexts = dict(conversations.contexts())
    write("conversations.json", contexts)
    (HERE / "expected").mkdir(exist_ok=True)
    for path in sorted((HERE / "models").glob("*.jinja")):
        template = path.read_bytes().decode("utf-8")
        write(f"expected/{path.stem}.json", {name: oracle.render(template, value) for name, value in contexts.items()})
    cases = []
    for template in expressions.cases():
        result = oracle.render(template, expressions.CONTEXT)
        if template not in UNSUPPORTED and not UNSTABLE.search(result.get("output", "")):
            cases.append({"template": template, **result})
    write("expressions.json", {"context": expressions.CONTEXT, "cases": cases})
    print(len(contexts), "conversations,", len(list((HERE / "models").glob("*.jinja"))), "models,", len(cases), "cases")


if __name__ == "__main__":
    main()
