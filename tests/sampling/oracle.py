"""The same samplers here and in llama.cpp: what both are asked, in one table.

`CASES` names what refllm computes and which of llama.cpp's samplers do the same. llama.cpp is reached through ctypes by
`llama_cpp`, which is imported only when it is asked; the golden values were written with it.
"""

import ctypes
import dataclasses
from collections.abc import Callable

import numpy as np

from refllm import sampling

VOCAB = 32_000
SCALES = (1.0, 2.0, 4.0)
RECENT = np.random.default_rng(3).integers(0, 8, 64)  # they repeat each other
BIAS = {5: -np.inf, 7: 3.0, 11: -1.0}
# llama.cpp adds ten thousands of float32 one after the other, which is off by up to 1e-4 of the sum (refllm by less,
# beside float64). Candidates so near to a sampler's limit may be kept by one library and removed by the other.
BORDER, FEW = 1e-4, 20


def vector(number: int) -> np.ndarray:
    """A random vector of logits, flat or steep; the ids of `RECENT` have a place near the top."""
    rng = np.random.default_rng([6, number])
    logits = rng.standard_normal(VOCAB, np.float32) * np.float32(SCALES[number % len(SCALES)])
    logits[:40] += np.float32(2.5 * SCALES[number % len(SCALES)])
    return logits


@dataclasses.dataclass(frozen=True)
class Case:
    """A sampler, or a chain, by both libraries."""

    here: Callable[[np.ndarray], np.ndarray]  # logits to logits
    there: Callable[[object], list]  # the module llama_cpp to samplers
    border: Callable[..., float] = lambda logits, fewer, doubtful: np.inf  # how near it came to the sampler's limit
    tolerance: float = 1e-5  # of probabilities


def cumulated(limit: float) -> Callable[..., float]:
    """The border of samplers that stop at a cumulated probability."""
    return lambda logits, fewer, doubtful: abs(sampling.softmax(logits)[fewer].sum() - limit)


def typical(limit: float) -> Callable[..., float]:
    """The border of typical sampling: the last to be kept, by probability or by how typical it is."""

    def distance(logits, fewer, doubtful):
        probabilities = sampling.softmax(logits)
        oddity = np.abs(-np.log(probabilities) - sampling.entropy(probabilities))
        between = np.abs(oddity[doubtful] - oddity[fewer].max()).max()
        return min(between, cumulated(limit)(logits, fewer, doubtful))

    return distance


def deviating(n: float) -> Callable[..., float]:
    """The border of top-n-sigma."""
    return lambda logits, fewer, doubtful: np.abs(logits[doubtful] - (logits.max() - n * logits.std())).max()


def penalized(logits: np.ndarray) -> np.ndarray:
    return sampling.penalties(logits, sampling.count_tokens(RECENT, VOCAB), 1.3, 0.2, 0.1)


def dried(logits: np.ndarray) -> np.ndarray:
    return sampling.dry(logits, sampling.repeats(RECENT, VOCAB), 0.8, 1.75, 1)


def biased(logits: np.ndarray) -> np.ndarray:
    bias = np.zeros(VOCAB, np.float32)
    bias[list(BIAS)] = list(BIAS.values())
    return sampling.logit_bias(logits, bias)


def chain(**given) -> Callable[[np.ndarray], np.ndarray]:
    """The compiled chain, seen from its end."""
    settings = sampling.settings(**given)
    plan = sampling.make_plan(settings, context=512, watch=VOCAB)
    numbers = sampling.numbers(settings)
    numbers["dry_breakers"] = sampling.Breakers(np.zeros(VOCAB, bool), np.zeros((0, 1), np.int32))
    past = sampling.begin(plan, settings, RECENT.tolist())

    def last(logits: np.ndarray) -> np.ndarray:
        stage = sampling.choose(plan, logits, numbers, past)[3][plan.order[-1]]
        left = np.asarray(stage.probabilities) > 0
        found = np.full(VOCAB, -np.inf, np.float32)
        found[np.asarray(stage.ids)[left]] = np.log(np.asarray(stage.probabilities)[left])
        return found

    return last


def penalties_there(llama, repeat=1.3, frequency=0.2, presence=0.1):
    return accepting(llama, llama.llama_sampler_init_penalties(VOCAB, 64, repeat, frequency, presence))


def dry_there(llama):
    return accepting(llama, llama.llama_sampler_init_dry(None, 0.8, 1.75, 1, 64, None, 0))


def accepting(llama, sampler):
    for token in RECENT.tolist():
        llama.llama_sampler_accept(sampler, token)
    return sampler


def bias_there(llama):
    pairs = (llama.llama_logit_bias * len(BIAS))(*[llama.llama_logit_bias(*pair) for pair in BIAS.items()])
    return llama.llama_sampler_init_logit_bias(VOCAB, len(BIAS), pairs)


