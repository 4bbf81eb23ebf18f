r"""GBNF, llama.cpp's notation for grammars: text to rules.

    root  ::= "yes" | "no" ("," " "? reason){0,3}   # a rule: alternatives, sequences, groups, repetitions
    reason ::= [a-z] [^\n"]+ | . | "\u00e9"         # classes of characters, any character, escapes
    think ::= <think> !</think>* <[1001]>           # tokens of the vocabulary, by text or id; any but one

A group, and what follows `::=` or `|`, may go on over several lines. Escapes are `\n \r \t \\ \" \[ \] \-`, `\xHH`,
`\uHHHH`, `\UHHHHHHHH`. This file knows the notation only: whether rules exist and make sense is judged in `checks.py`.

Where it is stricter than llama.cpp, with an error that says where: a rule may not be defined twice (there the last
one wins), a class must hold a character (there `[]` is the empty text), `{3,1}` is refused. Counts are kept exactly up
to a million (there a maximum above 2,000 silently becomes "without end", and a minimum above is refused).

>>> parse('root ::= "a" [0-9]+ # a letter and a number')
{'root': Sequence(items=(Literal(text='a'), Repeat(item=Characters(ranges=((48, 57),)), least=1, most=None)))}
>>> parse('root ::= "a" |\n  ("b"')
Traceback (most recent call last):
    ...
refllm.sampling.grammar.rules.GrammarError: grammar: line 2, column 7: the text ends; expected )
"""

import re
from collections.abc import Callable

from refllm.sampling.grammar.code_points import EVERY, complement, union
from refllm.sampling.grammar.rules import (
    Characters,
    Choice,
    Expression,
    GrammarError,
    Literal,
    Reference,
    Repeat,
    Rules,
    Sequence,
    Token,
)

MAX_TEXT = 1 << 20
MAX_DEPTH = 50  # of groups in groups
MAX_REPEATS = 3  # counts behind one item, as in `"a"{3}?`
MAX_COUNT = 1_000_000

BLANKS = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
BLANKS_AND_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
NAME = re.compile("[a-zA-Z0-9-]+")
END_OF_LINE = re.compile("\r\n?|\n")
COUNT = re.compile(r"\{\s*(\d+)\s*(?:(,)\s*(\d*)\s*)?\}")
TOKEN = re.compile(r"(!?)<(?:\[(\d{1,9})\]|([^\[>][^>]*))>")
ESCAPE = re.compile(r'\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([trn\\"\[\]-]))')
LETTERS = {"t": "\t", "r": "\r", "n": "\n"}
SIGNS = {"*": (0, None), "+": (1, None), "?": (0, 1)}

TokenId = Callable[[str], int | None]  # the text of a token -> its id; None: no such token


def parse(text: str, token_id: TokenId | None = None) -> Rules:
    """The rules of a grammar; `token_id` finds the tokens that are named by their text."""
    if len(text) > MAX_TEXT:
        raise GrammarError(f"grammar: {len(text)} characters; expected {MAX_TEXT} at most")
    return _Parser(text, token_id).rules()


