"""What a lesson calls: check an exercise, show a figure, show the source that runs.

A notebook needs one import and a few names.

    from refllm import teach

    teach.check("01.3", answer)         is this answer right? one line if so, a hint if not
    teach.passed("01.3")                was it right? (so that a later cell can go on without the answer)
    teach.summary("01")                 the last cell: every exercise of the lesson, also those that were not checked
    teach.show(figure, alt="...")       a matplotlib figure with its description under it
    teach.explore(function, t=(0, 2))   sliders for the arguments of a function that shows something
    teach.show_source(function)         the package's own code, never a copy of it
    teach.data("README.md")             the way to a file of `data/`, the same from every notebook
    teach.model()                       the way to the embedded model's file
    teach.scratch("mine.gguf")          the way to a file that a lesson writes

The rest of the room is for those who write lessons: `exercise` and `exercises/` (what a right answer must do),
`rebuild` (run all notebooks again and write the student copies), `hygiene` (the rules that a notebook keeps).

>>> check("example.1", 18)
example.1 correct: How many bytes do 32 weights of 4.5 bits take?
"""

from refllm.teach.checks import check, passed, summary
from refllm.teach.display import data, model, scratch, show, show_source
from refllm.teach.widgets import explore

__all__ = ["check", "data", "explore", "model", "passed", "scratch", "show", "show_source", "summary"]
