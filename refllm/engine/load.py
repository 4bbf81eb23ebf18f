"""`load`: from a path to a model that is ready to write.

Reads the metadata, makes the tokenizer, says what memory it will take where that is more than there is, and turns the
tensors into weights. A GGUF file or the first shard of a split one.
"""

import dataclasses
import logging
import os
from collections.abc import Mapping

import jax.numpy as jnp

from refllm import embedded, gguf
from refllm.engine.compilation import keep_compiled_programs
from refllm.engine.llm import LLM
from refllm.engine.memory_plan import Plan, human, plan
from refllm.errors import UsageError
from refllm.models import AnyConfig, ModelError, load_weights, read_config
from refllm.tokenizers import from_gguf

COMPUTE = ("fast", "exact")
CACHE_TYPES = ("float32", "float16", "bfloat16")
SMALLEST_CONTEXT = 512
TEMPLATE_KEY = "tokenizer.chat_template"

log = logging.getLogger("refllm")


def load(
    path: str | os.PathLike | None = None,
    *,
    compute: str = "fast",
    context: int | None = None,
    cache_type: str = "float32",
) -> LLM:
    """Load a model, the embedded one unless a path is given.

    `context` defaults to what the file says, and to what fits where that is too much.
    """
    for name, value, known in (("compute", compute, COMPUTE), ("cache_type", cache_type, CACHE_TYPES)):
        if value not in known:
            raise UsageError(f"unknown {name} {value!r}; expected {' or '.join(known)}")
    keep_compiled_programs()
    path = embedded.path() if path is None else path
    file = gguf.open(path)
    try:
        config = read_config(file.metadata)
        context = context or context_that_fits(config, file.tensors, cache_type, path)
        config = dataclasses.replace(config, context_length=context)  # Phi-3 has other factors for RoPE in a long one
        check_memory(config, file.tensors, context, cache_type)
        weights = load_weights(config, file.tensors, compute)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    templates = chat_templates(file.metadata)
    return LLM(os.fspath(path), config, weights, from_gguf(file), context, cache_type, chat_templates=templates)


def chat_templates(metadata: Mapping[str, object]) -> dict[str, str]:
    """The file's chat templates: the one to use under "default", others ("tool_use") under their names.

    >>> chat_templates({"tokenizer.chat_template": "a", "tokenizer.chat_template.tool_use": "b"})
    {'default': 'a', 'tool_use': 'b'}
    """
    named = {
        key.removeprefix(TEMPLATE_KEY).removeprefix("."): text
        for key, text in metadata.items()
        if key.startswith(TEMPLATE_KEY)
    }
    return {name or "default": text for name, text in named.items() if isinstance(text, str)}


def context_that_fits(config: AnyConfig, tensors: Mapping[str, gguf.Tensor], cache_type: str, path) -> int:
    """The context that the file names, halved until weights and a full cache fit into free memory."""
    context = config.context_length
    while context > SMALLEST_CONTEXT and not _plan(config, tensors, context, cache_type).fits:
        context //= 2
    if context < config.context_length:
        log.warning(
            "%s: the context is %d, not %d: more does not fit into memory", path, context, config.context_length
        )
    return context


def check_memory(config: AnyConfig, tensors: Mapping[str, gguf.Tensor], context: int, cache_type: str) -> None:
    """Say what is needed, before anything is loaded, where it is more than there is."""
    needed = _plan(config, tensors, context, cache_type)
    if not needed.fits:
        raise ModelError(
            f"needs {human(needed.total)} of memory ({human(needed.weights)} weights, {human(needed.cache)} cache for "
            f"{context} tokens); {human(needed.free)} are free"
        )


def _plan(config: AnyConfig, tensors: Mapping[str, gguf.Tensor], context: int, cache_type: str) -> Plan:
    return plan(config, tensors, context, jnp.dtype(cache_type).itemsize)
