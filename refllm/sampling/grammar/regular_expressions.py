r"""Regular expressions to GBNF.

What JSON schemas use of ECMAScript's expressions, which is also common to Python's: letters, classes, `.`, groups,
alternatives, counts (greedy or lazy: the texts are the same), and `^` and `$` at the very ends of an alternative.
`\d` and `\w` are ASCII, `\s` and `.` as ECMAScript has them. Looking ahead and behind, back-references, `\b`, `\p{..}`
and flags describe what a grammar cannot, or not briefly: they are refused.

>>> print(regex_to_gbnf(r"v\d+(\.\d+){0,2}|none"))
root ::= ("v" [0-9]+ ("." [0-9]+){0,2} | "none")
nothing ::= "x" nothing
>>> regex_to_gbnf("(a")
Traceback (most recent call last):
    ...
refllm.sampling.grammar.rules.GrammarError: regular expression '(a': character 3: the text ends; expected )
"""

import re
from collections.abc import Callable

from refllm.sampling.grammar import notation
from refllm.sampling.grammar.code_points import EVERY, complement, difference, ranges, union
from refllm.sampling.grammar.gbnf import MAX_COUNT, MAX_DEPTH
from refllm.sampling.grammar.rules import GrammarError, Ranges

MAX_LENGTH = 10_000

DIGITS = ranges("09")
WORD = ranges("09", "AZ", "az", "__")
LINE_ENDS = ranges("\n\n", "\r\r", "\u2028\u2029")
SPACE = union(
    LINE_ENDS,
    ranges("\t\r", "  ", "\xa0\xa0", "\u1680\u1680", "\u2000\u200a", "\u202f\u202f"),
    ranges("\u205f", "\u3000", "\ufeff"),
)
CLASSES = {"d": DIGITS, "w": WORD, "s": SPACE}
CLASSES |= {name.upper(): complement(members) for name, members in CLASSES.items()}
LETTERS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}
HEX = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\})")
COUNT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
GROUP = re.compile(
    r"\((?:\?(?:P?<[A-Za-z_]\w*>|:|(<?[=!]|[a-zA-Z-]*:?)))?"
)  # what is in brackets looks around or sets flags
SIGNS = {"*": (0, None), "+": (1, None), "?": (0, 1)}


class NotExpressible(GrammarError):
    """A sound regular expression that no grammar of reasonable size expresses."""


Spell = Callable[[Ranges], str]  # GBNF for one character out of a set


def regex_to_gbnf(pattern: str) -> str:
    """A grammar of the texts that the expression matches from beginning to end."""
    return notation.rule("root", regex_to_expression(pattern, notation.characters)) + "\n" + notation.NOTHING_RULE


def regex_to_expression(pattern: str, spell: Spell, anywhere: bool = False) -> str:
    """GBNF for an expression; `anywhere` also matches texts that only have a part that matches."""
    if len(pattern) > MAX_LENGTH:
        raise GrammarError(f"regular expression of {len(pattern)} characters; expected {MAX_LENGTH} at most")
    return _Parser(pattern, spell, anywhere).whole()


