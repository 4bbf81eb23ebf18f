"""What one RWKV is like, read from a file's metadata: its sizes, and which of the generations 4 to 7 it is.

The keys are those of llama.cpp for `rwkv6` and `rwkv7`. llama.cpp's GGUF knows no older ones; `rwkv4` and `rwkv5` are
named here in the same manner, with the same keys where they have the same meaning.

>>> metadata = {"general.architecture": "rwkv5", "rwkv5.block_count": 2, "rwkv5.embedding_length": 128,
...     "rwkv5.feed_forward_length": 448, "rwkv5.wkv.head_size": 64, "rwkv5.vocab_size": 256}
>>> config = read_rwkv_config(metadata)
>>> config.heads, config.head_size, config.context_length
(2, 64, 1048576)
"""

import dataclasses
from collections.abc import Mapping

from refllm.models.architectures import ModelError, vocabulary_size

UNLIMITED = 1 << 20  # what llama.cpp's converter writes as the context of a model that has no limit
MIXED = {"rwkv4": "kvr", "rwkv5": "kvrg", "rwkv6": "wkvrg", "rwkv7": "rwkvag"}  # what tokens are mixed for, in order


@dataclasses.dataclass(frozen=True)
class RwkvConfig:
    """The fields in which RWKVs differ."""

    architecture: str  # "rwkv4" to "rwkv7"
    layers: int
    dim: int
    head_size: int  # of RWKV-4, which has no heads, 1
    hidden_dim: int
    vocab_size: int
    context_length: int = UNLIMITED
    norm_eps: float = 1e-5
    halve_every: int = 0  # so many layers; in files whose weights were made smaller for float16
    mix_rank: int = 0  # the widths of small matrices in pairs: RWKV-6's mixing,
    decay_rank: int = 0  # the decay of 6 and 7,
    rate_rank: int = 0  # and RWKV-7's learning rate, value and gate
    value_rank: int = 0
    gate_rank: int = 0

    @property
    def heads(self) -> int:
        return self.dim // self.head_size

    @property
    def mixes(self) -> int:
        """For how many purposes a token is mixed with the one before it."""
        return len(MIXED[self.architecture])


def read_rwkv_config(metadata: Mapping) -> RwkvConfig:
    """The model that a GGUF file's metadata describes."""
    architecture = metadata["general.architecture"]

    def key(name: str, default: float | int | None = None):
        value = metadata.get(f"{architecture}.{name}", default)
        if value is None:
            raise ModelError(f"metadata: '{architecture}.{name}' is missing; a model of this kind needs it")
        return value

    config = RwkvConfig(
        architecture=architecture,
        layers=key("block_count"),
        dim=key("embedding_length"),
        head_size=key("wkv.head_size", 1 if architecture == "rwkv4" else None),
        hidden_dim=key("feed_forward_length"),
        vocab_size=vocabulary_size(metadata, architecture),
        context_length=key("context_length", UNLIMITED),
        norm_eps=key("attention.layer_norm_epsilon", 1e-5),
        halve_every=key("rescale_every_n_layers", 0),
        **{field: key(name) for field, name in RANKS[architecture].items()},
    )
    if config.head_size < 1 or config.dim % config.head_size:
        raise ModelError(
            f"metadata: '{architecture}.wkv.head_size' is {config.head_size}; expected a part of {config.dim}"
        )
    return config


RANKS = {
    "rwkv4": {},
    "rwkv5": {},
    "rwkv6": {"mix_rank": "time_mix_extra_dim", "decay_rank": "time_decay_extra_dim"},
    "rwkv7": {
        "decay_rank": "attention.decay_lora_rank",
        "rate_rank": "attention.iclr_lora_rank",
        "value_rank": "attention.value_residual_mix_lora_rank",
        "gate_rank": "attention.gate_lora_rank",
    },
}
