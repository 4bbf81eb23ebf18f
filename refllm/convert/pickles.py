"""Python's pickles, followed without running anything: the values that one builds, as far as they describe tensors.

A pickle is a program for a small machine with a stack. Most of its instructions put values together; a few call
whatever function the file names, which is how a file from a stranger runs its own code. Here the machine is our own: it
has the instructions that put together numbers, text, tuples, lists and dicts; functions are only those that the caller
knows by name. Everything else is refused where it stands. Time and memory are bounded by the limits below.

>>> import pickle
>>> follow(io.BytesIO(pickle.dumps({"a": [1, (2.5, "b")]})), known={}, storage=None)
{'a': [1, (2.5, 'b')]}
>>> follow(io.BytesIO(b"cos\\nsystem\\n(S'echo gotcha'\\ntR."), known={}, storage=None)
Traceback (most recent call last):
    ...
refllm.convert.pickles.PickleError: asks for 'os.system', which is no part of a tensor
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from refllm.errors import RefllmError

LARGEST = 16 << 20  # bytes of a pickle; that of a model with a thousand layers has about one million
MOST_STEPS = 4_000_000

Function = Callable[..., Any]
Known = Mapping[str, Any]  # functions, and things that stand for the names of types


class PickleError(RefllmError):
    """A pickle does something that no description of tensors does, or is damaged."""


class Mark:
    """What lies on the stack below the items of a list, a tuple or a dict."""


MARK = Mark()
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
SIMPLE = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"),
}
SIZED_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def follow(source: io.BytesIO, known: Known, storage: Function | None) -> Any:
    """The value of the pickle that begins where `source` stands, which then stands behind it.

    `known` are the functions it may name. `storage` gets what the pickle says of something that is kept beside it.
    """
    try:
        return Machine(known, storage).run(source)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, EOFError) as error:
        raise PickleError(f"is no sound pickle: {type(error).__name__}: {error}") from error


class Machine:
    """The stack, the memory, and what every instruction does to them."""

    def __init__(self, known: Known, storage: Function | None):
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}
        self.known, self.storage = known, storage

    def run(self, source: io.BytesIO) -> Any:
        for number, (instruction, argument, _) in enumerate(pickletools.genops(source)):
            if number > MOST_STEPS:
                raise PickleError(f"has more than {MOST_STEPS} steps; a description of tensors has fewer")
            if instruction.name == "STOP":
                break
            self.step(instruction.name, argument)
        return self.stack.pop()

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                stack.append(MARK)
            case "POP":
                stack.pop()
            case _ if name in SIMPLE:
                stack.append(argument)
            case _ if name in CONSTANTS:
                stack.append(CONSTANTS[name])
            case _ if name in EMPTY:
                stack.append(EMPTY[name]())
            case _ if name in SIZED_TUPLES:
                stack[-SIZED_TUPLES[name] :] = [tuple(stack[-SIZED_TUPLES[name] :])]
            case "TUPLE":
                stack.append(tuple(self.items()))
            case "LIST":
                stack.append(self.items())
            case "DICT":
                stack.append(self.filled({}, self.items()))
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memory[argument] = stack[-1]
            case "MEMOIZE":
                self.memory[len(self.memory)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memory[argument])
            case "APPEND":
                self.extend(stack[-2], [stack.pop()])
            case "APPENDS":
                items = self.items()
                self.extend(stack[-1], items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self.filled(stack[-1], [key, value])
            case "SETITEMS":
                items = self.items()
                self.filled(stack[-1], items)
            case "GLOBAL":
                stack.append(self.function(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(self.function(module, name))
            case "REDUCE" | "NEWOBJ":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self.called(function, arguments))
            case "BUILD":  # attributes of the object below, which here has none
                stack.pop()
            case "BINPERSID" if self.storage is not None:
                stack.append(self.storage(stack.pop()))
            case _:
                raise PickleError(f"has the instruction {name}, which no description of tensors needs")

    def items(self) -> list[Any]:
        """What lies above the last mark; the mark goes, too."""
        found = []
        while (item := self.stack.pop()) is not MARK:
            found.append(item)
        return found[::-1]

    def extend(self, target: Any, items: list[Any]) -> None:
        if type(target) is not list:
            raise PickleError("appends to something that is no list")
        target.extend(items)

    def filled(self, target: Any, items: list[Any]) -> dict:
        """The dict with these keys and values; a key is text or a number, whose hash costs nothing."""
        if not isinstance(target, dict) or not all(isinstance(key, str | int) for key in items[::2]):
            raise PickleError("sets an item of something that is no dict, or by a key that is no text")
        target.update(zip(items[::2], items[1::2], strict=True))
        return target

    def function(self, module: Any, name: Any) -> Any:
        full = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else "something without a name"
        if full not in self.known:
            raise PickleError(f"asks for {full[:200]!r}, which is no part of a tensor")
        return self.known[full]

    def called(self, function: Any, arguments: Any) -> Any:
        if not any(function is one for one in self.known.values()) or type(arguments) is not tuple:
            raise PickleError("calls something that is no part of a tensor")
        return function(*arguments)
