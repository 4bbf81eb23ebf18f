"""The choice of the next token: one function per sampler, and the chains they form.

A sampler is a function from logits to logits; what it removes has minus infinity. Each works on numpy arrays as it
stands here, and the engine compiles the same functions into one program (`chain`).

>>> import numpy as np
>>> logits = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
>>> softmax(temperature(top_k(logits, 2), 0.5)).round(2)
array([0.  , 0.  , 0.36, 0.64], dtype=float32)
>>> int(dist(top_p(logits, 0.7), chance=0.5))
3
"""

from refllm.sampling.arrays import entropy, softmax
from refllm.sampling.breakers import find_breakers
from refllm.sampling.chain import STAGES, Stage, Stages, begin, choose, choose_batch
from refllm.sampling.choice import dist, greedy
from refllm.sampling.dont_repeat import Breakers, dry, repeats
from refllm.sampling.guidance import guide
from refllm.sampling.links import SAMPLERS, Past
from refllm.sampling.mirostat import learn, mirostat_1, mirostat_2
from refllm.sampling.plan import Plan, make_plan, numbers
from refllm.sampling.repetition import count_tokens, logit_bias, penalties
from refllm.sampling.settings import CHAINS, Settings, order, settings
from refllm.sampling.temperatures import dynamic_temperature, temperature
from refllm.sampling.token_mask import TokenMask
from refllm.sampling.truncation import min_p, top_k, top_n_sigma, top_p, xtc
from refllm.sampling.typicality import tail_free, typical

__all__ = [
    "CHAINS",
    "SAMPLERS",
    "STAGES",
    "Breakers",
    "Past",
    "Plan",
    "Settings",
    "Stage",
    "Stages",
    "TokenMask",
    "begin",
    "choose",
    "choose_batch",
    "count_tokens",
    "dist",
    "dry",
    "dynamic_temperature",
    "entropy",
    "find_breakers",
    "greedy",
    "guide",
    "learn",
    "logit_bias",
    "make_plan",
    "min_p",
    "mirostat_1",
    "mirostat_2",
    "numbers",
    "order",
    "penalties",
    "repeats",
    "settings",
    "softmax",
    "tail_free",
    "temperature",
    "top_k",
    "top_n_sigma",
    "top_p",
    "typical",
    "xtc",
]
