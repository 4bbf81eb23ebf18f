"""The rules that every lesson keeps, each a function from a notebook to the places where it is broken.

`findings(notebook)` asks all of them. They look at the stored notebook and run nothing: whether the stored outputs are
true is the notebook lane's question. `tests/teach/test_hygiene.py` shows each rule a notebook that breaks it.

A lesson declares what it is in its metadata: `{"refllm": {"lesson": "01", "minutes": 60, "seconds": 20}}`, the minutes
that a reader needs and the seconds that a cold run takes on two CPU cores.

>>> import nbformat.v4 as v4
>>> lesson = v4.new_notebook(cells=[v4.new_code_cell("print('the error is lower')", execution_count=1)])
>>> literal_conclusions(lesson)
["cell 1: 'the error is lower' is printed as a constant; compute it or assert it in the cell"]
"""

import json
import re
import statistics

from refllm.errors import RefllmError
from refllm.teach import exercise, source

MOST_CODE_CELLS = 45
MOST_WORDS = 1800
MOST_LINES_IN_THE_MEDIAN = 8
MOST_LINES = 45
MOST_OUTPUT_BYTES = 200_000
MOST_SECONDS = 60
MOST_MINUTES = 90
TAGS = {"raises-exception", "nbval-ignore-output"}

_ABSOLUTE_PATH = re.compile(
    r"(?<![\w./~:-])/(?:home|root|Users|tmp|var|work|opt|usr|mnt|media|private|srv|etc|Library)/[^\s'\"]*"
    r"|(?<![\w])[A-Za-z]:\\\\?\w[^\s'\"]*"
    r"|file://[^\s'\"]*"
)
_REMOTE_IMAGE = re.compile(
    r"""!\[[^\]]*\]\(\s*(https?:)?//[^)]*\)|<img[^>]*\bsrc=["']?(https?:)?//[^>]*>""", re.IGNORECASE
)
_IMAGE_WITHOUT_ALT = re.compile(r"""!\[\s*\]\([^)]*\)|<img(?![^>]*\balt=["'][^"'])[^>]*>""", re.IGNORECASE)


def findings(notebook) -> list[str]:
    """Every place where the notebook breaks a rule."""
    return [finding for rule in RULES for finding in rule(notebook)]


def execution_counts(notebook) -> list[str]:
    """Every code cell was run, in order: without a count nbval compares nothing."""
    counts = [cell.execution_count for _, cell in code_cells(notebook)]
    if counts == list(range(1, len(counts) + 1)):
        return []
    return [f"the execution counts are {counts}, not 1 to {len(counts)}; run 'make notebooks'"]


def stderr_outputs(notebook) -> list[str]:
    """Nothing on stderr: a warning in a lesson is a question without an answer."""
    return [
        f"cell {number}: stderr: {output.text.strip()[:80]}"
        for number, output in outputs(notebook)
        if output.output_type == "stream" and output.name == "stderr"
    ]


def untagged_errors(notebook) -> list[str]:
    """An error is there only where the cell says that it will come."""
    return [
        f"cell {number}: {output.ename} without the tag raises-exception"
        for number, cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "error" and "raises-exception" not in tags(cell)
    ]


def known_tags(notebook) -> list[str]:
    """A mistyped tag does nothing, and so does a comment marker with a word too many."""
    unknown = [
        f"cell {number}: tag {tag!r}; expected one of {', '.join(sorted(TAGS))}"
        for number, cell in cells(notebook)
        for tag in tags(cell)
        if tag not in TAGS
    ]
    comments = [
        f"cell {number}: an NBVAL_ comment; use a tag of the cell"
        for number, cell in code_cells(notebook)
        if re.search(r"#\s*NBVAL_", cell.source)
    ]
    return unknown + comments


def absolute_paths(notebook) -> list[str]:
    """No path of one machine, neither in what is shown nor in what is run."""
    sources = [(number, cell.source) for number, cell in cells(notebook)]
    shown = [(number, text) for number, output in outputs(notebook) for text in texts(output)]
    return [
        f"cell {number}: the absolute path {found[0]}"
        for number, text in sources + shown
        for found in _ABSOLUTE_PATH.finditer(text)
    ]


def remote_images(notebook) -> list[str]:
    """A lesson is whole without a network."""
    prose = [(number, cell.source) for number, cell in cells(notebook)]
    shown = [(number, text) for number, output in outputs(notebook) for text in texts(output)]
    return [
        f"cell {number}: the remote image {found[0]}"
        for number, text in prose + shown
        for found in _REMOTE_IMAGE.finditer(text)
    ]


