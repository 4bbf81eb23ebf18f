r"""A grammar at work: which tokens may come next in an answer, from GBNF, a JSON schema or a regular expression.

A `Grammar` is what the engine asks for (`refllm.sampling.TokenMask`): `mask()`, then `accept(token)`, and so on. A
`copy.copy()` starts where the original stands and shares with it all that was worked out before. Tokens that end a text
are allowed where the text is complete, and only there.

Text is matched by the tokens that put it into the answer. Control tokens do not, so `"<s>"` in a grammar means three
characters; a control token is named by `<s>` or `<[1]>` (llama.cpp lets both match, and then the text is not there).

>>> from refllm import tokenizers
>>> pieces = ["a", "ab", "b", "\\xc3", "\\xa9", "é", "c"]
>>> tokenizer = tokenizers.from_metadata({"tokenizer.ggml.model": "rwkv", "tokenizer.ggml.tokens": pieces})
>>> grammar = Grammar.from_gbnf('root ::= "a" [bé]', tokenizer)
>>> grammar.mask().tolist()
[True, True, False, False, False, False, False]
>>> grammar.accept(0)
>>> grammar.mask().tolist()
[False, False, True, True, False, True, False]
>>> grammar.accept(3); grammar.accept(4); grammar.finished
True
>>> grammar.accept(0)
Traceback (most recent call last):
    ...
refllm.sampling.grammar.rules.GrammarError: grammar: token 0 ('a') cannot come here; expected the end of the text
"""

import numpy as np
from jaxtyping import Bool

from refllm.sampling.grammar import gbnf
from refllm.sampling.grammar.automaton import Automaton
from refllm.sampling.grammar.checks import walk
from refllm.sampling.grammar.json_schema import json_schema_to_gbnf
from refllm.sampling.grammar.masks import Masks
from refllm.sampling.grammar.pieces import Pieces
from refllm.sampling.grammar.regular_expressions import regex_to_gbnf
from refllm.sampling.grammar.rules import GrammarError, Rules, Token
from refllm.tokenizers import Tokenizer


class Grammar:
    """Rules, a vocabulary, and how far a text has been read."""

    def __init__(self, rules: Rules, tokenizer: Tokenizer):
        _refuse_unknown_tokens(rules, tokenizer.vocab_size)
        self.tokenizer = tokenizer
        self.masks = Masks(Automaton(rules), Pieces.of(tokenizer))
        self.state = self.masks.automaton.start
        self.ended = False

    @classmethod
    def from_gbnf(cls, text: str, tokenizer: Tokenizer) -> "Grammar":
        """A grammar in llama.cpp's notation (`gbnf.py`)."""

        def token_id(name: str) -> int | None:
            ids = tokenizer.encode(name, add_special=False, parse_special=True)
            return ids[0] if len(ids) == 1 else None

        return cls(gbnf.parse(text, token_id), tokenizer)

    @classmethod
    def from_json_schema(cls, schema: dict | bool | str, tokenizer: Tokenizer) -> "Grammar":
        """JSON that a schema allows (`json_schema.py`); the schema as an object or as its JSON text."""
        return cls(gbnf.parse(json_schema_to_gbnf(schema)), tokenizer)

    @classmethod
    def from_regex(cls, pattern: str, tokenizer: Tokenizer) -> "Grammar":
        """Texts that a regular expression matches as a whole (`regular_expressions.py`)."""
        return cls(gbnf.parse(regex_to_gbnf(pattern)), tokenizer)

    @property
    def complete(self) -> bool:
        """Whether the text may end here."""
        return self.ended or None in self.state

    @property
    def finished(self) -> bool:
        """Whether nothing but the end can follow."""
        return self.ended or self.state == {None}

    def mask(self) -> Bool[np.ndarray, " vocab"]:
        """True for every token that may come next; not to be written to. After the end: none."""
        if self.ended:
            return np.zeros(self.tokenizer.vocab_size, bool)
        mask = self.masks.allowed(self.state)
        if self.complete:
            mask = mask.copy()
            mask[list(self.tokenizer.end_ids)] = True
        elif not mask.any():
            raise GrammarError("grammar: no token of the vocabulary can come here, and the text is not complete")
        return mask

    def accept(self, token: int) -> None:
        """Go on by a token that the mask allows; an error for any other."""
        if token in self.tokenizer.end_ids and self.complete:
            self.ended = True
            return
        state = frozenset()
        if not self.ended and token not in self.tokenizer.end_ids:
            state = self.masks.after(self.state, token, self.tokenizer.token_bytes(token, special=False))
        if not state:
            expected = "the end of the text" if self.finished else "a token that the mask allows"
            piece = self.tokenizer.pieces([token])[0]
            raise GrammarError(f"grammar: token {token} ({piece!r}) cannot come here; expected {expected}")
        self.state = state


def _refuse_unknown_tokens(rules: Rules, vocab_size: int) -> None:
    for name, expression in rules.items():
        for part in walk(expression):
            if isinstance(part, Token) and part.id >= vocab_size:
                raise GrammarError(f"grammar: rule {name!r}: no token {part.id}; expected 0 to {vocab_size - 1}")