class _Parser:
    """A text and how far it has been read."""

    def __init__(self, text: str, token_id: TokenId | None):
        self.text = text
        self.at = 0
        self.depth = 0
        self.token_id = token_id

    def rules(self) -> Rules:
        found = {}
        self.take(BLANKS_AND_LINES)
        while self.at < len(self.text):
            start = self.at
            name = self.take(NAME, "the name of a rule")[0]
            self.take(BLANKS)
            self.expect("::=")
            self.take(BLANKS_AND_LINES)
            if name in found:
                self.fail(f"rule {name!r} is defined a second time; expected every rule once", start)
            found[name] = self.choice(BLANKS)
            if self.at < len(self.text):
                self.take(END_OF_LINE, "a new line, | or another item")
            self.take(BLANKS_AND_LINES)
        return found

    def choice(self, blanks: re.Pattern) -> Expression:
        options = [self.sequence(blanks)]
        while self.text.startswith("|", self.at):
            self.at += 1
            self.take(BLANKS_AND_LINES)
            options.append(self.sequence(blanks))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def sequence(self, blanks: re.Pattern) -> Expression:
        items = []
        while (item := self.item()) is not None:
            self.take(blanks)
            repeats = 0
            while (count := self.count()) is not None:
                item, repeats = Repeat(item, *count), repeats + 1
                if repeats > MAX_REPEATS:
                    self.fail(f"more than {MAX_REPEATS} counts for one item; expected one")
                self.take(blanks)
            items.append(item)
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def item(self) -> Expression | None:
        match self.text[self.at : self.at + 1]:
            case '"':
                return self.literal()
            case "[":
                return self.characters()
            case "(":
                return self.group()
            case "<" | "!":
                return self.token()
            case ".":
                self.at += 1
                return Characters(EVERY)
            case "*" | "+" | "?" | "{":
                self.fail("nothing to repeat; expected an item before")
        name = NAME.match(self.text, self.at)
        return Reference(self.take(NAME)[0]) if name else None

    def literal(self) -> Literal:
        self.at += 1
        letters = []
        while not self.text.startswith('"', self.at):
            letters.append(chr(self.character('the closing "')))
        self.at += 1
        return Literal("".join(letters))

    def characters(self) -> Characters:
        start = self.at
        negated = self.text.startswith("[^", self.at)
        self.at += 2 if negated else 1
        found = []
        while not self.text.startswith("]", self.at):
            low = high = self.character("the closing ]")
            if self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
                self.at += 1
                high = self.character("the end of a range")
            if high < low:
                self.fail(f"a range from {chr(low)!r} down to {chr(high)!r}; expected the lower end first")
            found.append((low, high))
        self.at += 1
        if not found:
            self.fail("a class without characters; expected one or more", start)
        return Characters(complement(union(tuple(found))) if negated else union(tuple(found)))

    def character(self, expected: str) -> int:
        """One character of a literal or a class, or the escape that stands for it."""
        if self.at == len(self.text):
            self.fail(f"the text ends; expected {expected}")
        start = self.at
        if self.text[self.at] == "\\":
            *codes, letter = self.take(ESCAPE, r"an escape: \n \r \t \\ \" \[ \] \- \xHH \uHHHH \UHHHHHHHH").groups()
            code = ord(LETTERS.get(letter, letter)) if letter else int("".join(filter(None, codes)), 16)
        else:
            code = ord(self.text[self.at])
            self.at += 1
        if code > EVERY[-1][1] or EVERY[0][1] < code < EVERY[1][0]:
            self.fail(f"U+{code:04X} is no character; expected up to U+D7FF, or U+E000 to U+10FFFF", start)
        return code

    def group(self) -> Expression:
        self.at += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"more than {MAX_DEPTH} groups in each other; expected a rule of its own for some")
        self.take(BLANKS_AND_LINES)
        inside = self.choice(BLANKS_AND_LINES)
        self.expect(")")
        self.depth -= 1
        return inside

    def token(self) -> Token:
        start = self.at
        negated, number, name = self.take(TOKEN, "a token: <[id]> or <text>, perhaps after !").groups()
        if number is not None:
            return Token(int(number), bool(negated))
        if self.token_id is None:
            self.fail(f"token <{name}> needs a vocabulary; expected its id: <[id]>", start)
        id = self.token_id(f"<{name}>")
        if id is None:
            self.fail(f"<{name}> is not one token of the vocabulary; expected one, or an id: <[id]>", start)
        return Token(id, bool(negated))

    def count(self) -> tuple[int, int | None] | None:
        """How often the item before is to come, if that is said here."""
        sign = self.text[self.at : self.at + 1]
        if sign in SIGNS:
            self.at += 1
            return SIGNS[sign]
        if sign != "{":
            return None
        start = self.at
        least, comma, most = self.take(COUNT, "a count: {2} {2,} or {2,5}").groups()
        least, most = int(least[:9]), int(most[:9]) if most else None if comma else int(least[:9])
        if max(least, most or 0) > MAX_COUNT:
            self.fail(f"a count above {MAX_COUNT}; expected less", start)
        if most is not None and most < least:
            self.fail(f"at least {least} times and at most {most}; expected the smaller count first", start)
        return least, most

    def expect(self, sign: str) -> None:
        self.take(re.compile(re.escape(sign)), sign)

    def take(self, pattern: re.Pattern, expected: str = "") -> re.Match:
        found = pattern.match(self.text, self.at)
        if found is None:
            rest = self.text[self.at : self.at + 20]
            self.fail(f"{f'found {rest!r}' if rest else 'the text ends'}; expected {expected}")
        self.at = found.end()
        return found

    def fail(self, what: str, at: int | None = None):
        before = self.text[: self.at if at is None else at]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise GrammarError(f"grammar: line {line}, column {column}: {what}")