# All but typical sampling, where llama.cpp gets NaN of the candidates that top-n-sigma has left at minus infinity.
EVERYTHING = {
    "repeat_penalty": 1.3,
    "frequency_penalty": 0.2,
    "presence_penalty": 0.1,
    "dry_multiplier": 0.8,
    "dry_allowed_length": 1,
    "top_n_sigma": 3.0,
    "top_k": 50,
    "top_p": 0.9,
    "min_p": 0.02,
    "xtc_probability": 1.0,
    "xtc_threshold": 0.05,
    "temperature": 0.7,
    "dynatemp_range": 0.3,
}
CASES = {
    "temperature 0.5": Case(lambda x: sampling.temperature(x, 0.5), lambda c: [c.llama_sampler_init_temp(0.5)]),
    "dynamic temperature": Case(
        lambda x: sampling.dynamic_temperature(x, 1.0, 0.5, 1.2),
        lambda c: [c.llama_sampler_init_temp_ext(1.0, 0.5, 1.2)],
        tolerance=3e-5,  # llama.cpp's entropy of 32,000 candidates is off by as much
    ),
    "top_k 40": Case(lambda x: sampling.top_k(x, 40), lambda c: [c.llama_sampler_init_top_k(40)]),
    "top_k 1000": Case(lambda x: sampling.top_k(x, 1000), lambda c: [c.llama_sampler_init_top_k(1000)]),
    "top_p 0.95": Case(
        lambda x: sampling.top_p(x, 0.95), lambda c: [c.llama_sampler_init_top_p(0.95, 0)], cumulated(0.95)
    ),
    "top_p 0.3, min_keep 20": Case(
        lambda x: sampling.top_p(x, 0.3, 20), lambda c: [c.llama_sampler_init_top_p(0.3, 20)], cumulated(0.3)
    ),
    "min_p 0.05": Case(lambda x: sampling.min_p(x, 0.05), lambda c: [c.llama_sampler_init_min_p(0.05, 0)]),
    "min_p 0.5, min_keep 30": Case(
        lambda x: sampling.min_p(x, 0.5, 30), lambda c: [c.llama_sampler_init_min_p(0.5, 30)]
    ),
    "typical 0.5": Case(
        lambda x: sampling.typical(x, 0.5), lambda c: [c.llama_sampler_init_typical(0.5, 0)], typical(0.5)
    ),
    "top_n_sigma 2": Case(
        lambda x: sampling.top_n_sigma(x, 2.0), lambda c: [c.llama_sampler_init_top_n_sigma(2.0)], deviating(2.0)
    ),
    "xtc 0.01": Case(lambda x: sampling.xtc(x, 1.0, 0.01, 0.5), lambda c: [c.llama_sampler_init_xtc(1.0, 0.01, 0, 1)]),
    "penalties": Case(penalized, lambda c: [penalties_there(c)]),
    "dry": Case(dried, lambda c: [dry_there(c)]),
    "logit_bias": Case(biased, lambda c: [bias_there(c)]),
    "mirostat 1": Case(
        lambda x: sampling.mirostat_1(x, 10.0), lambda c: [c.llama_sampler_init_mirostat(VOCAB, 1, 5.0, 0.1, 100)]
    ),
    "mirostat 2": Case(
        lambda x: sampling.mirostat_2(x, 10.0), lambda c: [c.llama_sampler_init_mirostat_v2(1, 5.0, 0.1)]
    ),
    "chain llama_cpp": Case(
        chain(),
        lambda c: [
            c.llama_sampler_init_top_k(40),
            c.llama_sampler_init_top_p(0.95, 0),
            c.llama_sampler_init_min_p(0.05, 0),
            c.llama_sampler_init_temp(0.8),
        ],
    ),
    "chain llama_cpp, everything": Case(
        chain(**EVERYTHING),
        lambda c: [
            penalties_there(c),
            dry_there(c),
            c.llama_sampler_init_top_n_sigma(3.0),
            c.llama_sampler_init_top_k(50),
            c.llama_sampler_init_top_p(0.9, 0),
            c.llama_sampler_init_min_p(0.02, 0),
            c.llama_sampler_init_xtc(1.0, 0.05, 0, 1),
            c.llama_sampler_init_temp_ext(0.7, 0.3, 1.0),
        ],
    ),
    "chain llama_cpp_2023": Case(
        chain(samplers="llama_cpp_2023", typical_p=0.8),
        lambda c: [
            penalties_there(c, 1.1, 0.0, 0.0),
            c.llama_sampler_init_top_k(40),
            c.llama_sampler_init_typical(0.8, 0),
            c.llama_sampler_init_top_p(0.95, 0),
            c.llama_sampler_init_temp(0.8),
        ],
    ),
}


def disagreement(case: Case, logits: np.ndarray, kept: np.ndarray, found: np.ndarray) -> str:
    """What is wrong with the candidates that refllm keeps, in words; nothing where only the border is in doubt."""
    ours = found > 0
    if (ours == kept).all():
        return ""
    fewer, doubtful = min(ours, kept, key=np.sum), ours != kept
    distance = case.border(logits.astype(np.float64), fewer, doubtful)
    if doubtful.sum() <= FEW and distance < BORDER:
        return ""
    counts = f"{np.sum(ours)} candidates kept, {np.sum(kept)} by llama.cpp"
    return f"{counts}, {doubtful.sum()} in doubt, {distance:.1e} from the border"


class Llama:
    """llama.cpp's samplers, applied to fresh candidates."""

    def __init__(self):
        import llama_cpp

        self.library = llama_cpp
        self.candidates = (llama_cpp.llama_token_data * VOCAB)()
        self.data = np.frombuffer(self.candidates, [("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])

    def probabilities(self, case: Case, logits: np.ndarray) -> np.ndarray:
        """The probability of every token after the samplers; 0 for those that were removed."""
        samplers = [*case.there(self.library), self.library.llama_sampler_init_dist(1)]
        self.data["id"], self.data["logit"] = np.arange(VOCAB), logits
        array = self.library.llama_token_data_array(data=self.candidates, size=VOCAB, selected=-1, sorted=False)
        for sampler in samplers:
            self.library.llama_sampler_apply(sampler, ctypes.byref(array))
            self.library.llama_sampler_free(sampler)
        first = (ctypes.addressof(array.data.contents) - ctypes.addressof(self.candidates)) // self.data.itemsize
        left = self.data[first : first + array.size]
        found = np.zeros(VOCAB, np.float32)
        found[left["id"]] = left["p"]
        return found
