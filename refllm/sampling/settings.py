"""The numbers that the samplers obey, under llama.cpp's names, and the orders in which they stand.

Two orders have names: `llama_cpp` is that of today, `llama_cpp_2023` that of October 2023, which knew neither min-p nor
XTC nor DRY, had tail-free sampling, and punished repetition by default. Any other order is a list of names, or their
letters.

>>> order("llama_cpp_2023")
('penalties', 'top_k', 'tfs_z', 'typ_p', 'top_p', 'temperature')
>>> order("top-k;nucleus;temp") == order("kpt") == order(["top_k", "top_p", "temperature"])
True
>>> settings(top_k=10).min_p, settings(samplers="llama_cpp_2023").repeat_penalty
(0.05, 1.1)
>>> settings(logit_bias={"<unk>": False}).logit_bias
(('<unk>', -inf),)
>>> order("top_k;top_q")
Traceback (most recent call last):
refllm.errors.UsageError: unknown sampler 'top_q'; expected penalties, dry, top_n_sigma, top_k, typ_p, top_p, min_p, \
xtc, temperature, tfs_z or letters of edskypmxtf
"""

import dataclasses
import math
from collections.abc import Mapping

from refllm.errors import UsageError

CHAINS = {
    "llama_cpp": ("penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"),
    "llama_cpp_2023": ("penalties", "top_k", "tfs_z", "typ_p", "top_p", "temperature"),
}
DEFAULTS = {"llama_cpp_2023": {"repeat_penalty": 1.1}}  # where they are not those of today
LETTERS = dict(zip((*CHAINS["llama_cpp"], "tfs_z"), "edskypmxtf", strict=True))
ALIASES = {"nucleus": "top_p", "temp": "temperature", "typ": "typ_p", "typical": "typ_p", "typical_p": "typ_p"}
ALIASES |= {"tfs": "tfs_z", "tail_free": "tfs_z"}


@dataclasses.dataclass(frozen=True)
class Settings:
    """How the next token is chosen. What is at its neutral value costs nothing."""

    samplers: str | tuple[str, ...] = "llama_cpp"  # a named order, names, or letters
    seed: int = 0  # -1: another one every time
    min_keep: int = 0  # how many candidates top_p, min_p, typ_p, tfs_z and xtc leave at least

    temperature: float = 0.8
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    tfs_z: float = 1.0
    top_n_sigma: float = -1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1

    repeat_penalty: float = 1.0
    repeat_last_n: int = 64  # how many tokens back, the prompt's too; -1: the whole context
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    penalize_nl: bool = True  # whether a newline counts as a repetition
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = 64
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")

    mirostat: int = 0  # version 1 or 2 takes the place of all that truncates
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    logit_bias: tuple[tuple[int | str, float], ...] = ()  # token ids, or texts that stand for all their tokens
    cfg_scale: float = 1.0

    def __post_init__(self):
        if self.mirostat not in (0, 1, 2):
            raise UsageError(f"unknown mirostat version {self.mirostat}; expected 0 (off), 1 or 2")
        if not 0 < self.repeat_penalty < float("inf"):
            raise UsageError(f"repeat_penalty is {self.repeat_penalty}; expected a number above 0")


def settings(**given) -> Settings:
    """Settings from what a user gave; the rest is as in the chain's time.

    Lists will do for tuples, a mapping for the wishes of `logit_bias`, and `False` for a token that is not to be.
    """
    order(given.get("samplers", "llama_cpp"))
    given = {**DEFAULTS.get(_plain(given.get("samplers")), {}), **given}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    if "logit_bias" in given:
        wishes = given["logit_bias"]
        pairs = wishes.items() if isinstance(wishes, Mapping) else wishes
        given["logit_bias"] = tuple((wish, -math.inf if value is False else float(value)) for wish, value in pairs)
    floats = {field.name for field in dataclasses.fields(Settings) if field.type is float}
    return Settings(**{name: float(value) if name in floats else value for name, value in given.items()})


def order(samplers: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """The names of samplers in their order."""
    if isinstance(samplers, str):
        if samplers in CHAINS:
            return CHAINS[samplers]
        names = {letter: name for name, letter in LETTERS.items()}
        if samplers and set(samplers) <= names.keys():
            return tuple(names[letter] for letter in samplers)
        samplers = [name for name in samplers.split(";") if name]
    return tuple(_known(name) for name in samplers)


def _known(name: str) -> str:
    plain = name.strip().lower().replace("-", "_")
    plain = ALIASES.get(plain, plain)
    if plain not in LETTERS:
        known = f"{', '.join(LETTERS)} or letters of {''.join(LETTERS.values())}"
        raise UsageError(f"unknown sampler {name!r}; expected {known}")
    return plain


def _plain(samplers) -> str:
    return samplers if isinstance(samplers, str) else ""
