"""llama.cpp's files from before GGUF: `ggml` (March 2023), `ggmf`, and `ggjt` in three versions (until August 2023).

A header of seven numbers, the vocabulary, then tensors until the file ends. Where the layout of blocks has changed
since, they are rearranged: the levels stay, scales of 32 bits become ones of 16, as today's blocks have them. Q4_2 and
Q4_3, whose blocks of 16 have no successor, become F16. The files know neither how long a text may be nor the epsilon of
the norms; 2048 and 5e-6 are written, as llama.cpp's own converter does. Models in several files (`.bin.1`) are refused.

>>> legacy.Q4_0_ggjt_v1.name, successor(legacy.Q4_0_ggjt_v1).name, successor(legacy.Q4_2).name
('Q4_0_ggjt_v1', 'Q4_0', 'F16')
"""

import math
import pathlib
import struct
from typing import Any

import numpy as np

from refllm import gguf, quants
from refllm.convert import meta
from refllm.convert.lazy import Lazy
from refllm.convert.mapped import MappedFile
from refllm.convert.model import Model, check_layers, title
from refllm.errors import RefllmError
from refllm.quants import legacy
from refllm.quants.bits import pack_nibbles, unpack_neighbours
from refllm.tokenizers.vocabulary import SPACE, Kind

MAGICS = {0x67676D6C: "ggml", 0x67676D66: "ggmf", 0x67676A74: "ggjt"}
FIELDS = ("n_vocab", "n_embd", "n_mult", "n_head", "n_layer", "n_rot", "ftype")
ALIGNMENT = 32  # of tensors in ggjt
CONTEXT, EPSILON = 2048, 5e-6
MOST_TENSORS, LONGEST_TEXT = 100_000, 4096
FIRST_BYTE_PIECE = 3


class Reader:
    """Numbers and bytes of a file, one after the other."""

    def __init__(self, file: MappedFile):
        self.file, self.at = file, 0

    def take(self, size: int) -> bytes:
        if not 0 <= size <= self.file.size - self.at:
            raise RefllmError(
                f"{self.file.path}: byte {self.at}: {size} more bytes expected; {self.file.size - self.at} are left"
            )
        self.at += size
        return self.file.bytes(self.at - size, size)

    def numbers(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", self.take(4 * count))

    def text(self, size: int) -> bytes:
        if size > LONGEST_TEXT:
            raise RefllmError(
                f"{self.file.path}: byte {self.at}: a text of {size} bytes; expected {LONGEST_TEXT} at most"
            )
        return self.take(size)


def is_old_file(path: pathlib.Path) -> bool:
    with path.open("rb") as file:
        return int.from_bytes(file.read(4), "little") in MAGICS


def read(path: pathlib.Path) -> Model:
    """The model in a file."""
    if pathlib.Path(f"{path}.1").exists():
        raise RefllmError(f"{path}: is one of several files ({path.name}.1); expected a model in one file")
    reader = Reader(MappedFile(path))
    kind, version = container(reader)
    header = dict(zip(FIELDS, reader.numbers(len(FIELDS)), strict=True))
    vocabulary = read_vocabulary(reader, header["n_vocab"], has_scores=kind != "ggml")
    tensors = read_tensors(reader, aligned=kind == "ggjt", version=version)
    check_layers(tensors, header["n_layer"], path)
    return Model(metadata_of(path, header, tensors) | vocabulary, tensors, keeps_types=True)


def container(reader: Reader) -> tuple[str, int]:
    """The kind of file, and the version of its blocks."""
    (magic,) = reader.numbers(1)
    kind = MAGICS[magic]
    version = 1 if kind == "ggml" else reader.numbers(1)[0]
    if version not in ((1, 2, 3) if kind == "ggjt" else (1,)):
        raise RefllmError(
            f"{reader.file.path}: byte 4: {kind} of version {version}; expected 1{' to 3' if kind == 'ggjt' else ''}"
        )
    return kind, version


def metadata_of(path: pathlib.Path, header: dict[str, int], tensors: dict[str, Lazy]) -> gguf.Metadata:
    head_dim = header["n_embd"] // max(1, header["n_head"])
    key, up = tensors.get("blk.0.attn_k.weight"), tensors.get("blk.0.ffn_gate.weight")
    if key is None or up is None or not head_dim:
        raise RefllmError(f"{path}: has no layer 0; expected the tensors of a LLaMA model")
    fields = {
        "context_length": CONTEXT,
        "embedding_length": header["n_embd"],
        "block_count": header["n_layer"],
        "feed_forward_length": up.shape[0],
        "attention.head_count": header["n_head"],
        "attention.head_count_kv": key.shape[0] // head_dim,
        "vocab_size": header["n_vocab"],
        "attention.layer_norm_rms_epsilon": EPSILON,
        "rope.freq_base": 10000.0,
        "rope.dimension_count": header["n_rot"],
    }
    general = {"general.architecture": "llama", "general.type": "model", "general.name": title(path.stem)}
    general["general.file_type"] = np.uint32(header["ftype"] % 1000)  # above stood the version of the quantization
    return gguf.Metadata(general | {f"llama.{key}": value for key, value in fields.items()})


def read_vocabulary(reader: Reader, count: int, has_scores: bool) -> dict[str, Any]:
    """The pieces, spelled again as SentencePiece spells them: ▁ for a space, <0x0A> for a byte."""
    texts, kinds, scores = [], [], []
    for id in range(count):
        raw = reader.text(reader.numbers(1)[0])
        scores.append(struct.unpack("<f", reader.take(4))[0] if has_scores else -float(id))
        text, kind = piece(id, raw)
        texts.append(text)
        kinds.append(kind)
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.scores": np.array(scores, np.float32),
        "tokenizer.ggml.token_type": np.array(kinds, np.int32),
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }


