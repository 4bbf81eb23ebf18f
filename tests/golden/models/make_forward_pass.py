"""Writes what llama.cpp has after each layer of the embedded model: `python tests/golden/models/make_forward_pass.py`.

Needs llama-cpp-python (the committed values: 0.3.36, llama.cpp of October 2026, ggml 0.25.3) and must be run again
whenever the embedded model changes: `tests/models/test_forward_pass.py` and lesson 05 look at the checksum that is
stored with the values.

llama.cpp tells a callback of every tensor that it computes. Those called `embd` and `l_out-N` are kept: what every
token is when it enters the first layer, and when it leaves layer N. The model is run with its weights as float32, where
two exact programs agree to the last digits, and as it is, where ggml rounds activations to float16 as well.
"""

import ctypes
import pathlib
import tempfile

import llama_cpp.llama_cpp as api
import numpy as np

import refllm
from refllm import embedded

TEXT = "<s>[INST] What is the capital of France? [/INST]The capital of France is"
PATH = embedded.folder() / "forward_pass.npz"
FLOAT32_CACHE = {"type_k": 0, "type_v": 0, "flash_attn_type": 0, "n_ctx": 256, "n_threads": 2}


def ggml() -> ctypes.CDLL:
    """The two functions of ggml that a callback needs and llama-cpp-python does not offer."""
    library = ctypes.CDLL(str(pathlib.Path(api.__file__).parent / "lib" / "libggml-base.so"))
    library.ggml_get_name.restype = ctypes.c_char_p
    library.ggml_get_name.argtypes = [ctypes.c_void_p]
    library.ggml_backend_tensor_get.restype = None
    library.ggml_backend_tensor_get.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
    return library


def run(path: pathlib.Path, ids: list[int], dim: int) -> tuple[np.ndarray, np.ndarray]:
    """What every token is before the first and after each layer, and the logits after the last token."""
    library, after = ggml(), {}

    def look(tensor, ask, _):
        name = library.ggml_get_name(tensor).decode()
        wanted = name == "embd" or name.startswith("l_out-")
        if wanted and not ask:
            after[name] = np.empty((len(ids), dim), np.float32)
            library.ggml_backend_tensor_get(tensor, after[name].ctypes.data, 0, after[name].nbytes)
        return wanted or not ask

    options = api.llama_context_default_params()
    for name, value in FLOAT32_CACHE.items():
        setattr(options, name, value)
    options.cb_eval = callback = api.ggml_backend_sched_eval_callback(look)
    model = api.llama_model_load_from_file(str(path).encode(), api.llama_model_default_params())
    context = api.llama_init_from_model(model, options)
    assert api.llama_decode(context, batch_of(ids)) == 0, "llama_decode failed"
    logits = api.llama_get_logits_ith(context, len(ids) - 1)
    logits = np.ctypeslib.as_array(logits, (api.llama_vocab_n_tokens(api.llama_model_get_vocab(model)),)).copy()
    del callback
    return np.stack(list(after.values())), logits


def batch_of(ids: list[int]):
    """All tokens in one batch; every one is wanted, or the last layer would compute the last token only."""
    batch = api.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for place, token in enumerate(ids):
        batch.token[place], batch.pos[place], batch.logits[place] = token, place, 1
        batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
    return batch


def main() -> None:
    path = embedded.path()
    file = refllm.gguf.open(path)
    ids = refllm.tokenizers.from_gguf(file).encode(TEXT, add_special=False, parse_special=True)
    dim = file.metadata["llama.embedding_length"]
    with tempfile.TemporaryDirectory() as folder:
        wide = pathlib.Path(folder) / "float32.gguf"
        refllm.quantize(path, wide, "F32")
        layers, logits = run(wide, ids, dim)
    _, logits_float16 = run(path, ids, dim)
    values = {"ids": np.array(ids, np.int32), "layers": layers, "logits": logits, "logits_float16": logits_float16}
    np.savez_compressed(PATH, sha256=np.array(embedded.sums()[path.name]), **values)
    print(f"{PATH.name}: {len(ids)} tokens, {len(layers) - 1} layers, {PATH.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
