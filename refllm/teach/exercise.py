"""What an exercise is: a property that a right answer has, two hints, and some wrong answers that people give.

There is no key to compare with. The property is a function that looks at the answer, which may be a value or a function
that the learner wrote, and calls `require` for everything that must hold; the message says which mistake was made. The
wrong answers are there for the tests: each must be refused, with a message of its own. The solution stands in the
notebook and nowhere else.

>>> @exercise(
...     "07.1",
...     hints=("halves are floor divisions", "try n // 2 for n = 7"),
...     wrong=(lambda n: n / 2, 3),
... )
... def half(answer):
...     '''A function that halves a number and rounds down.'''
...     require(callable(answer), "a function is asked for")
...     require(answer(7) == 3, f"half of 7 came out as {answer(7)}")
>>> half.asks
'A function that halves a number and rounds down.'
>>> problem(half, lambda n: n / 2)
'half of 7 came out as 3.5'
>>> problem(half, lambda n: n // 2) is None
True
"""

import dataclasses
import importlib.util
import inspect
import traceback
from collections.abc import Callable

from refllm.errors import RefllmError

NO_ANSWER = "there is no answer here"


class Wrong(Exception):
    """The answer lacks the property; the text names the mistake."""


@dataclasses.dataclass(frozen=True)
class Exercise:
    """One exercise: `holds(answer)` returns when the answer is right and raises `Wrong` when it is not."""

    id: str
    asks: str
    holds: Callable
    hints: tuple[str, str]
    wrong: tuple


def exercise(id: str, *, hints: tuple[str, str], wrong: tuple) -> Callable[[Callable], Exercise]:
    """Turn a property function into an exercise; the first line of its docstring says what is asked."""
    return lambda holds: Exercise(id, inspect.getdoc(holds).splitlines()[0], holds, hints, wrong)


def require(condition, message: str) -> None:
    """Refuse the answer with this message unless the condition holds."""
    if not condition:
        raise Wrong(message)


def of_lesson(lesson: str) -> dict[str, Exercise]:
    """The exercises of one lesson, by id, in the order in which they are written."""
    name = f"refllm.teach.exercises.lesson_{lesson}"
    if importlib.util.find_spec(name) is None:
        raise RefllmError(f"lesson {lesson!r} has no exercises; expected them in {name}")
    module = importlib.import_module(name)
    return {value.id: value for value in vars(module).values() if isinstance(value, Exercise)}


def find(id: str) -> Exercise:
    """The exercise `"01.3"`: the third of lesson 01."""
    lesson = id.partition(".")[0]
    known = of_lesson(lesson)
    if id not in known:
        raise RefllmError(f"no exercise {id!r}; lesson {lesson!r} has {', '.join(known)}")
    return known[id]


def problem(exercise: Exercise, answer) -> str | None:
    """What is wrong with the answer, in one line, or None when it is right."""
    if _is_empty(answer):
        return NO_ANSWER
    try:
        exercise.holds(answer)
    except NotImplementedError:
        return NO_ANSWER
    except Wrong as wrong:
        return str(wrong)
    except Exception as error:
        return _stumble(error, answer)
    return None


def _is_empty(answer) -> bool:
    """A stub that was never filled, alone or among others: `(version, ...)`."""
    parts = answer if isinstance(answer, (tuple, list)) else [answer]
    return any(part is ... for part in parts)


def _stumble(error: Exception, answer) -> str:
    """An exception met while checking: it came out of the learner's function, or out of an answer of another kind."""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    learners = [
        (frame.f_code.co_name, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") == "__main__"
    ]
    if learners:
        name, line = learners[-1]
        return f"{name} stopped with {what} (line {line} of its cell)"
    return f"an answer of type {type(answer).__name__} does not fit here ({what})"
