"""Random texts that a grammar allows: any allowed token, until the text is complete."""

import copy
import random

import numpy as np

from refllm.sampling.grammar import Grammar

LONG = 150  # tokens; after that what closes things is preferred, or a random text would grow for ever
CLOSING = {b'"': 20, b"]": 3, b"}": 3}


def walk(grammar: Grammar, seed: int, temperature: float = 1.5) -> str:
    """The text of random tokens, drawn by random logits at a temperature among those that the mask allows."""
    random_numbers = np.random.default_rng(seed)
    grammar = copy.copy(grammar)
    tokenizer = grammar.tokenizer
    bonus = np.array([CLOSING.get(tokenizer.token_bytes(id, special=False), 0) for id in range(tokenizer.vocab_size)])
    bonus[list(tokenizer.end_ids)] = 40
    ids = []
    while (mask := grammar.mask()).any():
        logits = random_numbers.normal(0, 2, tokenizer.vocab_size) / temperature
        logits += bonus * (len(ids) > LONG)
        noise = random_numbers.gumbel(size=tokenizer.vocab_size)  # the largest of logits and this noise: a fair draw
        id = int(np.argmax(np.where(mask, logits + noise, -np.inf)))
        grammar.accept(id)
        ids.append(id)
    assert grammar.complete and grammar.finished
    return b"".join(tokenizer.token_bytes(id, special=False) for id in ids).decode()


def seeded(*parts: object) -> random.Random:
    return random.Random(repr(parts))
