r"""Writing GBNF: what regular expressions and JSON schemas are turned into.

>>> sequence([literal('say "é"\n'), repeated(characters(((0x5D, 0x5D), (0x61, 0x7A))), 2, None)])
'"say \\"é\\"\\n" [\\]a-z]{2,}'
>>> choice(["a", choice(["b", "c"]), NOTHING]), choice([]), repeated(group("a b"), 0, 1)
('(a | (b | c))', 'nothing', '(a b)?')
"""

from refllm.sampling.grammar.rules import Ranges

NOTHING = "nothing"  # the name of a rule that matches no text at all
NOTHING_RULE = 'nothing ::= "x" nothing'
ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": r"\\"}


def rule(name: str, expression: str) -> str:
    return f"{name} ::= " + (expression or '""')


def literal(text: str) -> str:
    return '"' + "".join(_letter(letter, '"') for letter in text) + '"'


def characters(ranges: Ranges) -> str:
    """A class; `nothing` for a set without characters."""
    pairs = [
        _letter(chr(low), "[]-^") + ("-" + _letter(chr(high), "[]-^") if high > low else "") for low, high in ranges
    ]
    return "[" + "".join(pairs) + "]" if pairs else NOTHING


def _letter(letter: str, signs: str) -> str:
    if letter in ESCAPES:
        return ESCAPES[letter]
    if letter in signs or not letter.isprintable():
        code = ord(letter)
        return "\\" + letter if letter in '"[]-' else f"\\x{code:02X}" if code < 256 else f"\\U{code:08X}"
    return letter


def sequence(items: list[str]) -> str:
    return NOTHING if NOTHING in items else " ".join(filter(None, items))


def choice(options: list[str]) -> str:
    """Any one of the options, as a single item if several were given; "" is the empty text."""
    if len(options) == 1:
        return options[0]
    distinct = [option for option in dict.fromkeys(options) if option != NOTHING]
    if len(distinct) < 2:
        return group(distinct[0]) if distinct else NOTHING
    return "(" + " | ".join([*filter(None, distinct), *(['""'] if "" in distinct else [])]) + ")"


def group(expression: str) -> str:
    """The expression as a single item."""
    return f"({expression})" if expression not in ("", NOTHING) else expression


def repeated(item: str, least: int, most: int | None) -> str:
    """A single item again and again; most None: without end."""
    if most == 0 or item == "":
        return ""
    if item == NOTHING:
        return "" if least == 0 else NOTHING
    if (least, most) == (1, 1):
        return item
    signs = {(0, None): "*", (1, None): "+", (0, 1): "?"}
    count = f"{{{least}}}" if least == most else f"{{{least},{'' if most is None else most}}}"
    return item + signs.get((least, most), count)
