"""The container: GGUF files, opened without copying and written without halves.

>>> import pathlib, tempfile, numpy
>>> path = pathlib.Path(tempfile.mkdtemp()) / "demo.gguf"
>>> write(path, {"general.name": "demo"}, {"w": numpy.eye(4, dtype=numpy.float32)})
>>> f = open(path)
>>> f.metadata
{'general.name': 'demo'}
>>> f.tensors["w"].shape, f.tensors["w"].type
((4, 4), 'F32')
"""

from refllm.gguf.cursor import GGUFError, Region
from refllm.gguf.edit import edit
from refllm.gguf.metadata import Metadata
from refllm.gguf.reader import GGUFFile, open
from refllm.gguf.regions import regions
from refllm.gguf.splits import merge, split
from refllm.gguf.tensor import Tensor
from refllm.gguf.writer import write

__all__ = [
    "GGUFError",
    "GGUFFile",
    "Metadata",
    "Region",
    "Tensor",
    "edit",
    "merge",
    "open",
    "regions",
    "split",
    "write",
]
