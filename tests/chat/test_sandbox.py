"""Templates that attack: no code of a file is run, and what takes too much is refused within 2 s and 200 MB."""

import pathlib
import resource
import subprocess
import sys
import textwrap
import time

import pytest

from refllm import gguf
from refllm.chat import Template, TemplateError, named, renderer, sandbox
from refllm.engine.load import chat_templates
from refllm.tokenizers import from_metadata
from tests.chat import models
from tests.gguf import craft

USER = {"role": "user", "content": "the cat"}


def template_of(path: pathlib.Path) -> Template:
    """The template of a file, as a chat takes it."""
    file = gguf.open(path)
    return Template(named(None, chat_templates(file.metadata)), from_metadata(file.metadata))


def outcome(template: Template) -> str:
    """Text or error, after less than 2 s, with this process not 40 MB larger and the other one held below 200 MB."""
    limits = pathlib.Path(f"/proc/{template._renderer._process.pid}/limits")
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    try:
        said = "text: " + template.render([USER])
    except TemplateError as error:
        said = str(error)
    assert time.monotonic() - start < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000
    assert sandbox.MEMORY < 200e6
    assert not limits.exists() or f"{sandbox.MEMORY} " in limits.read_text()
    return said


SUBCLASSES = """
{% for c in ().__class__.__base__.__subclasses__() %}{% if 'warning' in c.__name__ %}
{{ c()._module.__builtins__['__import__']('os').popen('touch PROOF').read() }}{% endif %}{% endfor %}"""
ESCAPES = {
    # llama-cpp-python rendered the template of a file without any sandbox.
    "CVE-2024-34359": [SUBCLASSES, "{{ messages.__class__.__mro__ }}"],
    # SGLang did so again, in its endpoint for ranking.
    "CVE-2026-5760": [
        "{{ lipsum.__globals__['os'].popen('touch PROOF').read() }}",
        "{{ cycler.__init__.__globals__.os.system('touch PROOF') }}",
        "{{ self.__init__.__globals__.__builtins__.__import__('os').system('touch PROOF') }}",
        "{{ strftime_now.__globals__['sys'].modules['os'].system('touch PROOF') }}",
    ],
    # Jinja2 did not see a call of str.format that went through a variable; CVE-2025-27516 is the same with |attr.
    "CVE-2024-56326": [
        "{% set n = namespace() %}{% set n.run = '{0.__call__.__builtins__[__import__]}'.format %}{{ n.run(lipsum) }}",
        "{{ ('{0.__class__.__init__.__globals__}' | attr('format'))(lipsum) }}",
        "{{ ['{0.__class__}'] | map('attr', 'format') | first()(lipsum) }}",
        "{% set run = ''.format_map %}{{ run({'a': 1}) }}{{ '{a.__class__}'.format_map({'a': 1}) }}",
    ],
}


@pytest.mark.parametrize(("name", "number"), [(name, n) for name, texts in ESCAPES.items() for n in range(len(texts))])
def test_code_in_a_file_is_not_run(tmp_path, name, number):
    proof = tmp_path / "proof"
    path = tmp_path / "evil.gguf"
    gguf.write(path, models.metadata(ESCAPES[name][number].replace("PROOF", str(proof))), {})
    said = outcome(template_of(path))
    assert said == "text: " or "unsafe" in said or "is undefined" in said
    assert not proof.exists()


BOMBS = {
    "ten billion letters": "{{ 'a' * 10000000000 }}",
    "padded to ten billion": "{{ 'a' | center(10000000000) }}",
    "formatted to ten billion": "{{ '%10000000000d' % 1 }}",
    "doubled forty times": (
        "{% set n = namespace(x='a') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}"
    ),
    "a long list": "{{ ([0] * 10000000000) | length }}",
    "much written": "{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}",
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a large number": "{{ 9 ** (9 ** 9) }}",
    "a macro without end": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a large range": "{{ range(10000000000) | list }}",
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_takes_too_much_is_refused(tmp_path, name):
    path = tmp_path / "bomb.gguf"
    gguf.write(path, models.metadata(BOMBS[name]), {})
    said = outcome(template_of(path))
    assert any(reason in said for reason in ("memory", "longer than 1.0 seconds", "characters", "deeply", "too big")), (
        said
    )


def test_a_template_of_ten_billion_letters_is_not_read(tmp_path):
    path = tmp_path / "long.gguf"
    path.write_bytes(craft.gguf([craft.pair("tokenizer.chat_template", craft.STRING, craft.number(craft.U64, 10**10))]))
    with path.open("r+b") as file:
        file.truncate(10**10 + 1000)
    start = time.monotonic()
    with pytest.raises(gguf.GGUFError, match="10000000000"):
        gguf.open(path)
    assert time.monotonic() - start < 2


def test_a_template_of_a_million_letters_is_not_rendered(tokenizer_only):
    with pytest.raises(TemplateError, match="has 1000001 characters"):
        Template("a" * 1_000_001, tokenizer_only)


@pytest.fixture
def tokenizer_only():
    return from_metadata(models.metadata(None))


def test_a_killed_process_is_replaced(tokenizer_only):
    template = Template(
        "{% for i in range(99999 * messages[0].slow) %}{% for j in range(99999) %}{% endfor %}{% endfor %}ok",
        tokenizer_only,
    )
    assert template.render([{"slow": 0}]) == "ok"
    with pytest.raises(TemplateError, match="longer than"):
        template.render([{"slow": 1}])
    assert template.render([{"slow": 0}]) == "ok"
    template._renderer._process.kill()
    with pytest.raises(TemplateError, match="ended its process"):
        template.render([{"slow": 0}])
    assert template.render([{"slow": 0}]) == "ok"


def test_the_process_ends_with_its_template(tokenizer_only):
    template = Template("ok", tokenizer_only)
    template.render([])
    process = template._renderer._process
    del template
    for _ in range(100):  # a timer that has just been cancelled may hold it for a moment
        if process.returncode is None:
            time.sleep(0.05)
    assert process.returncode is not None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems know fewer limits")
def test_even_code_that_ran_could_do_little():
    code = f"""
        import os, socket, sys
        sys.path.insert(0, {str(renderer.SANDBOX.parent)!r})
        import sandbox
        sandbox.give_up_rights()
        tries = [
            lambda: open("/etc/hostname"), lambda: open("proof", "w"), socket.socket, os.pipe,
            lambda: bytes(200_000_000),
            lambda: os.posix_spawn("/bin/true", ["true"], {{}}) and 1 / (os.wait()[1] == 0),
        ]
        for one in tries:
            try:
                one()
            except Exception as error:
                print(type(error).__name__)
            else:
                print("done")
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert run.stdout.split() and "done" not in run.stdout.split(), run