def alt_texts(notebook) -> list[str]:
    """Every picture says in words what it shows."""
    prose = [(number, cell.source) for number, cell in cells(notebook) if cell.cell_type == "markdown"]
    html = [(number, text) for number, output in outputs(notebook) for text in texts(output) if "<img" in text]
    pictures = [
        f"cell {number}: a figure without alt text; show it with teach.show(figure, alt=...)"
        for number, output in outputs(notebook)
        for kind in output.get("data", {})
        if kind.startswith("image/") and not output.metadata.get(kind, {}).get("alt", "").strip()
    ]
    return pictures + [
        f"cell {number}: no alt text in {found[0]}"
        for number, text in prose + html
        for found in _IMAGE_WITHOUT_ALT.finditer(text)
    ]


def output_size(notebook) -> list[str]:
    """The stored outputs stay small enough to be read in a diff."""
    size = len(json.dumps([output for _, output in outputs(notebook)]))
    if size < MOST_OUTPUT_BYTES:
        return []
    return [f"the outputs take {size} bytes, more than {MOST_OUTPUT_BYTES}"]


def length(notebook) -> list[str]:
    """A lesson fits into its session, a cell onto the screen."""
    lines = [len(cell.source.splitlines()) for _, cell in code_cells(notebook)]
    words = sum(len(cell.source.split()) for _, cell in cells(notebook) if cell.cell_type == "markdown")
    median = statistics.median(lines) if lines else 0
    limits = (
        ("code cells", len(lines), MOST_CODE_CELLS),
        ("lines in the median code cell", median, MOST_LINES_IN_THE_MEDIAN),
        ("lines in the longest code cell", max(lines, default=0), MOST_LINES),
        ("words of prose", words, MOST_WORDS),
    )
    return [f"{count} {what}, more than {most}" for what, count, most in limits if count > most]


def declaration(notebook) -> list[str]:
    """The lesson says which it is, how long it takes to read and how long to run."""
    declared = notebook.metadata.get("refllm", {})
    broken = [
        f"metadata refllm.{name} is {declared.get(name)!r}; expected a number from 1 to {most}"
        for name, most in (("seconds", MOST_SECONDS), ("minutes", MOST_MINUTES))
        if not isinstance(declared.get(name), int) or not 1 <= declared[name] <= most
    ]
    if not isinstance(declared.get("lesson"), str):
        broken.append("metadata refllm.lesson is missing; expected the lesson's number, as '01'")
    return broken


def exercises_checked(notebook) -> list[str]:
    """Every exercise of the lesson is checked and was passed when the outputs were stored."""
    lesson = notebook.metadata.get("refllm", {}).get("lesson")
    try:
        known = exercise.of_lesson(str(lesson))
    except RefllmError as error:
        return [str(error)]
    code = code_cells(notebook)
    checks = {id: (number, cell) for number, cell in code for id in source.checked_exercises(cell.source)}
    broken = [f"exercise {id} is never checked" for id in known if id not in checks]
    broken += [
        f"cell {checks[id][0]}: checks {id}, which is no exercise of this lesson" for id in checks if id not in known
    ]
    broken += [
        f"cell {number}: {id} was not passed when the outputs were stored"
        for id, (number, cell) in checks.items()
        if f"{id} correct:" not in stdout(cell)
    ]
    broken += [f"cell {number}: a check whose output nobody compares" for number, cell in checks.values() if tags(cell)]
    if not code or f'teach.summary("{lesson}")' not in code[-1][1].source:
        broken.append(f'the last code cell must be: teach.summary("{lesson}")')
    return broken


def nbval_pitfalls(notebook) -> list[str]:
    """What a notebook shows in Jupyter but not in the lane, which runs without history."""
    return [f"cell {number}: {what}" for number, cell in code_cells(notebook) for what in source.pitfalls(cell.source)]


def literal_conclusions(notebook) -> list[str]:
    """No conclusion is printed as a constant: it is computed, or asserted in the cell that prints it."""
    return [
        f"cell {number}: {text!r} is printed as a constant; compute it or assert it in the cell"
        for number, cell in code_cells(notebook)
        for text in source.literal_conclusions(cell.source)
    ]


RULES = (
    execution_counts,
    stderr_outputs,
    untagged_errors,
    known_tags,
    absolute_paths,
    remote_images,
    alt_texts,
    output_size,
    length,
    declaration,
    exercises_checked,
    nbval_pitfalls,
    literal_conclusions,
)


def cells(notebook):
    """The cells with their numbers, the first being 1."""
    return enumerate(notebook.cells, 1)


def code_cells(notebook):
    return [(number, cell) for number, cell in cells(notebook) if cell.cell_type == "code"]


def outputs(notebook):
    return [(number, output) for number, cell in code_cells(notebook) for output in cell.outputs]


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def stdout(cell) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


def texts(output) -> list[str]:
    """Everything in an output that is text."""
    if output.output_type == "stream":
        return [output.text]
    if output.output_type == "error":
        return [output.evalue, *output.traceback]
    return [
        value
        for kind, value in output.data.items()
        if isinstance(value, str) and kind not in ("image/png", "image/jpeg")
    ]
