"""The words for arrays in signatures: `Float32[np.ndarray, "rows columns"]` is jaxtyping's way to say type and shape.

Loading jaxtyping takes longer than showing what a file holds, so the rooms that do without JAX take its words from
here. Where jaxtyping is loaded already, as under pytest, which checks every signature with it, they are jaxtyping's
own. Otherwise a reader sees the same signatures and nobody checks them: each word stands for the plain array type.

>>> import numpy as np
>>> Unchecked[np.ndarray, "rows columns"]
<class 'numpy.ndarray'>
"""

import sys
from typing import TYPE_CHECKING


class Unchecked:
    """A word of which only the array type is kept."""

    def __class_getitem__(cls, said: tuple[type, str]) -> type:
        return said[0]


if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float, Float16, Float32, Int, Int8, Int16, Integer, Num, Shaped, UInt8, UInt16
else:
    Bool = Float = Float16 = Float32 = Int = Int8 = Int16 = Integer = Num = Shaped = UInt8 = UInt16 = Unchecked

__all__ = [
    "Bool",
    "Float",
    "Float16",
    "Float32",
    "Int",
    "Int8",
    "Int16",
    "Integer",
    "Num",
    "Shaped",
    "UInt8",
    "UInt16",
]
