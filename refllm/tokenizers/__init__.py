"""Text to token ids and back, for the vocabularies that GGUF files hold.

>>> demo = {"tokenizer.ggml.model": "rwkv", "tokenizer.ggml.tokens": ["a", "b", "ab", "\\\\xe4\\\\xbd", "\\\\xa0"]}
>>> tokenizer = from_metadata(demo)
>>> tokenizer.encode("aab你")
[0, 2, 3, 4]
>>> stream = tokenizer.stream()
>>> [stream.feed(id) for id in [0, 2, 3, 4]]
['a', 'ab', '', '你']
"""

from refllm.tokenizers.from_gguf import from_gguf, from_metadata
from refllm.tokenizers.stream import Stream
from refllm.tokenizers.tokenizer import Tokenizer
from refllm.tokenizers.vocabulary import TokenizerError

__all__ = ["Stream", "Tokenizer", "TokenizerError", "from_gguf", "from_metadata"]
