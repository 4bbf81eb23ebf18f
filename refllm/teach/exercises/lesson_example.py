"""The pattern to copy: two exercises, one whose answer is a value and one whose answer is a function.

The rules: look at the answer's kind before its content; test a function on several inputs, an edge among them; name the
mistake in the message; the first hint points to the idea, the second nearly gives it away; at least two wrong answers
that somebody might well give.
"""

from refllm.teach.exercise import exercise, require


@exercise(
    "example.1",
    hints=("the unit is the byte, of 8 bits", "4.5 bits for each of 32 weights, divided by 8"),
    wrong=(144, 36, 16),
)
def block_bytes(answer):
    """How many bytes do 32 weights of 4.5 bits take?"""
    require(isinstance(answer, int), f"a whole number is asked for; this is a {type(answer).__name__}")
    require(answer != 144, "144 is the number of bits")
    require(answer * 8 == 32 * 4.5, f"{answer} bytes are {answer * 8 / 32:g} bits for each weight")


@exercise(
    "example.2",
    hints=("try 64 with an alignment of 32: nothing has to be added", "-offset % alignment bytes are missing"),
    wrong=(
        lambda offset, alignment: offset // alignment * alignment,
        lambda offset, alignment: (offset // alignment + 1) * alignment,
    ),
)
def align(answer):
    """A function that rounds an offset up to the next multiple of the alignment."""
    require(callable(answer), "a function is asked for")
    for offset, alignment in ((1, 32), (32, 32), (33, 32), (0, 32), (100, 64)):
        place = answer(offset, alignment)
        require(place is not None, "the function returns nothing")
        require(place >= offset, f"align({offset}, {alignment}) = {place} lies before the offset")
        require(place % alignment == 0, f"align({offset}, {alignment}) = {place} is not a multiple of {alignment}")
        require(place < offset + alignment, f"align({offset}, {alignment}) = {place} leaves a whole block unused")
