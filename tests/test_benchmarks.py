"""The benchmarks' own tools: turns are fair, tables line up, every benchmark says what it measures."""

import ast
import pathlib

from benchmarks import timing

FOLDER = pathlib.Path(timing.__file__).parent


def test_turns_alternate_and_the_first_round_does_not_count():
    calls = []
    seconds = timing.take_turns({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=2)
    assert calls == list("ababab") and set(seconds) == set("ab") and min(seconds.values()) >= 0


def test_tables_line_up():
    rows = [{"type": "Q4_0", "ratio": 12.345, "n": 7}, {"type": "IQ2_XXS", "ratio": 1.0, "n": 1000}]
    assert timing.table(rows).splitlines() == ["type     ratio     n", "Q4_0      12.3     7", "IQ2_XXS      1  1000"]


def test_every_benchmark_begins_with_one_line_that_says_what_it_measures():
    for path in FOLDER.glob("[a-z]*.py"):
        tree = ast.parse(path.read_text())
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if "run" in functions:
            assert ast.get_docstring(tree).splitlines()[0].endswith("."), path.name
