"""DRY's breakers, from texts to tokens.

A breaker is a text; a vocabulary may hide it inside a longer piece, or spread it over several. Every piece that
contains the text is a breaker alone. A piece that ends in the beginning of the text is one when the tokens of the rest
follow.

>>> from refllm.tokenizers.tokenizer import Tokenizer
>>> from refllm.tokenizers.vocabulary import Kind, SpecialIds, Vocabulary
>>> vocabulary = Vocabulary(["a", "b", "ab:", "User"], [Kind.NORMAL] * 4, [0.0] * 4)
>>> letters = Tokenizer(
...     vocabulary, SpecialIds(), frozenset(), [], lambda text: [vocabulary.ids[letter] for letter in text], str.encode
... )
>>> found = find_breakers(letters, (":", "ba"), vocab=4)
>>> found.single, found.longer
(array([False, False,  True, False]), array([[1, 0]], dtype=int32))
"""

import itertools

import numpy as np

from refllm.sampling.dont_repeat import Breakers
from refllm.tokenizers import Tokenizer

LONGEST_TEXT, LONGEST_TAIL = 40, 20  # llama.cpp's limits


def find_breakers(tokenizer: Tokenizer, texts: tuple[str, ...], vocab: int) -> Breakers:
    """The breakers that these texts make, for a model with so many logits."""
    pieces = [tokenizer.token_bytes(id) for id in range(tokenizer.vocab_size)]
    single = np.zeros(vocab, bool)
    longer = set()
    for text in filter(None, (text.encode()[:LONGEST_TEXT] for text in texts)):
        beginnings = tuple(text[:size] for size in range(1, len(text)))
        single[: len(pieces)] |= [text in piece for piece in pieces]
        for id in [id for id, piece in enumerate(pieces) if piece.endswith(beginnings) and text not in piece]:
            fitting = [beginning for beginning in beginnings if pieces[id].endswith(beginning)]
            longer |= {(id, *_tokens(tokenizer, text.removeprefix(beginning))) for beginning in fitting}
    width = max(map(len, longer), default=1)
    rows = [[*row, *[-1] * (width - len(row))] for row in sorted(longer)]
    return Breakers(single, np.array(rows, np.int32).reshape(len(rows), width))


def _tokens(tokenizer: Tokenizer, rest: bytes) -> list[int]:
    text = rest.decode("utf-8", "ignore")
    return list(itertools.islice(tokenizer.encode(text, add_special=False), LONGEST_TAIL))
