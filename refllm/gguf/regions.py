"""The byte map: every byte of a GGUF file with the field it belongs to.

The map is what the parser of `open` notes while it reads, so it cannot disagree with it. An array is one region unless
`each_item` is asked for. A shard of a split file is shown by itself.

>>> import pathlib, tempfile, refllm
>>> path = pathlib.Path(tempfile.mkdtemp()) / "demo.gguf"
>>> refllm.gguf.write(path, {"a": 5}, {})
>>> for region in regions(path): print(region.offset, region.size, region.field, region.value)
0 4 magic b'GGUF'
4 4 version 3
8 8 tensor_count 0
16 8 metadata_count 1
24 8 metadata[0].key.length 1
32 1 metadata[0].key a
33 4 metadata['a'].type 4
37 4 metadata['a'] 5
"""

import os
import pathlib

from refllm.gguf.cursor import Cursor, Region
from refllm.gguf.parse import parse
from refllm.gguf.reader import map_file


def regions(path: str | os.PathLike, *, each_item: bool = False) -> list[Region]:
    """The fields of one file in order, covering every byte exactly once."""
    path = pathlib.Path(path)
    cursor = Cursor(map_file(path), path, record=True, each_item=each_item)
    parse(cursor)
    start = cursor.take(cursor.left, "trailing")
    cursor.note(start, "trailing", None, "trailing")
    return cursor.regions
