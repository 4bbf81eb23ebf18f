"""What is compiled and what is data: a plan says which samplers take part, the numbers what they obey.

>>> from refllm.sampling.settings import settings
>>> make_plan(settings(typical_p=0.9, temperature=1.0), context=512)
Plan(order=('top_k', 'typ_p', 'top_p', 'min_p'), greedy=False, width=64, window=0, watch=0)
>>> make_plan(settings(temperature=0.0, repeat_penalty=1.1), context=512)
Plan(order=('penalties',), greedy=True, width=0, window=64, watch=0)
>>> float(numbers(settings(temperature=0.5))["temperature"])
0.5
"""

import dataclasses

import jax
import numpy as np
from jaxtyping import Array

from refllm.sampling.links import SAMPLERS
from refllm.sampling.settings import Settings, order

WIDTHS = (64, 256, 1024)  # of what `top_k` leaves; each is a program of its own
WINDOWS = (64, 512, 4096)
# These never remove the best candidate, so at temperature 0 they change nothing.
SPARES_THE_BEST = {"top_n_sigma", "top_k", "top_p", "min_p", "tfs_z", "temperature"}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a chain consists of; everything that changes the compiled program."""

    order: tuple[str, ...]
    greedy: bool  # the best of what is left, instead of a draw
    width: int = 0  # candidates to go on with after top_k; 0: all
    window: int = 0  # recent tokens to remember
    watch: int = 0  # candidates to report before and after each sampler


def make_plan(settings: Settings, context: int, watch: int = 0) -> Plan:
    """The samplers that take part, and how much they need to remember."""
    names, of_2023 = order(settings.samplers), settings.samplers == "llama_cpp_2023"
    greedy = "temperature" in names and settings.temperature <= 0 and settings.dynatemp_range <= 0
    if settings.mirostat:
        names = (*(["penalties"] if of_2023 else []), "temperature", f"mirostat_{settings.mirostat}")
    if greedy:
        names = tuple(name for name in names if (name == "penalties" if of_2023 else name not in SPARES_THE_BEST))
    names = tuple(name for name in names if SAMPLERS[name].takes_part(settings))
    backwards = {"penalties": settings.repeat_last_n, "dry": settings.dry_penalty_last_n}
    looks_back = [context if backwards[name] < 0 else backwards[name] for name in names if name in backwards]
    return Plan(
        order=names,
        greedy=greedy,
        width=next((width for width in WIDTHS if width >= settings.top_k), 0) if "top_k" in names else 0,
        window=_window(max(looks_back, default=0)),
        watch=watch,
    )


def _window(tokens: int) -> int:
    """Room for so many recent tokens, from a short list of sizes."""
    return next((size for size in (0, *WINDOWS) if size >= tokens), tokens)


def numbers(settings: Settings) -> dict[str, Array]:
    """The settings' numbers on the device."""
    fields = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    found = {name: value for name, value in fields.items() if type(value) in (int, float) and name != "seed"}
    for name in ("repeat_last_n", "dry_penalty_last_n"):
        found[name] = found[name] if found[name] >= 0 else np.iinfo(np.int32).max
    found |= {"min_keep": max(settings.min_keep, 1), "not_penalized": -1}
    return jax.device_put(
        {name: (np.int32 if type(value) is int else np.float32)(value) for name, value in found.items()}
    )
