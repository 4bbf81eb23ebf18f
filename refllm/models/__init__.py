"""Models: a config read from a file, weights found by their names, one decoder that reads both, and RWKV.

>>> from refllm.models import forward, load_weights, read_config
"""

from refllm.models.architectures import ModelError
from refllm.models.cache import Cache
from refllm.models.config import Config, Rope
from refllm.models.decoder import forward, hidden_states, logits
from refllm.models.dispatch import AnyConfig, Memory, load_weights, read_config

__all__ = [
    "AnyConfig",
    "Cache",
    "Config",
    "Memory",
    "ModelError",
    "Rope",
    "forward",
    "hidden_states",
    "load_weights",
    "logits",
    "read_config",
]
