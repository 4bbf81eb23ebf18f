"""From one file to another: checkpoints and older formats turned into GGUF, whole models quantized.

The room has the name of the function that it is there for, so the room itself can be called:
`refllm.convert(src, dst)` is `refllm.convert.to_gguf.convert(src, dst)`, and `from refllm.convert import lora` imports
from it like from any other.

>>> import refllm
>>> callable(refllm.convert), refllm.convert.__name__
(True, 'refllm.convert')
"""

import sys
import types


class _CallableRoom(types.ModuleType):
    """A module that can be called."""

    def __call__(self, *args, **options):
        from refllm.convert.to_gguf import convert

        return convert(*args, **options)


sys.modules[__name__].__class__ = _CallableRoom
