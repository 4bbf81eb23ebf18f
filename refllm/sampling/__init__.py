"""The choice of the next token: one function per sampler, and the chains they form.

>>> from refllm.sampling import TokenMask
"""

from refllm.sampling.token_mask import TokenMask

__all__ = ["TokenMask"]
