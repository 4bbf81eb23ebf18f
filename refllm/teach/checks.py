"""Checking the answers of a lesson, and knowing at its end which were checked.

`check` prints one line when an answer is right; otherwise it says what is wrong and gives a hint, and from the second
wrong answer on a stronger one. It never raises because of an answer, so that Run All of a copy with nothing filled in
reaches the end. It keeps no grades and writes no file: what it remembers, it forgets with the kernel.

>>> check("example.1", ...)
example.1 not yet: there is no answer here
     hint: the unit is the byte, of 8 bits
>>> check("example.1", 144)
example.1 not yet: 144 is the number of bits
     hint: the unit is the byte, of 8 bits
>>> check("example.1", 16)
example.1 not yet: 16 bytes are 4 bits for each weight
     stronger hint: 4.5 bits for each of 32 weights, divided by 8
>>> check("example.1", 18)
example.1 correct: How many bytes do 32 weights of 4.5 bits take?
>>> passed("example.1")
True
>>> summary("example")
example: 1 of 2 exercises passed; open: example.2 (not checked)
"""

import collections

from refllm.teach.exercise import NO_ANSWER, find, of_lesson, problem

_results: dict[str, str] = {}
_wrong_answers: collections.Counter = collections.Counter()


def check(id: str, answer) -> None:
    """Say whether this answer to exercise `id` is right, and help when it is not."""
    exercise = find(id)
    found = problem(exercise, answer)
    if found is None:
        _results[id] = "correct"
        print(f"{id} correct: {exercise.asks}")
        return
    _results[id] = "empty" if found == NO_ANSWER else "wrong"
    _wrong_answers[id] += found != NO_ANSWER
    stronger = _wrong_answers[id] > 1
    print(f"{id} not yet: {found}")
    print(f"     {'stronger hint' if stronger else 'hint'}: {exercise.hints[stronger]}")


def passed(id: str) -> bool:
    """Was the last answer to this exercise right?"""
    return _results.get(find(id).id) == "correct"


def summary(lesson: str) -> None:
    """Print how many exercises of the lesson were passed; one that was not checked counts as open."""
    known = of_lesson(lesson)
    still_open = [f"{id} ({_results.get(id, 'not checked')})" for id in known if not passed(id)]
    if still_open:
        done = len(known) - len(still_open)
        print(f"{lesson}: {done} of {len(known)} exercises passed; open: {', '.join(still_open)}")
    else:
        print(f"{lesson}: all {len(known)} exercises passed")