def piece(id: int, raw: bytes) -> tuple[str, int]:
    """What one entry of the vocabulary stands for: the first three are special, then come the bytes.

    >>> piece(0, " ⁇ ".encode()), piece(13, b"\\n"), piece(300, b" the")
    (('<unk>', <Kind.UNKNOWN: 2>), ('<0x0A>', <Kind.BYTE: 6>), ('▁the', <Kind.NORMAL: 1>))
    """
    if id < FIRST_BYTE_PIECE:
        return ("<unk>", "<s>", "</s>")[id], Kind.UNKNOWN if id == 0 else Kind.CONTROL
    if id < FIRST_BYTE_PIECE + 256 and raw == bytes([id - FIRST_BYTE_PIECE]):
        return f"<0x{raw[0]:02X}>", Kind.BYTE
    return raw.decode("utf-8", "surrogateescape").replace(" ", SPACE), Kind.NORMAL


# ---- tensors ----


def read_tensors(reader: Reader, aligned: bool, version: int) -> dict[str, Lazy]:
    """The tensors under GGUF's names, in today's types."""
    tensors, path = {}, reader.file.path
    while reader.at < reader.file.size:
        dimensions, length, kind = reader.numbers(3)
        if not 1 <= dimensions <= 2 or len(tensors) >= MOST_TENSORS:
            raise RefllmError(f"{path}: byte {reader.at}: a tensor of {dimensions} dimensions; expected 1 or 2")
        shape = reader.numbers(dimensions)[::-1]
        name = reader.text(length).decode("utf-8", "replace")
        if aligned:
            reader.take(-reader.at % ALIGNMENT)
        scheme = scheme_of(kind, version, f"{path}: tensor {name!r}")
        if shape[-1] % scheme.block_size:
            raise RefllmError(
                f"{path}: tensor {name!r} has rows of {shape[-1]}; expected a multiple of {scheme.block_size}"
            )
        tensor = reader.file.tensor(reader.at, shape, scheme)
        reader.take(math.prod(shape) // scheme.block_size * scheme.block_bytes)
        tensors[meta.gguf_name(name, path)] = modernized(tensor)
    return tensors


def scheme_of(kind: int, version: int, where: str) -> quants.Scheme:
    """What a type number meant in that version."""
    try:
        return legacy.BY_VERSION[version][kind] if version in legacy.BY_VERSION else quants.get(kind)
    except (KeyError, quants.QuantError):
        raise RefllmError(f"{where} is of type {kind}, which version {version} did not have") from None


def successor(scheme: quants.Scheme) -> quants.Scheme:
    """The type of today with the same levels."""
    if scheme in (legacy.Q4_2, legacy.Q4_3):
        return quants.get("F16")
    return quants.get(scheme.name.partition("_ggjt")[0])


def modernized(tensor: Lazy) -> Lazy:
    """The tensor in the type of today; blocks whose layout has not changed stay as they are."""
    old, new = tensor.scheme, successor(tensor.scheme)
    if new is old:
        return tensor
    if old in (legacy.Q4_2, legacy.Q4_3):
        return Lazy(tensor.shape, new, lambda numbers: new.quantize(tensor.weights(numbers)))
    return Lazy(tensor.shape, new, lambda numbers: rearranged(tensor.rows(numbers), old, new))


def rearranged(blocks: np.ndarray, old: quants.Scheme, new: quants.Scheme) -> np.ndarray:
    """Blocks of April and May 2023 in today's layout: scales of 16 bits, and byte i holds the levels i and i+16."""
    found = np.zeros(blocks.shape, new.dtype)
    for name in new.dtype.names:
        values = blocks[name]
        if old.name.endswith("_v1") and name == "qs":
            values = pack_nibbles(unpack_neighbours(values, 4))
        found[name] = values
    return found
