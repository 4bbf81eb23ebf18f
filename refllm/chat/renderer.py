"""Renders a chat template in a child process, and kills the child when it takes too long.

Why a process: a template from a file is a stranger's program. Inside this process its time and memory could only be
bounded by listing everything Jinja2 can do (`'a' * 10**10`, a filter that pads, loops in loops), and one forgotten
item is a hole. The operating system needs no list. The child (`sandbox.py`) starts once for each template, in about
0.2 s and beside whatever else is done; a rendering then takes a millisecond.

>>> renderer = Renderer("{{ greeting }}, {{ name | upper }}!")
>>> renderer.render({"greeting": "Hello", "name": "Ann"})
'Hello, ANN!'
>>> Renderer("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}").render({})
Traceback (most recent call last):
    ...
refllm.chat.renderer.TemplateError: the chat template takes longer than 1.0 seconds
"""

import contextlib
import json
import pathlib
import subprocess
import sys
import threading
import weakref

from refllm.errors import RefllmError

SANDBOX = pathlib.Path(__file__).with_name("sandbox.py")
LONGEST_TEMPLATE = 1_000_000  # characters; the longest known are 60,000
LONGEST_ANSWER = 100_000_000  # bytes, JSON's escapes included
SECONDS = 1.0
SECONDS_TO_START = 60.0


class TemplateError(RefllmError):
    """A chat template that cannot be rendered, or should not be."""


class Renderer:
    """One template and the process that renders it; threads may share it, and wait for each other."""

    def __init__(self, template: str):
        if len(template) > LONGEST_TEMPLATE:
            raise TemplateError(
                f"the chat template has {len(template)} characters; expected {LONGEST_TEMPLATE} at most"
            )
        self.template = template
        self._lock = threading.Lock()
        self._start()

    def render(self, variables: dict) -> str:
        """The text that the template makes of the variables, which must be what JSON can say."""
        request = json.dumps({"template": self.template, "variables": variables}).encode() + b"\n"
        with self._lock:
            if not self._ready:
                self._ready = self._exchange(b"", SECONDS_TO_START) == b"ready\n"
            answer = self._exchange(request, SECONDS) if self._ready else b""
            if not answer.endswith(b"\n"):
                self._end()
                self._start()
        if not answer.endswith(b"\n"):
            raise TemplateError(f"the chat template {self._reason}")
        answer = json.loads(answer)
        if "error" in answer:
            raise TemplateError(f"the chat template cannot be used: {answer['error']}")
        return answer["text"]

    def _exchange(self, request: bytes, seconds: float) -> bytes:
        """Send a line and wait for one; what comes back is no line where the child was killed or has died."""
        self._reason = "ended its process"
        timer = threading.Timer(seconds, self._too_late, [seconds])
        timer.start()
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
            return self._process.stdout.readline(LONGEST_ANSWER)
        except BrokenPipeError:
            return b""
        finally:
            timer.cancel()

    def _too_late(self, seconds: float) -> None:
        self._reason = f"takes longer than {seconds} seconds"
        self._process.kill()

    def _start(self) -> None:
        # A session of its own: Ctrl+C in the terminal is meant for us. It ends itself when its standard input closes.
        self._process = subprocess.Popen(
            [sys.executable, "-P", SANDBOX],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._ready = False
        self._end = weakref.finalize(self, end, self._process)


def end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # what was still to be sent has nobody to go to
            pipe.close()
