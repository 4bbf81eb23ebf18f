"""The choice of one token from its logits: refllm's compiled chain beside llama.cpp's samplers.

The logits lie where each library has them after a step of the model: on the device, or as the C library's candidates
filled from an array. Waiting for the token is part of it. Without llama_cpp only refllm is measured.
"""

import contextlib
import ctypes

import jax.numpy as jnp
import numpy as np

from benchmarks.timing import take_turns
from refllm import sampling

VOCABULARIES = (32_000, 152_000)
CHAINS = {
    "greedy": {"temperature": 0.0},
    "llama_cpp": {},
    "llama_cpp, repeat_penalty 1.1": {"repeat_penalty": 1.1},
    "llama_cpp_2023": {"samplers": "llama_cpp_2023"},
    "mirostat 2": {"mirostat": 2},
    "temperature alone": {"samplers": "t"},
    "top_p before anything else": {"samplers": "pt"},
}


def run() -> list[dict]:
    return [compare(vocab, name, options) for vocab in VOCABULARIES for name, options in CHAINS.items()]


def compare(vocab: int, name: str, options: dict) -> dict:
    logits = np.random.default_rng(1).standard_normal(vocab).astype(np.float32) * 3
    recent = np.random.default_rng(2).integers(0, vocab, 64).tolist()
    settings = sampling.settings(**options)
    contestants = {"refllm": ours(settings, logits, recent)}
    with contextlib.suppress(ImportError):
        contestants["llama.cpp"] = theirs(settings, logits, recent)
    seconds = take_turns(contestants, rounds=51)
    times = {f"{library} ms": 1000 * each for library, each in seconds.items()}
    return {"vocabulary": vocab, "chain": name, **times}


def ours(settings: sampling.Settings, logits: np.ndarray, recent: list[int]):
    plan, numbers, scores = sampling.make_plan(settings, 512), sampling.numbers(settings), jnp.asarray(logits)
    past = sampling.begin(plan, settings, recent)
    return lambda: int(sampling.choose(plan, scores, numbers, past)[0])


def theirs(settings: sampling.Settings, logits: np.ndarray, recent: list[int]):
    import llama_cpp

    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    make = {
        "penalties": lambda s: llama_cpp.llama_sampler_init_penalties(len(logits), 64, s.repeat_penalty, 0.0, 0.0),
        "top_k": lambda s: llama_cpp.llama_sampler_init_top_k(s.top_k),
        "top_p": lambda s: llama_cpp.llama_sampler_init_top_p(s.top_p, 0),
        "min_p": lambda s: llama_cpp.llama_sampler_init_min_p(s.min_p, 0),
        "temperature": lambda s: llama_cpp.llama_sampler_init_temp(s.temperature),
        "mirostat_2": lambda s: llama_cpp.llama_sampler_init_mirostat_v2(0, s.mirostat_tau, s.mirostat_eta),
    }
    plan = sampling.make_plan(settings, 512)
    for name in plan.order:
        llama_cpp.llama_sampler_chain_add(chain, make[name](settings))
    if not settings.mirostat:
        last = llama_cpp.llama_sampler_init_greedy() if plan.greedy else llama_cpp.llama_sampler_init_dist(0)
        llama_cpp.llama_sampler_chain_add(chain, last)
    for token in recent:
        llama_cpp.llama_sampler_accept(chain, token)
    candidates = (llama_cpp.llama_token_data * len(logits))()
    data = np.frombuffer(candidates, [("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])
    ids = np.arange(len(logits), dtype=np.int32)

    def choose() -> int:
        data["id"], data["logit"] = ids, logits
        array = llama_cpp.llama_token_data_array(data=candidates, size=len(logits), selected=-1, sorted=False)
        llama_cpp.llama_sampler_apply(chain, ctypes.byref(array))
        return array.data[array.selected].id

    return choose
