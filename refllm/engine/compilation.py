"""Compiled programs are kept between runs, so that only the first start of a model waits for XLA.

They lie under the user's cache folder; `REFLLM_CACHE=/a/folder` puts them elsewhere and `REFLLM_CACHE=` keeps none.

>>> cache_folder({"REFLLM_CACHE": "/tmp/mine"})
PosixPath('/tmp/mine/jax')
>>> cache_folder({"REFLLM_CACHE": ""}) is None
True
>>> cache_folder({"XDG_CACHE_HOME": "/home/ann/.cache"})
PosixPath('/home/ann/.cache/refllm/jax')
"""

import os
import pathlib
from collections.abc import Mapping

import jax


def cache_folder(environment: Mapping[str, str] = os.environ) -> pathlib.Path | None:
    own = environment.get("REFLLM_CACHE")
    if own is not None:
        return pathlib.Path(own) / "jax" if own else None
    base = environment.get("XDG_CACHE_HOME")
    return (pathlib.Path(base) if base else pathlib.Path.home() / ".cache") / "refllm" / "jax"


def keep_compiled_programs() -> None:
    """Let JAX use the folder, if there is one and a program has not already chosen its own."""
    folder = cache_folder()
    if folder is None or jax.config.jax_compilation_cache_dir is not None:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
