"""The C library's `llama-quantize`, called through `llama-cpp-python`: the oracle for mixes and whole files.

`types` asks for the type of every tensor of a model given as names and shapes, by the functions that libllama exports
for its own tests (they answer as if there were no importance matrix). `quantize` quantizes a file, or, with `dry_run`,
only says what it would do. Only tests, benchmarks and the scripts that make golden values use this file.
"""

import contextlib
import ctypes

import numpy as np
import pytest

from refllm.quants.mixes import NO_WISHES, ModelFacts, Wishes
from tests.quants import ggml

TYPES = 43  # and the number itself stands for "not said"


class Description(ctypes.Structure):
    _sizes = ("embd", "ff", "layer", "head", "head_kv", "expert", "embd_head_k", "embd_head_v")
    _fields_ = [("architecture", ctypes.c_char_p), *((name, ctypes.c_uint32) for name in _sizes)]


def library():
    """llama_cpp's bindings, with their log switched off."""
    llama_cpp = pytest.importorskip("llama_cpp.llama_cpp", reason="llama_cpp is not installed: nothing to compare with")
    llama_cpp.llama_log_set(_SILENCE, ctypes.c_void_p(0))
    return llama_cpp


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def _SILENCE(level, text, user_data):
    pass


def scheme_name(type_id: int) -> str:
    return ggml.traits(type_id).type_name.decode().upper()


def type_id(name: str | None) -> int:
    known = [i for i in range(TYPES) if ggml.traits(i).type_name]
    return next((i for i in known if scheme_name(i) == name), TYPES)


def types(facts: ModelFacts, shapes: dict, file_types: list[int], wishes: Wishes) -> dict[int, dict[str, str | None]]:
    """For each file type the scheme of every tensor; None where the C library keeps the tensor as it is."""
    lib = library()._lib
    allows = lib._Z38llama_quant_tensor_allows_quantizationPK19quantize_state_implPK11ggml_tensor
    allows.restype = ctypes.c_bool
    compute = lib._Z25llama_quant_compute_typesP19quantize_state_impl11llama_ftypePP11ggml_tensorP9ggml_typem
    compute.restype = None
    answer = {}
    with _tensors(shapes) as tensors, _state(facts, parameters(wishes)) as state:
        kept = [name for name, tensor in tensors.items() if not allows(state, tensor)]
        pointers = (ctypes.c_void_p * len(tensors))(*(tensor.value for tensor in tensors.values()))
        for file_type in file_types:
            found = (ctypes.c_int * len(tensors))()
            compute(state, file_type, pointers, found, ctypes.c_size_t(len(tensors)))
            answer[file_type] = dict(zip(tensors, map(scheme_name, found), strict=True)) | dict.fromkeys(kept)
    return answer


def quantize(source, destination, file_type: int, wishes=NO_WISHES, importance=None, overrides=(), **fields) -> str:
    """`llama_model_quantize`; returns what it logged. `fields` are set on the parameters (dry_run, nthread ...)."""
    llama_cpp = library()
    params = parameters(wishes)
    params.ftype = file_type
    for name, value in fields.items():
        setattr(params, name, value)
    if importance is not None:
        entries = [(name, np.ascontiguousarray(values, np.float32)) for name, values in importance.items()]
        pointers = [(name.encode(), values.ctypes.data_as(ggml.FLOATS), values.size) for name, values in entries]
        params.imatrix = (llama_cpp.llama_model_imatrix_data * (len(pointers) + 1))(*pointers, (None, None, 0))
    if overrides:
        params.kv_overrides = (llama_cpp.llama_model_kv_override * (len(overrides) + 1))(*map(_override, overrides))
    log = []
    callback = llama_cpp.llama_log_callback(lambda level, text, _: log.append(text))
    llama_cpp.llama_log_set(callback, ctypes.c_void_p(0))
    failed = llama_cpp.llama_model_quantize(str(source).encode(), str(destination).encode(), ctypes.byref(params))
    llama_cpp.llama_log_set(_SILENCE, ctypes.c_void_p(0))
    text = b"".join(log).decode()
    if failed:
        raise RuntimeError(text[-500:])
    return text


def parameters(wishes: Wishes):
    llama_cpp = library()
    params = llama_cpp.llama_model_quantize_default_params()
    params.pure, params.quantize_output_tensor = wishes.pure, not wishes.leave_output
    params.output_tensor_type, params.token_embedding_type = type_id(wishes.output), type_id(wishes.token_embedding)
    if wishes.tensors:
        patterns = [(pattern.encode(), type_id(scheme)) for pattern, scheme in wishes.tensors]
        params.tt_overrides = (llama_cpp.llama_model_tensor_override * (len(patterns) + 1))(*patterns, (None, TYPES))
    return params


def _override(item):
    key, value = item
    llama_cpp = library()
    tag, field = {int: (0, "val_i64"), float: (1, "val_f64"), bool: (2, "val_bool"), str: (3, "val_str")}[type(value)]
    content = llama_cpp.llama_model_kv_override_value()
    setattr(content, field, value.encode() if isinstance(value, str) else value)
    return llama_cpp.llama_model_kv_override(tag, key.encode(), content)


@contextlib.contextmanager
def _tensors(shapes: dict):
    lib = ggml.library()
    lib.ggml_new_tensor.restype = ctypes.c_void_p
    context = ctypes.c_void_p(lib.ggml_init(ggml.InitParams(len(shapes) * 1024 + 4096, None, True)))
    tensors = {}
    for name, shape in shapes.items():
        extents = (ctypes.c_int64 * 4)(*reversed(shape), *[1] * (4 - len(shape)))
        tensors[name] = ctypes.c_void_p(lib.ggml_new_tensor(context, 0, 4, extents))
        lib.ggml_set_name(tensors[name], name.encode())
    yield tensors
    lib.ggml_free(context)


@contextlib.contextmanager
def _state(facts: ModelFacts, params):
    lib = library()._lib
    heads = (facts.layers, facts.heads, facts.key_heads, facts.experts)
    description = Description(facts.architecture.encode(), 256, 256, *heads, 64, 64)
    make_model = lib._Z31llama_quant_model_from_metadataPK22llama_quant_model_desc
    make_state = lib._Z16llama_quant_initPK11llama_modelPK27llama_model_quantize_params
    make_model.restype = make_state.restype = ctypes.c_void_p
    model = ctypes.c_void_p(make_model(ctypes.byref(description)))
    state = ctypes.c_void_p(make_state(model, ctypes.byref(params)))
    yield state
    lib._Z16llama_quant_freeP19quantize_state_impl(state)
    lib.llama_model_free(model)
