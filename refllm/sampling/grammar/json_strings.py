r"""JSON strings as GBNF: any text, a length, a format, a pattern.

One character of the text may be written as it is or by an escape; an emoji as two `\u` escapes is still one character,
and half of one cannot be written, so lengths are exact. Control characters must be escaped, as JSON demands. Texts that
a pattern describes are written with escapes only where JSON demands them.

Dates are days that exist (29 February in leap years only), times have no leap seconds, a date and a time are joined by
a capital T, as RFC 3339 has it.

>>> pattern('^"[a-z]+$')
'"\\"" "\\\\\\"" [a-z]+ "\\""'
"""

from refllm.sampling.grammar.code_points import EVERY, difference, intersection, ranges
from refllm.sampling.grammar.notation import characters, choice, literal, repeated, sequence
from refllm.sampling.grammar.regular_expressions import regex_to_expression
from refllm.sampling.grammar.rules import Ranges

QUOTE = '"\\""'
CONTROL = ((0x00, 0x1F), (0x7F, 0x7F))
PLAIN = difference(EVERY, (*CONTROL, *ranges('""', "\\\\")))  # what stands for itself
SHORT = {'"': '"', "\\": "\\", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}

HEX = "[0-9a-fA-F]"
ESCAPED = (
    f'"u" ([0-9a-cA-CefEF] {HEX}{{3}} | [dD] ([0-7] {HEX}{{2}} | [89abAB] {HEX}{{2}} "\\\\u" [dD] [c-fC-F] {HEX}{{2}}))'
)
CHARACTER = f'{characters(PLAIN)} | "\\\\" (["\\\\/bfnrt] | {ESCAPED})'
PLAIN_CHARACTER = characters(PLAIN)
ANY_STRING = f"{QUOTE} character* {QUOTE}"

TWO_TO_28 = '("0" [1-9] | "1" [0-9] | "2" [0-8])'
LEAP_YEAR = '([0-9]{2} ("0" [48] | [2468] [048] | [13579] [26]) | ([02468] [048] | [13579] [26]) "00")'
DATE = (
    f'([0-9]{{4}} "-" (("0" [13578] | "1" [02]) "-" ({TWO_TO_28} | "29" | "3" [01])'
    f' | ("0" [469] | "11") "-" ({TWO_TO_28} | "29" | "30") | "02-" {TWO_TO_28}) | {LEAP_YEAR} "-02-29")'
)
TIME = (
    '(([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,9})?'
    ' ("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]))'
)
FORMATS = {
    "date": DATE,
    "time": TIME,
    "date-time": f'{DATE} "T" {TIME}',
    "uuid": f'{HEX}{{8}} ("-" {HEX}{{4}}){{3}} "-" {HEX}{{12}}',
}


def string_format(name: str) -> str:
    return sequence([QUOTE, FORMATS[name], QUOTE])


def lengths(least: int, most: int | None) -> str:
    """A string of so many characters. `character` is the rule of `CHARACTER`."""
    return sequence([QUOTE, repeated("character", least, most), QUOTE])


def pattern(expression: str) -> str:
    """A string that the regular expression matches, somewhere if it is not anchored."""
    return sequence([QUOTE, regex_to_expression(expression, _spelled, anywhere=True), QUOTE])


def _spelled(members: Ranges) -> str:
    """One character out of a set, as it stands in a JSON string."""
    plain = intersection(members, PLAIN)
    special = intersection(members, difference(EVERY, PLAIN))
    codes = [code for low, high in special for code in range(low, high + 1)]
    escapes = [literal("\\" + SHORT[chr(code)] if chr(code) in SHORT else f"\\u{code:04x}") for code in codes]
    options = ([characters(plain)] if plain else []) + escapes
    return choice(options)
