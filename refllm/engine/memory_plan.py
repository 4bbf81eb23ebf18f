"""How much memory a model will take, said before it is loaded.

>>> human(5_500_000_000)
'5.5 GB'
>>> plan = Plan(weights=4_000_000_000, cache=1_000_000_000, free=2_000_000_000)
>>> plan.total, plan.fits
(5000000000, False)
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping

from refllm.gguf import Tensor
from refllm.models import AnyConfig, dispatch


@dataclasses.dataclass(frozen=True)
class Plan:
    """Bytes of the weights, bytes of a full cache, bytes that the machine has free."""

    weights: int
    cache: int
    free: int

    @property
    def total(self) -> int:
        return self.weights + self.cache

    @property
    def fits(self) -> bool:
        return self.total <= self.free


def plan(config: AnyConfig, tensors: Mapping[str, Tensor], context: int, cache_bytes: int) -> Plan:
    """The plan for one session that fills its context; `cache_bytes` is the size of one number in the cache."""
    weights = sum(tensor.nbytes for tensor in tensors.values())
    return Plan(weights, dispatch.memory_bytes(config, context, cache_bytes), free_memory())


def free_memory() -> int:
    """Bytes that a program may take without swapping."""
    try:
        fields = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def human(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
