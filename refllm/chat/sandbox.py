"""The program that renders chat templates: a child process that has nothing and may do little.

A model file brings its chat template, a small program in Jinja2 that a stranger wrote. It runs here, in a process of
its own (`renderer.py` starts, feeds and ends it), inside Jinja2's immutable sandbox, and the operating system holds
the process itself: little memory, no new files, sockets or processes. It reads one JSON object per line, and answers
with one. What it does not do: measure time; whoever asked kills it when it takes too long. This file imports nothing
of the package, so that the child starts quickly.

The environment is that of `transformers.apply_chat_template`, for which templates are written: blocks swallow their
line break and indentation; there are `raise_exception`, `strftime_now`, `tojson` without escapes for HTML, `break` and
`continue`, and the tag `generation`, which marks what the model itself said and shows nothing.

>>> environment().from_string("{% for m in messages %}{{ m | tojson }}{% break %}{% endfor %}").render(messages=["你<"])
'"你<"'
>>> answer({"template": "{{ raise_exception('no system role') }}", "variables": {}})
{'error': 'no system role'}
"""

import contextlib
import datetime
import functools
import json
import sys
import time

import jinja2
import jinja2.ext
import jinja2.sandbox

try:
    import resource
except ImportError:  # not on Windows
    resource = None

MEMORY = 160 << 20  # bytes of address space; the bare process takes 30 MB of them
LONGEST_OUTPUT = 8_000_000  # characters


class Generation(jinja2.ext.Extension):
    """`{% generation %}...{% endgeneration %}` renders as what stands inside."""

    tags = {"generation"}  # noqa: RUF012  # so wanted by Jinja2

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def raise_exception(message):
    raise jinja2.TemplateError(str(message))


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def strftime_now(format):
    return datetime.datetime.now().strftime(format)


def environment() -> jinja2.Environment:
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, Generation]
    )
    made.filters["tojson"] = tojson
    made.globals |= {"raise_exception": raise_exception, "strftime_now": strftime_now}
    return made


@functools.lru_cache(maxsize=1)
def compiled(template: str) -> jinja2.Template:
    return environment().from_string(template)


def answer(request: dict) -> dict:
    """The rendered text, or what was wrong; nothing that a template does may end the program."""
    parts, length = [], 0
    try:
        for part in compiled(request["template"]).generate(request["variables"]):
            length += len(part)
            if length > LONGEST_OUTPUT:
                return {"error": f"writes more than {LONGEST_OUTPUT} characters"}
            parts.append(part)
    except MemoryError:
        return {"error": "takes more memory than it may"}
    except RecursionError:
        return {"error": "nests too deeply"}
    except jinja2.TemplateSyntaxError as error:
        return {"error": f"line {error.lineno}: {error.message}"}
    except jinja2.TemplateError as error:
        return {"error": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"text": "".join(parts)}


def give_up_rights() -> None:
    """What is open stays open; from here on nothing else can be had. (Some systems know fewer of these limits.)"""
    time.localtime()  # reads the time zone, once
    for name, limit in {"AS": MEMORY, "NOFILE": 3, "FSIZE": 0, "NPROC": 0, "CORE": 0}.items():
        with contextlib.suppress(AttributeError, ValueError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))


def serve() -> None:
    answer({"template": "{{ messages | tojson }}{% for a in 'b' %}{% endfor %}", "variables": {}})  # loads what is late
    give_up_rights()
    print("ready", flush=True)
    for line in sys.stdin.buffer:
        data = json.dumps(answer(json.loads(line))) + "\n"
        sys.stdout.write(data)
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
