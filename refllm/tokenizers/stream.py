"""Turning ids into text as they come, without ever showing half a character.

A token may end in the middle of a character: 你 is three bytes, an emoji four or more. The decoder holds such bytes
back until the rest arrives; bytes that can never become a character are shown as U+FFFD. The texts that `feed`
returns, and what `flush` returns at the end, joined, are exactly what `decode` gives for all ids at once. What it does
not do: an emoji made of several characters (a family, a flag) may still come in parts, each of them whole.

>>> pieces = [b" Hello ", b"\\xe4\\xbd", b"\\xa0", b"\\xff"]
>>> stream = Stream(pieces.__getitem__, drop_space=True)
>>> [stream.feed(id) for id in range(4)], stream.flush()
(['Hello ', '', '你', '\ufffd'], '')
"""

import codecs
from collections.abc import Callable


class Stream:
    """An incremental decoder. `to_bytes` gives the bytes of an id."""

    def __init__(self, to_bytes: Callable[[int], bytes], drop_space: bool):
        self._to_bytes = to_bytes
        self._drop_space = drop_space  # the one that the encoder put before the text
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, id: int) -> str:
        """The text that is certain after one more token; often empty."""
        data = self._to_bytes(id)
        if data and self._drop_space:
            data = data.removeprefix(b" ")
            self._drop_space = False
        return self._decoder.decode(data)

    def flush(self) -> str:
        """The end of the text: U+FFFD for a character that stayed unfinished."""
        return self._decoder.decode(b"", final=True)
