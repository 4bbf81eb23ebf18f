"""What `main` tells about itself on standard error, and the log of a run.

The lines have the form that llama.cpp gave them in 2023, for people and scripts that read them: the parameters before
the text, the timings behind it, and with `--logdir` a YAML file of everything. What it does not do: measure; the times
are the engine's, and the time of a sampler is part of that of its token.

>>> print(timing_lines(500.0, [Timings(10, 50.0, 4, 100.0)], 700.0)[2])
llama_print_timings: prompt eval time =      50.00 ms /    10 tokens (    5.00 ms per token,   200.00 tokens per second)
"""

import datetime
import json
import math
import os
import pathlib
import platform
from collections.abc import Mapping

import refllm
from refllm.engine import LLM, Timings
from refllm.files import atomic_write
from refllm.sampling import Settings as Sampling


def sampling_line(chosen: Sampling) -> str:
    """The numbers of the samplers that 2023 knew, in its order and under its names."""
    return (
        f"sampling: repeat_last_n = {chosen.repeat_last_n}, repeat_penalty = {chosen.repeat_penalty:f}, "
        f"presence_penalty = {chosen.presence_penalty:f}, frequency_penalty = {chosen.frequency_penalty:f}, "
        f"top_k = {chosen.top_k}, tfs_z = {chosen.tfs_z:f}, top_p = {chosen.top_p:f}, "
        f"typical_p = {chosen.typical_p:f}, temp = {chosen.temperature:f}, mirostat = {chosen.mirostat}, "
        f"mirostat_lr = {chosen.mirostat_eta:f}, mirostat_ent = {chosen.mirostat_tau:f}"
    )


def generate_line(context: int, batch: int, predict: int, keep: int) -> str:
    return f"generate: n_ctx = {context}, n_batch = {batch}, n_predict = {predict}, n_keep = {keep}"


def timing_lines(load_ms: float, timings: list[Timings], total_ms: float) -> list[str]:
    """Load, reading, writing and everything."""
    read, read_ms = sum(one.prompt_n for one in timings), math.fsum(one.prompt_ms for one in timings)
    written, written_ms = sum(one.predicted_n for one in timings), math.fsum(one.predicted_ms for one in timings)
    return [
        "",
        f"llama_print_timings:        load time = {load_ms:10.2f} ms",
        "llama_print_timings: prompt eval time = " + cost(read, read_ms, "tokens"),
        "llama_print_timings:        eval time = " + cost(written, written_ms, "runs  "),
        f"llama_print_timings:       total time = {total_ms:10.2f} ms",
    ]


def cost(count: int, ms: float, unit: str) -> str:
    each, speed = (ms / count, 1000 * count / ms) if count and ms else (0.0, 0.0)
    return f"{ms:10.2f} ms / {count:5d} {unit} ({each:8.2f} ms per token, {speed:8.2f} tokens per second)"


def write_log(folder: str, llm: LLM, parameters: Mapping, prompt_ids: list[int], ids: list[int], times: Mapping) -> str:
    """One YAML file about one run; its name is the time."""
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    path = pathlib.Path(folder) / f"{datetime.datetime.now():%Y_%m_%d-%H_%M_%S.%f}.yml"
    entries = {
        "binary": "main",
        "version": refllm.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "model": llm.path,
        "model_desc": llm.config.architecture,
        "n_vocab": llm.config.vocab_size,
        **parameters,
        "prompt_tokens": prompt_ids,
        "output": llm.tokenizer.decode(ids, continues=True),
        "output_tokens": ids,
        **times,
    }
    with atomic_write(path) as file:
        for key, value in entries.items():  # a JSON value is a YAML value
            file.write(f"{key}: {json.dumps(value, ensure_ascii=False, default=str)}\n".encode("utf-8", "replace"))
    return str(path)
