"""llguidance as the oracle: does it accept the same JSON texts for the same schemas?

200 schemas and 5,000 texts with REFLLM_LONG=1, fewer by default. Where the two differ, one of the reasons below holds;
each is a choice of this project (what it writes is valid JSON that the schema allows) or a slip of the other's.
"""

import json
import os
import re

import pytest

from refllm.sampling.grammar import Grammar, json_schema_to_gbnf, parse
from refllm.sampling.grammar.automaton import Automaton
from tests.sampling.grammar import schemas
from tests.sampling.grammar.vocabularies import BYTES, JSON_PIECES, make
from tests.sampling.grammar.walks import seeded, walk

llguidance = pytest.importorskip("llguidance")

SCHEMAS, NEAR, OURS, THEIRS = (200, 23, 1, 2) if os.environ.get("REFLLM_LONG") else (12, 15, 1, 1)

ONLY_OURS = {
    "escapes that JSON allows but does not demand": r"\\/|\\u(?!00[01])",
    "a zero at the end of a bounded fraction": r"\.\d*0\b",
}
ONLY_THEIRS = {
    "more than 16 digits": r"\d{17}",
    "an exponent of more than three digits": r"[eE][-+]?\d{4}",
    "29 February in a year that has none": r"02-29",
    "a leap second, small letters, or a fraction of more than nine digits in a time": r":60|[tz]\b|\d[tz]|\.\d{10}",
    "a control character of a fixed text or a pattern by its number": r"\\u00[01]",
    "a zero with a sign among bounded numbers": r"-0(?![.\d]*[1-9])",
    "a name with an escape beside declared ones": r'\\.[^"]*":',
}


class Oracle:
    """A schema as llguidance reads it."""

    tokenizer = llguidance.LLTokenizer("byte")

    def __init__(self, schema: dict):
        options = {"whitespace_flexible": False}
        self.matcher, self.compact = (
            llguidance.LLMatcher(
                self.tokenizer, self.checked(llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema), **given))
            )
            for given in ({}, {"overrides": options})
        )

    def checked(self, grammar: str) -> str:
        error = llguidance.LLMatcher.validate_grammar(grammar, self.tokenizer)
        assert not error, error
        return grammar

    def accepts(self, text: str) -> bool:
        data = list(text.encode())
        self.matcher.reset()
        return self.matcher.try_consume_tokens(data) == len(data) and self.matcher.is_accepting()

    def walk(self, source) -> str | None:
        """A random text that it allows; None if that does not come to an end."""
        self.compact.reset()
        data = bytearray()
        while not self.compact.is_stopped() and len(data) < 400:
            bits = self.compact.compute_bitmask()
            allowed = [token for token in range(0x20, 0x7F) if bits[token // 8] >> token % 8 & 1]
            if self.compact.is_accepting() and (not allowed or source.random() < 0.3):
                return data.decode()
            closing = [token for token in allowed if token in b'"]}'] if len(data) > 60 else []
            if not allowed:
                return None
            token = source.choice(closing or allowed)
            assert self.compact.consume_token(token)
            data.append(token)
        return data.decode() if self.compact.is_accepting() else None


def reason(text: str, ours: bool) -> str | None:
    reasons = ONLY_OURS if ours else ONLY_THEIRS
    return next((name for name, pattern in reasons.items() if re.search(pattern, text)), None)


def test_the_same_texts_are_accepted():
    differences, counts, tokenizer = {}, {True: 0, False: 0}, make([*BYTES, *JSON_PIECES])
    for number in range(SCHEMAS):
        source = seeded("llguidance", number)
        schema = schemas.schema(source)
        ours, theirs = Automaton(parse(json_schema_to_gbnf(schema))), Oracle(schema)
        grammar = Grammar.from_json_schema(schema, tokenizer)
        texts = [schemas.text(source, schema) for _ in range(NEAR)]
        texts += [walk(grammar, seed) for seed in range(OURS)] + [theirs.walk(source) for _ in range(THEIRS)]
        for text in filter(None, texts):
            ours.begin_question()
            accepted = ours.accepts(text)
            counts[accepted] += 1
            if accepted != theirs.accepts(text):
                why = reason(text, accepted)
                assert why, (number, "accepted by us alone" if accepted else "accepted by them alone", text, schema)
                differences[why] = differences.get(why, 0) + 1
    print(counts, differences)
    assert min(counts.values()) > sum(counts.values()) / 4
    assert sum(differences.values()) < sum(counts.values()) / 50
