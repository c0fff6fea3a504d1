"""Jinja2 as `apply_chat_template` sets it up: what the fixtures' expected outputs are rendered with."""

import datetime
import json

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

# The moment of every fixture.
NOW = datetime.datetime(2024, 7, 26, 9, 5, 7)


class Raised(jinja2.exceptions.TemplateError):
    """What `raise_exception` throws."""


class Generation(Extension):
    """`{% generation %}` marks what the assistant said; rendering passes it through."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("passed_through"), [], [], body).set_lineno(line)

    def passed_through(self, caller):
        return caller()


def raise_exception(message):
    raise Raised(message)


def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = to_json
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


ENVIRONMENT = environment()


def render(template, context):
    """{"output": text}, {"raised": message} or {"error": message}."""
    try:
        return {"output": ENVIRONMENT.from_string(template).render(**context)}
    except Raised as error:
        return {"raised": str(error.message)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}
