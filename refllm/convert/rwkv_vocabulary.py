"""The vocabulary of an RWKV checkpoint, which does not hold it: known by its size, found in files beside it.

- 256 pieces are the bytes themselves.
- RWKV-4 "Pile" models use GPT-NeoX's `20B_tokenizer.json` (or `tokenizer.json`).
- "World" models and all since use `rwkv_vocab_v20230424.txt`: one line for each piece with its id, its text as Python
  would write it, and its length in bytes. As in llama.cpp, id 0 ends a text and an empty line ends a turn.

>>> parse_line("261 '\\\\n\\\\n' 2"), parse_line("255 b'\\\\xfe' 1")
((261, b'\\n\\n'), (255, b'\\xfe'))
>>> escaped(b"\\xe4\\n'"), escaped(b"a b")
("\\\\xe4\\\\n'", 'a b')
"""

import ast
import pathlib
from typing import Any

import numpy as np

from refllm.convert import tokenizer_json, vocabulary
from refllm.convert.checkpoint import read_json
from refllm.errors import RefllmError
from refllm.tokenizers.vocabulary import Kind

BYTES = 256
TABLE = "rwkv_vocab_v20230424.txt"
JSON = ("20B_tokenizer.json", "tokenizer.json")
LARGEST_TABLE = 64 << 20  # bytes; the real one has 1 MB


def read_vocabulary(path: pathlib.Path, size: int) -> dict[str, Any]:
    """What a GGUF file says about the tokenizer of the checkpoint at `path`."""
    if size == BYTES:
        return described([escaped(bytes([byte])) for byte in range(BYTES)], [Kind.NORMAL] * BYTES)
    if (path.parent / TABLE).exists():
        return from_table(path.parent / TABLE, size)
    for name in JSON:
        if (path.parent / name).exists():
            return from_json(path.parent / name, size)
    raise RefllmError(f"{path}: knows {size} pieces; expected {TABLE} or {' or '.join(JSON)} beside it")


def described(texts: list[str], kinds: list[int]) -> dict[str, Any]:
    return {
        "tokenizer.ggml.model": "rwkv",
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.token_type": np.array(kinds, np.int32),
    }


def escaped(piece: bytes) -> str:
    """How GGUF spells a piece for RWKV's tokenizer: other bytes than those of printable ASCII as in Python."""
    return "".join(
        f"\\{chr(byte)}" if byte == 0x5C else repr(bytes([byte]))[2:-1].replace("\\'", "'") for byte in piece
    )


# ---- RWKV's own table ----


def from_table(path: pathlib.Path, size: int) -> dict[str, Any]:
    """The pieces of the table; ids that have none are filled up."""
    if path.stat().st_size > LARGEST_TABLE:
        raise RefllmError(f"{path}: has {path.stat().st_size} bytes; expected at most {LARGEST_TABLE}")
    texts, kinds = [f"[PAD{id}]" for id in range(size)], [int(Kind.UNUSED)] * size
    texts[0], kinds[0] = "<s>", Kind.CONTROL
    for number, line in enumerate(path.read_text("utf-8").splitlines()):
        try:
            id, piece = parse_line(line)
        except (ValueError, SyntaxError) as error:
            raise RefllmError(
                f"{path}: line {number + 1} is {line[:60]!r}; expected an id, a piece, its length"
            ) from error
        if not 0 < id < size:
            raise RefllmError(f"{path}: line {number + 1} has the id {id}; the model knows 1 to {size - 1}")
        texts[id], kinds[id] = escaped(piece), Kind.NORMAL
    found = described(texts, kinds)
    found |= {f"tokenizer.ggml.{role}_token_id": 0 for role in ("bos", "eos")}
    if escaped(b"\n\n") in texts:
        found["tokenizer.ggml.eot_token_id"] = texts.index(escaped(b"\n\n"))
    return found | {"tokenizer.chat_template": "rwkv-world"}


def parse_line(line: str) -> tuple[int, bytes]:
    """The id and the bytes of a piece."""
    id, _, rest = line.partition(" ")
    written, _, length = rest.rpartition(" ")
    piece = ast.literal_eval(written)
    piece = piece.encode() if isinstance(piece, str) else piece
    if not isinstance(piece, bytes) or len(piece) != int(length):
        raise ValueError(f"{len(piece)} bytes")
    return int(id), piece


# ---- GPT-NeoX's ----


def from_json(path: pathlib.Path, size: int) -> dict[str, Any]:
    """The byte-pair vocabulary of a `tokenizer.json`; the first piece, `<|endoftext|>`, ends a text."""
    content = read_json(path)
    pieces = tokenizer_json.read_pieces(content, path)
    for entry in content.get("added_tokens") or []:
        vocabulary.add(pieces, entry["id"], entry["content"], bool(entry.get("special")), path)
    vocabulary.fill_up(pieces, size, path)
    return pieces.metadata() | {f"tokenizer.ggml.{role}_token_id": 0 for role in ("bos", "eos")}
