"""Vocabularies for tests of grammars: bytes, longer pieces, control tokens, an end."""

from refllm import tokenizers
from refllm.tokenizers.vocabulary import Kind

KEY = "tokenizer.ggml."
CONTROL = ("<s>", "<think>", "</think>", "</s>")
LETTERS = [bytes([code]) for code in range(0x20, 0x7F)]
BYTES = [bytes([code]) for code in range(256)]
JSON_PIECES = [
    piece.encode() for piece in ('{"', '":', '": ', '",', '", "', '"}', "true", "null", "12", "00", "ab", "é", "你好")
]


def make(pieces: list[bytes]) -> tokenizers.Tokenizer:
    """A tokenizer of these pieces and then the control tokens, of which `</s>` ends a text."""
    spelled = ["".join(f"\\x{byte:02x}" for byte in piece) for piece in pieces]
    return tokenizers.from_metadata(
        {
            KEY + "model": "rwkv",
            KEY + "tokens": [*spelled, *CONTROL],
            KEY + "token_type": [int(Kind.NORMAL)] * len(pieces) + [int(Kind.CONTROL)] * len(CONTROL),
            KEY + "eos_token_id": len(pieces) + len(CONTROL) - 1,
        }
    )
