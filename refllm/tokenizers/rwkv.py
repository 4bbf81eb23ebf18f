"""RWKV's tokenizer: from the left on, always the longest piece that matches the bytes of the text.

The pieces lie in a trie: a tree in which each step down is one byte. The file spells their bytes with escapes (`\\n`,
`\\xe4`). What it does not do: no merges, no words, and no text before or after (`add_special` changes nothing).

>>> trie = trie_of([b"a", b"ab", b"abc", b"c"])
>>> longest_match(trie, b"abca", 0), longest_match(trie, b"abx", 0)
((2, 3), (1, 2))
>>> unescape(r"\\xe4\\n\\\\")
b'\\xe4\\n\\\\'
"""

from collections.abc import Callable, Iterable

import regex

from refllm.tokenizers.vocabulary import TokenizerError, Vocabulary

ID = -1  # the key under which a node of the trie holds the id of the piece that ends there

ESCAPE = regex.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", regex.DOTALL)
ESCAPED = {b"t": b"\t", b"n": b"\n", b"r": b"\r"}


def encoder(vocabulary: Vocabulary, unknown_id: int | None) -> Callable[[str], list[int]]:
    """The function from a text without special tokens to ids."""
    trie = trie_of(map(unescape, vocabulary.pieces))

    def encode(text: str) -> list[int]:
        data = text.encode()
        ids, position = [], 0
        while position < len(data):
            id, end = longest_match(trie, data, position)
            id = unknown_id if id is None else id
            if id is None:
                raise TokenizerError(f"no piece begins with byte 0x{data[position]:02X} and there is no unknown token")
            ids.append(id)
            position = end
        return ids

    return encode


def trie_of(pieces: Iterable[bytes]) -> dict:
    root = {}
    for id, piece in enumerate(pieces):
        node = root
        for byte in piece:
            node = node.setdefault(byte, {})
        node[ID] = id
    return root


def longest_match(trie: dict, data: bytes, start: int) -> tuple[int | None, int]:
    """The id and the end of the longest piece that begins at `start`; None and one byte on where none does."""
    found, node = (None, start + 1), trie
    for position in range(start, len(data)):
        node = node.get(data[position])
        if node is None:
            break
        if ID in node:
            found = node[ID], position + 1
    return found


def unescape(piece: str) -> bytes:
    """The bytes that a piece spells."""
    return ESCAPE.sub(lambda match: _unescaped(*match.groups()), piece.encode("utf-8", "surrogateescape"))


def _unescaped(code: bytes | None, letter: bytes | None) -> bytes:
    return bytes([int(code, 16)]) if code else ESCAPED.get(letter, letter)
