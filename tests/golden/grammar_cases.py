"""Writes `grammar_cases.json`: the cases of llama.cpp's own tests of grammars and JSON schemas, as data.

`python tests/golden/grammar_cases.py FOLDER_OF_LLAMA_CPP` reads `tests/test-grammar-integration.cpp` (a grammar or a
schema, texts that match, texts that do not) and `tests/test-json-schema-to-grammar.cpp` (a schema, and the grammar that
llama.cpp makes of it or that it refuses). Made with the source that llama-cpp-python 0.3.36 ships.
"""

import json
import pathlib
import re
import sys

STRING = re.compile(r'R"""\((.*?)\)"""|"((?:[^"\\\n]|\\.)*)"|token\((\d+)\)', re.DOTALL)
COMMENT = re.compile(r'R"""\(.*?\)"""|"(?:[^"\\\n]|\\.)*"|//[^\n]*', re.DOTALL)
MATCHING = re.compile(r"\btest_(schema|grammar)\(\n")
CONVERTED = re.compile(r"\btest\(\{\s*(SUCCESS|FAILURE),")


def main(folder: str) -> None:
    tests = pathlib.Path(folder) / "tests"
    cases = {
        "matching": matching(without_comments((tests / "test-grammar-integration.cpp").read_text())),
        "converted": converted(without_comments((tests / "test-json-schema-to-grammar.cpp").read_text())),
    }
    target = pathlib.Path(__file__).with_suffix(".json")
    target.write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n")


def without_comments(source: str) -> str:
    return COMMENT.sub(lambda found: "" if found[0].startswith("//") else found[0], source)


def matching(source: str) -> list[dict]:
    """Texts are lists of pieces: text, or the id of a token."""
    found = []
    for start in MATCHING.finditer(source):
        at, values, lists = start.end(), [], []
        while len(lists) < 2:
            if source[at] == "{":
                end = closing(source, at)
                lists.append([pieces(text) for text in separated(source[at + 1 : end])])
                at = end
            elif text := STRING.match(source, at):
                values.append(value(text))
                at = text.end() - 1
            at += 1
        found.append({"kind": start[1], "name": values[0], "given": values[1], "yes": lists[0], "no": lists[1]})
    return found


def converted(source: str) -> list[dict]:
    found = []
    for start in CONVERTED.finditer(source):
        name, schema, grammar = (value(text) for text in list(STRING.finditer(source, start.end()))[:3])
        found.append({"name": name, "schema": schema, "grammar": grammar if start[1] == "SUCCESS" else None})
    return found


def closing(source: str, at: int) -> int:
    """Where the list ends that begins here."""
    at += 1
    while source[at] != "}":
        text = STRING.match(source, at)
        at = text.end() if text else at + 1
    return at


def separated(inside: str) -> list[list[re.Match]]:
    """The texts of a list: each a sum of strings and tokens."""
    found, end = [], None
    for text in STRING.finditer(inside):
        if end is not None and inside[end : text.start()].strip() == "+":
            found[-1].append(text)
        else:
            found.append([text])
        end = text.end()
    return found


def pieces(texts: list[re.Match]) -> list[str | int]:
    return [value(text) for text in texts]


def value(text: re.Match) -> str | int:
    raw, quoted, token = text.groups()
    if token is not None:
        return int(token)
    return raw if raw is not None else json.loads(f'"{quoted}"')


if __name__ == "__main__":
    main(sys.argv[1])
