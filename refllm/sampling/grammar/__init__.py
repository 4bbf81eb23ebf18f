"""Grammars: answers that keep to a form, from GBNF, a JSON schema or a regular expression.

The way from a text to a mask: `gbnf.py` reads rules (`rules.py`), `checks.py` refuses those that cannot work,
`steps.py` turns characters into bytes, `automaton.py` reads texts, `masks.py` tries all pieces of a vocabulary
(`pieces.py`) at once, and `grammar.py` is what the engine holds. Regular expressions and JSON schemas
(`regular_expressions.py`, `json_schema.py`) are turned into GBNF, which one can look at.

>>> matches('root ::= "yes" | "no"', "no"), matches('root ::= "yes" | "no"', "n")
(True, False)
"""

from refllm.sampling.grammar.automaton import Automaton
from refllm.sampling.grammar.gbnf import parse
from refllm.sampling.grammar.grammar import Grammar
from refllm.sampling.grammar.json_schema import json_schema_to_gbnf
from refllm.sampling.grammar.regular_expressions import regex_to_gbnf
from refllm.sampling.grammar.rules import GrammarError

__all__ = ["Grammar", "GrammarError", "json_schema_to_gbnf", "matches", "parse", "regex_to_gbnf"]


def matches(grammar: str, text: str) -> bool:
    """Whether a grammar in GBNF matches a whole text."""
    return Automaton(parse(grammar)).accepts(text)
