"""Figures: what a lesson or a person would rather look at than read. Every function returns a matplotlib figure.

    plots.file_map(gguf.regions(path))      the fields of a file, to scale

Nothing is shown and nothing is saved here; `teach.show(figure, alt="...")` does it in a notebook.
"""

from refllm.plots.file_map import file_map, section_of

__all__ = ["file_map", "section_of"]
