"""What a model remembers of a text, kept in a file: a long prompt is read once and for all runs.

Ids, keys and values in numpy's own `.npz`. It fits the model it was made with and the same cache type; anything else,
or a damaged file, is refused. What it does not do: the formats of llama.cpp's sessions, and RWKV's
states.
"""

import dataclasses
import os
import pathlib
import zipfile

import jax.numpy as jnp
import numpy as np

from refllm.engine import LLM, Session
from refllm.errors import RefllmError
from refllm.files import atomic_write
from refllm.models import Config, cache


def save(path: str | os.PathLike, llm: LLM) -> None:
    """Write the memory of the model's session."""
    check_has_cache(llm)
    session = llm.session
    length = len(session.ids)
    parts = {name: np.asarray(getattr(session.memory, name)[:, :length]) for name in ("keys", "values")}
    with atomic_write(path) as file:
        raw = {name: part.view(np.uint8) for name, part in parts.items()}  # numpy's files know no bfloat16
        np.savez(file, ids=np.array(session.ids, np.int32), model=fingerprint(llm), **raw)


def load(path: str | os.PathLike, llm: LLM) -> Session:
    """A session that remembers what the file holds."""
    check_has_cache(llm)
    try:
        with pathlib.Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            ids, model, keys, values = (file[name] for name in ("ids", "model", "keys", "values"))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RefllmError(f"{path}: is no prompt cache; expected a file written by --prompt-cache") from error
    config, dtype = llm.config, jnp.dtype(llm.cache_type)
    shape = (config.layers, len(ids), config.kv_heads, config.head_dim * dtype.itemsize)
    fits = model.shape == () and str(model) == fingerprint(llm) and keys.shape == values.shape == shape
    if not fits or len(ids) > llm.context or keys.dtype != np.uint8 or values.dtype != np.uint8:
        raise RefllmError(f"{path}: was made with another model, context or cache type than {llm.path}")
    session = llm.new_session()
    session.make_room(len(ids))
    empty = session.memory
    put = {
        name: getattr(empty, name).at[:, : len(ids)].set(jnp.asarray(part.view(dtype)))
        for name, part in (("keys", keys), ("values", values))
    }
    session.memory = dataclasses.replace(cache.advance(empty, len(ids)), **put)
    session.ids = ids.tolist()
    return session


def check_has_cache(llm: LLM) -> None:
    if not isinstance(llm.config, Config):
        raise RefllmError(f"{llm.path}: an RWKV has a state; a prompt cache holds the keys and values of other models")


def fingerprint(llm: LLM) -> str:
    """What must be the same for a memory to make sense."""
    return f"{pathlib.Path(llm.path).stat().st_size} bytes, {llm.cache_type}, {llm.config}"
