"""Every rule bites: the sample lesson keeps all of them, and each damage to it is found by the rule meant for it.

That the real lessons keep the rules is tested in test_series.py.
"""

import nbformat.v4 as v4
import pytest

from refllm.teach import hygiene, rebuild, source


@pytest.fixture
def notebook(sample):
    return rebuild.read(sample)


def add(notebook, text: str, outputs=(), tags=()):
    """One more code cell, run after the others; the summary stays the last."""
    count = notebook.cells[-1].execution_count
    notebook.cells[-1].execution_count = count + 1
    cell = v4.new_code_cell(text, execution_count=count, outputs=list(outputs), metadata={"tags": list(tags)})
    notebook.cells.insert(-1, cell)


def say(notebook, text: str):
    notebook.cells.insert(1, v4.new_markdown_cell(text))


def stream(text: str, name: str = "stdout"):
    return v4.new_output("stream", name=name, text=text)


def shown(**data: str):
    return v4.new_output("display_data", data={kind.replace("_", "/"): value for kind, value in data.items()})


def error(evalue: str = "no"):
    return v4.new_output("error", ename="ValueError", evalue=evalue, traceback=["ValueError: no"])


def declare(notebook, **fields):
    notebook.metadata["refllm"].update(fields)


def without_counts(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None


def without_check(notebook):
    cell = notebook.cells[5]
    cell.source = cell.source.replace("teach.check", "print")


def with_stored_failure(notebook):
    notebook.cells[6].outputs = [stream("example.2 not yet: it leaves a whole block unused\n")]


# For each rule: what is done to the lesson, and what the rule then says.
DAMAGE = {
    hygiene.execution_counts: [
        (without_counts, "not 1 to"),
        (lambda n: n.cells[3].update(execution_count=9), "[1, 2, 9,"),
    ],
    hygiene.stderr_outputs: [
        (lambda n: add(n, "f()", [stream("UserWarning: old\n", "stderr")]), "stderr: UserWarning")
    ],
    hygiene.untagged_errors: [(lambda n: add(n, "f()", [error()]), "ValueError without the tag")],
    hygiene.known_tags: [
        (lambda n: add(n, "f()", tags=["nbval-ignore-ouput"]), "tag 'nbval-ignore-ouput'"),
        (lambda n: add(n, "f()", tags=["nbval-skip"]), "tag 'nbval-skip'"),
        (lambda n: add(n, "# NBVAL_IGNORE_OUTPUT because of time\nf()"), "NBVAL_ comment"),
    ],
    hygiene.absolute_paths: [
        (lambda n: add(n, "f('/home/ada/model.gguf')"), "/home/ada/model.gguf"),
        (lambda n: add(n, "f()", [stream("read /tmp/x.gguf")]), "/tmp/x.gguf"),
        (lambda n: add(n, "f()", [shown(text_plain="PosixPath('/Users/ada/x')")]), "/Users/ada/x"),
        (lambda n: add(n, "f()", [error("C:\\Users\\ada is bad")], ["raises-exception"]), "C:\\Users"),
        (lambda n: say(n, "Open file:///x.html"), "file:///x.html"),
    ],
    hygiene.remote_images: [
        (lambda n: say(n, "![a block](https://example.com/block.png)"), "https://example.com"),
        (lambda n: say(n, '<img alt="a block" src="//example.com/block.png">'), "//example.com"),
        (lambda n: add(n, "f()", [shown(text_html='<img alt="a" src="http://example.com/a.png">')]), "http://example"),
    ],
    hygiene.alt_texts: [
        (lambda n: n.cells[3].outputs[0].metadata["image/png"].update(alt=" "), "a figure without alt text"),
        (lambda n: add(n, "f()", [shown(image_png="aGk=")]), "a figure without alt text"),
        (lambda n: say(n, "![](images/block.png)"), "![](images/block.png)"),
        (lambda n: say(n, '<img src="images/block.png" alt="">'), "images/block.png"),
        (lambda n: add(n, "f()", [shown(text_html='<img src="a.png">')]), "a.png"),
    ],
    hygiene.output_size: [(lambda n: add(n, "f()", [stream("x" * 200_000)]), "more than 200000")],
    hygiene.length: [
        (lambda n: [add(n, "x = y") for _ in range(45)], "code cells, more than 45"),
        (lambda n: [add(n, "x = y\n" * 9) for _ in range(20)], "lines in the median code cell"),
        (lambda n: add(n, "x = y\n" * 46), "46 lines in the longest code cell"),
        (lambda n: say(n, "word " * 1801), "words of prose"),
    ],
    hygiene.declaration: [
        (lambda n: declare(n, seconds=61), "refllm.seconds is 61"),
        (lambda n: declare(n, minutes="60"), "refllm.minutes is '60'"),
        (lambda n: declare(n, lesson=None), "refllm.lesson is missing"),
        (lambda n: n.metadata.pop("refllm"), "refllm.seconds is None"),
    ],
    hygiene.exercises_checked: [
        (without_check, "example.1 is never checked"),
        (with_stored_failure, "example.2 was not passed"),
        (lambda n: add(n, "teach.check('example.7', 1)"), "example.7, which is no exercise"),
        (lambda n: n.cells[5].metadata.update(tags=["nbval-ignore-output"]), "whose output nobody compares"),
        (lambda n: n.cells.pop(), "the last code cell must be"),
    ],
    hygiene.nbval_pitfalls: [
        (lambda n: add(n, "plt.plot(x);  # a line"), "semicolon"),
        (lambda n: add(n, "print(_)"), "_ needs the history"),
        (lambda n: add(n, "x = Out[3]"), "Out needs the history"),
    ],
    hygiene.literal_conclusions: [(lambda n: add(n, "print('RTN wins: the error is lower')"), "the error is lower")],
}
CASES = [(rule, change, says) for rule, cases in DAMAGE.items() for change, says in cases]


def test_the_sample_keeps_every_rule(notebook):
    assert hygiene.findings(notebook) == []


def test_every_rule_is_shown_to_bite():
    assert set(DAMAGE) == set(hygiene.RULES)


@pytest.mark.parametrize(("rule", "change", "says"), CASES, ids=[f"{rule.__name__}: {says}" for rule, _, says in CASES])
def test_the_rule_finds_the_damage(notebook, rule, change, says):
    change(notebook)
    found = rule(notebook)
    assert any(says in finding for finding in found), found
    assert set(found) <= set(hygiene.findings(notebook))


@pytest.mark.parametrize(
    "text",
    [
        "print('3 of them')",
        "print('the error is lower')",
        "print('GPTQ', 'is', 'better')",
        "print('the same' + ' bytes')",
        "print(f'the error is lower')",
        "print(f'RTN {rtn:.4f}, GPTQ {gptq:.4f}: the error is lower')",
        "print('blocks: %d, more than before' % n)",
        "if True:\n    print('faster')",
        "display(Markdown('**Q4_K is better**'))",
        "teach.show(figure, alt='4 bars, the last one is larger')",
        "%timeit f()\nprint('faster')",
    ],
)
def test_a_conclusion_as_a_constant_is_found(text):
    assert source.literal_conclusions(text) != []


@pytest.mark.parametrize(
    "text",
    [
        "print('the header:')",
        "print('Q4_0 and UTF-8 and float32')",
        "print(f'block 3 of {count}')",
        "print('size', size)",
        "print('lower:', a < b)",
        "print(f'the error is lower: {a < b}')",
        "print('lower' if a < b else 'higher')",
        "print('equal:', np.array_equal(a, b))",
        "assert a < b\nprint('the error is lower')",
        "np.testing.assert_array_equal(a, b)\nprint('the same bytes')",
        "teach.show(figure, alt=f'{count} bars')",
        "x = 'the error is lower'",
    ],
)
def test_what_is_computed_or_asserted_is_excused(text):
    assert source.literal_conclusions(text) == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "https://example.com/home/x", "a/tmp/x", "../data/x", "1/2"])
def test_what_only_looks_like_a_path_of_this_machine_is_let_be(notebook, path):
    say(notebook, f"See {path}.")
    assert hygiene.absolute_paths(notebook) == []
