"""Models: a config read from a file, weights found by their names, and one decoder that reads both.

>>> from refllm.models import forward, load_weights, read_config
"""

from refllm.models.architectures import ModelError, read_config
from refllm.models.cache import Cache
from refllm.models.config import Config, Rope
from refllm.models.decoder import forward, hidden_states, logits
from refllm.models.weights import load_weights

__all__ = ["Cache", "Config", "ModelError", "Rope", "forward", "hidden_states", "load_weights", "logits", "read_config"]
