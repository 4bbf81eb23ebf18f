"""A shell in a pseudo-terminal that knows one program: a test types commands into it and reads the screen.

All commands run in one process, which imports JAX and compiles once. Ctrl+C typed here reaches it as from a keyboard.
"""

import codecs
import contextlib
import os
import pathlib
import pty
import select
import shlex
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = """
import fcntl, shlex, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # signals of the keyboard go to this process
from refllm import cli
while True:
    try:
        print("status", cli.main(shlex.split(input("$ "))[1:]), flush=True)
    except KeyboardInterrupt:
        print("interrupted")
"""


class Shell:
    """Types and reads; what was read and not yet asked for is in `seen`."""

    def __init__(self, folder: pathlib.Path):
        self.master, slave = pty.openpty()
        settings = {"REFLLM_CACHE": str(folder), "TERM": "dumb", "PYTHONUTF8": "1", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env={**os.environ, **settings},
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.until("$ ")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def until(self, text: str, seconds: float = 120) -> str:
        """Wait for a text on the screen; returns all up to its end."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {text!r} after {seconds} s, but {self.seen!r}"
            self.seen += self.decoder.decode(os.read(self.master, 65536)).replace("\r\n", "\n")
        before, found, self.seen = self.seen.partition(text)
        return before + found

    def until_something(self) -> None:
        """Wait for some letters, whatever they are."""
        while not any(letter.isalpha() for letter in self.seen):
            self.seen += self.decoder.decode(os.read(self.master, 65536))

    def interrupt_until(self, text: str, key: str = "\x03") -> str:
        """Press Ctrl+C, or another key, until a text appears: one pressed while the line editor is starting is lost."""
        for _ in range(20):
            self.type(key)
            with contextlib.suppress(AssertionError):
                return self.until(text, seconds=5)
        raise AssertionError(f"no {text!r} in spite of {key!r}, but {self.seen!r}")

    def run(self, *words: object) -> None:
        self.type(shlex.join(map(str, words)) + "\n")
        self.until("\n")  # the echo

    def close(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)
