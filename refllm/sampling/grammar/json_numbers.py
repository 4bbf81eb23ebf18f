"""Numbers between bounds, as GBNF: digit by digit, which digits may follow while the text is still level with a bound.

Integers have up to 16 digits (more if a bound has more), numbers as many before the point and 16 behind it; bounded
numbers are written without an exponent. That is less than JSON allows: a model that writes digits should come to an
end.

>>> integers(-5, 30)
'("-" [1-5] | ([0-9] | ([1-2] [0-9] | "30")))'
>>> numbers(decimal.Decimal(0), decimal.Decimal("0.25"), False, True)
'"0" ("." ("2" ([0-4] [0-9]{0,14} | "") | [0-1] [0-9]{0,15}) | "")'
"""

import decimal
import math

from refllm.sampling.grammar.notation import NOTHING, choice, literal, repeated, sequence

DIGITS = 16
NATURAL = f'("0" | [1-9] [0-9]{{0,{DIGITS - 1}}})'
FRACTION = f'("." [0-9]{{1,{DIGITS}}})?'
ANY_INTEGER = f'"-"? {NATURAL}'
ANY_NUMBER = f'"-"? {NATURAL} {FRACTION} ([eE] [-+]? [0-9]{{1,3}})?'

Number = decimal.Decimal


def integers(low: int | None, high: int | None) -> str:
    """Integers from `low` to `high`; None: no bound. Zero is not written with a sign."""
    options = []
    if low is None or low < 0:
        below = 1 if high is None or high >= 0 else -high
        options.append(sequence(['"-"', naturals(below, None if low is None else -low)]))
    if high is None or high >= 0:
        options.append(naturals(max(low or 0, 0), high))
    return choice(options)


def naturals(low: int, high: int | None) -> str:
    """Integers of at least 0, without zeros in front."""
    longest = str(high) if high is not None else "9" * max(DIGITS, len(str(low)))
    options = []
    for length in range(len(str(low)), len(longest) + 1):
        first = str(low) if length == len(str(low)) else "1" + "0" * (length - 1)
        last = longest if length == len(longest) else "9" * length
        if high is None and first[1:].strip("0") == "" and first[0] == "1":  # all that are longer, at once
            return choice([*options, sequence(["[1-9]", _digits(length - 1, len(longest) - 1)])])
        if first <= last:
            options.append(_same_length(first, last))
    return choice(options)


def _same_length(low: str, high: str) -> str:
    """Digits from `low` to `high`, which are equally long."""
    if low == high:
        return literal(low) if low else ""
    if low.strip("0") == "" and high.strip("9") == "":
        return _digits(len(low), len(low))
    if low[0] == high[0]:
        return sequence([literal(low[0]), _same_length(low[1:], high[1:])])
    if low[1:].strip("0") == "" and high[1:].strip("9") == "":
        return sequence([_one_digit(int(low[0]), int(high[0])), _digits(len(low) - 1, len(low) - 1)])
    if low[1:].strip("0"):
        first_kept = low[0] + "9" * (len(low) - 1)
        return choice([_same_length(low, first_kept), _same_length(_next(low[0]) + "0" * (len(low) - 1), high)])
    last_kept = str(int(high[0]) - 1) + "9" * (len(high) - 1)
    return choice([_same_length(low, last_kept), _same_length(high[0] + "0" * (len(high) - 1), high)])


def numbers(low: Number | None, high: Number | None, above: bool, below: bool) -> str:
    """Numbers from `low` to `high`; `above` and `below` say that the bound itself is left out."""
    options = []
    if low is None or low < 0:
        if high is None or high > 0:
            options.append(sequence(['"-"', magnitudes(Number(0), -low if low is not None else None, True, above)]))
        else:
            options.append(sequence(['"-"', magnitudes(-high, -low if low is not None else None, below, above)]))
    if high is None or high >= 0:
        options.append(
            magnitudes(
                max(low, Number(0)) if low is not None else Number(0),
                high,
                above and low is not None and low >= 0,
                below,
            )
        )
    return choice(options)


def magnitudes(low: Number, high: Number | None, above: bool, below: bool) -> str:
    """Numbers of at least 0, without a sign."""
    if high is not None and high < low:
        return NOTHING
    (first, low_digits), (last, high_digits) = _split(low), _split(high)
    if first == last:
        return sequence([literal(str(first)), fractions(low_digits, high_digits, above, below)])
    options = [sequence([literal(str(first)), fractions(low_digits, None, above, False)])]
    if last is None or last > first + 1:
        options.append(sequence([naturals(first + 1, None if last is None else last - 1), FRACTION]))
    if last is not None:
        options.append(sequence([literal(str(last)), fractions(None, high_digits, False, below)]))
    return choice(options)


def _split(number: Number | None) -> tuple[int | None, str | None]:
    """The integer part, and the digits behind the point."""
    if number is None:
        return None, None
    whole, _, digits = f"{number:f}".partition(".")
    return int(whole), digits.rstrip("0")


def fractions(low: str | None, high: str | None, above: bool, below: bool) -> str:
    """The point and digits behind it, or nothing, between bounds of which the digits are given (None: no bound)."""
    if low is None and high is None:
        return FRACTION
    some = sequence(['"."', _behind_point(low, high, above, below, DIGITS, first=True)])
    zero_fits = not low and not (low == "" and above) and not (high == "" and below)
    return choice([some, ""]) if zero_fits else some


def _behind_point(low: str | None, high: str | None, above: bool, below: bool, left: int, first: bool = False) -> str:
    """Digits that keep within the bounds that the digits before were level with. At most `left` of them, or as many
    as the bounds have."""
    left = max(left, len(low or ""), len(high or ""), 1)
    if low == "" and not above:
        low = None
    if low is None and high is None:
        return _digits(1 if first else 0, left)
    if low == "" and high is None:
        return sequence([repeated('"0"', 0, left - 1), "[1-9]", _digits(0, left - 1)])
    if high == "" and not low:
        return NOTHING if low == "" or below else repeated('"0"', 1 if first else 0, left)
    lowest, highest = int((low or "0")[0]), int((high or "9")[0]) if high != "" else 0
    if lowest > highest:
        return NOTHING
    options = [""] if low is None and not first else []
    onward = {digit: (_tail(low, digit, lowest), _tail(high, digit, highest)) for digit in range(lowest, highest + 1)}
    free = [digit for digit, tails in onward.items() if tails == (None, None)]
    for digit, (low_tail, high_tail) in onward.items():
        if digit not in free:
            after = _behind_point(low_tail, high_tail, above, below, left - 1)
            options.append(sequence([literal(str(digit)), after]))
    if free:
        options.append(sequence([_one_digit(free[0], free[-1]), _digits(0, left - 1)]))
    return choice(options)


def _tail(bound: str | None, digit: int, bound_digit: int) -> str | None:
    """The bound's digits that matter after this one: none, if it is not level with the bound any more."""
    return bound[1:] if bound is not None and digit == bound_digit else None


def _digits(least: int, most: int) -> str:
    return repeated("[0-9]", least, most)


def _one_digit(low: int, high: int) -> str:
    return f"[{low}-{high}]" if low < high else f'"{low}"'


def _next(digit: str) -> str:
    return str(int(digit) + 1)


def whole_bounds(low: Number | None, high: Number | None, above: bool, below: bool) -> tuple[int | None, int | None]:
    """The first and the last integer between bounds."""
    first = None if low is None else math.floor(low) + 1 if above else math.ceil(low)
    last = None if high is None else math.ceil(high) - 1 if below else math.floor(high)
    return first, last
