"""llama.cpp's own tokenizer, through `llama_cpp`: the oracle for ids, pieces and ends.

Without that package `Vocabulary` skips the test. Only tests and benchmarks use this file.
"""

import ctypes
import importlib.util
import pathlib

import pytest


class Vocabulary:
    """The vocabulary of a GGUF file as llama.cpp loads it."""

    def __init__(self, path: pathlib.Path):
        if importlib.util.find_spec("llama_cpp") is None:
            pytest.skip("llama_cpp is not installed: nothing to compare with")
        import llama_cpp

        self.lib = llama_cpp
        self._quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self._quiet, ctypes.c_void_p(0))
        parameters = llama_cpp.llama_model_default_params()
        parameters.vocab_only = True
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        assert self.model, f"llama.cpp does not open {path}"
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)

    def __del__(self):
        if getattr(self, "model", None):
            self.lib.llama_model_free(self.model)

    def __len__(self) -> int:
        return self.lib.llama_vocab_n_tokens(self.vocab)

    def encode(self, text: str, add_special: bool = True, parse_special: bool = False) -> list[int]:
        data = text.encode()
        room = len(data) + 16
        ids = (ctypes.c_int32 * room)()
        count = self.lib.llama_tokenize(self.vocab, data, len(data), ids, room, add_special, parse_special)
        assert count >= 0
        return list(ids[:count])

    def piece(self, id: int, special: bool = True) -> bytes:
        buffer = ctypes.create_string_buffer(1024)
        size = self.lib.llama_token_to_piece(self.vocab, id, buffer, 1024, 0, special)
        return buffer.raw[:size]

    def decode(self, ids: list[int], special: bool = False) -> str:
        array = (ctypes.c_int32 * len(ids))(*ids)
        buffer = ctypes.create_string_buffer(256 * len(ids) + 16)
        count = self.lib.llama_detokenize(self.vocab, array, len(ids), buffer, len(buffer), False, special)
        assert count >= 0
        return buffer.raw[:count].decode("utf-8", "replace")

    def ends(self) -> set[int]:
        return {id for id in range(len(self)) if self.lib.llama_vocab_is_eog(self.vocab, id)}

    def special(self, name: str) -> int | None:
        """`bos`, `eos`, `eot`, `sep`, `pad`, `mask`, `fim_pre` ..."""
        id = getattr(self.lib, f"llama_vocab_{name}")(self.vocab)
        return None if id < 0 else id