class _Parser:
    """An expression and how far it has been read."""

    def __init__(self, text: str, spell: Spell, anywhere: bool):
        self.text = text
        self.at = 0
        self.depth = 0
        self.inexpressible = ""
        self.spell = spell
        self.around = notation.repeated(spell(EVERY), 0, None) if anywhere else ""

    def whole(self) -> str:
        options = [self.outer_alternative()]
        while self.taken("|"):
            options.append(self.outer_alternative())
        if self.at < len(self.text):
            self.fail("found ) without (; expected an item")
        if self.inexpressible:
            raise NotExpressible(f"regular expression {self.text[:60]!r}: {self.inexpressible}")
        return notation.choice(options)

    def outer_alternative(self) -> str:
        before = "" if self.taken("^") else self.around
        items = self.items()
        after = "" if self.taken("$") else self.around
        return notation.sequence([before, *items, after])

    def items(self) -> list[str]:
        """What stands one after the other, up to the end of an alternative; letters side by side become one literal."""
        found, letters = [], ""
        while self.at < len(self.text) and self.text[self.at] not in "|)" and not self.at_last_anchor():
            item = self.item()
            count = self.count()
            if (
                isinstance(item, int)
                and count is None
                and self.spell(((item, item),)) == notation.characters(((item, item),))
            ):
                letters += chr(item)
                continue
            found += [notation.literal(letters)] if letters else []
            letters = ""
            expression = self.spell(((item, item),)) if isinstance(item, int) else item
            found.append(expression if count is None else notation.repeated(expression, *count))
        return found + ([notation.literal(letters)] if letters else [])

    def at_last_anchor(self) -> bool:
        return self.depth == 0 and self.text[self.at] == "$" and self.text[self.at + 1 : self.at + 2] in ("", "|")

    def item(self) -> str | int:
        """An expression, or the code of a single letter."""
        sign = self.text[self.at]
        if sign in SIGNS or COUNT.match(self.text, self.at):
            self.fail("nothing to repeat; expected an item before")
        if sign in "^$":
            where = "the beginning or the end of an outermost alternative"
            self.note(f"{sign} in the middle; expected it at {where}")
        if sign == "(":
            return self.group()
        if sign == "[":
            return self.spell(self.characters())
        if sign == "\\":
            found = self.escape(in_class=False)
            return found if isinstance(found, int) else self.spell(found)
        self.at += 1
        return self.spell(complement(LINE_ENDS)) if sign == "." else self.checked(ord(sign))

    def group(self) -> str:
        opening = GROUP.match(self.text, self.at)
        if opening[1] is not None:
            self.note("a group that looks around or sets flags; expected ( or (?: or (?<name>")
        self.at = opening.end()
        self.depth += 1
        if self.depth > MAX_DEPTH // 2:  # not all of GBNF's depth: what a class is spelled with may need some
            self.fail(f"more than {MAX_DEPTH // 2} groups in each other; expected fewer")
        options = [notation.sequence(self.items())]
        while self.taken("|"):
            options.append(notation.sequence(self.items()))
        if not self.taken(")"):
            self.fail("the text ends; expected )")
        self.depth -= 1
        inside = notation.choice(options)
        return inside if len(options) > 1 else notation.group(inside)

    def characters(self) -> Ranges:
        self.at += 1
        negated = self.taken("^")
        members: list[Ranges] = []
        while not self.taken("]"):
            low = self.member()
            if isinstance(low, int) and self.text.startswith("-", self.at) and not self.text.startswith("-]", self.at):
                self.at += 1
                high = self.member()
                if not isinstance(high, int) or high < low:
                    self.fail("a range whose end does not come after its beginning; expected one like a-z")
                members.append(((low, high),))
            else:
                members.append(((low, low),) if isinstance(low, int) else low)
        if not members:
            self.fail("an empty class; expected one or more characters")
        return complement(union(*members)) if negated else union(*members)

    def member(self) -> int | Ranges:
        if self.at == len(self.text):
            self.fail("the text ends; expected ]")
        if self.text[self.at] == "\\":
            return self.escape(in_class=True)
        self.at += 1
        return self.checked(ord(self.text[self.at - 1]))

    def escape(self, in_class: bool) -> int | Ranges:
        """The code of the letter that an escape stands for, or a set."""
        if found := HEX.match(self.text, self.at):
            self.at = found.end()
            return self.checked(int("".join(filter(None, found.groups())), 16))
        letter = self.text[self.at + 1 : self.at + 2]
        if letter in CLASSES:
            self.at += 2
            return CLASSES[letter]
        if in_class and letter == "b":
            code = 8
        elif letter in LETTERS and not self.text[self.at + 2 : self.at + 3].isdigit():
            code = ord(LETTERS[letter])
        elif letter and not letter.isalnum():
            code = ord(letter)
        else:
            what = f"escape {self.text[self.at : self.at + 2]!r}; expected one that stands for characters"
            self.note(what) if letter else self.fail(what)
            code = 0
        self.at += 2
        return code

    def count(self) -> tuple[int, int | None] | None:
        sign = self.text[self.at : self.at + 1]
        if sign in SIGNS:
            self.at += 1
            count = SIGNS[sign]
        elif found := COUNT.match(self.text, self.at):
            self.at = found.end()
            least, comma, most = found.groups()
            count = int(least[:9]), int(most[:9]) if most else None if comma else int(least[:9])
            if max(count[0], count[1] or 0) > MAX_COUNT or (count[1] is not None and count[1] < count[0]):
                self.fail(f"count {found[0]}; expected the smaller first, and {MAX_COUNT} at most")
        else:
            return None
        self.taken("?")  # lazy
        return count

    def taken(self, sign: str) -> bool:
        """Goes over a sign if it comes next."""
        found = self.text.startswith(sign, self.at)
        self.at += len(sign) if found else 0
        return found

    def checked(self, code: int) -> int:
        if not difference(((code, code),), ()):
            self.fail(f"U+{code:04X} is no character; expected up to U+D7FF, or U+E000 to U+10FFFF")
        return code

    def note(self, what: str) -> None:
        """Something that cannot be expressed; an error at the end, if the expression is sound up to there."""
        self.inexpressible = self.inexpressible or f"character {self.at + 1}: {what}"

    def fail(self, what: str):
        raise GrammarError(f"regular expression {self.text[:60]!r}: character {self.at + 1}: {what}")
