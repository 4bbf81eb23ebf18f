"""The layers of a transformer as pure functions: norms, positions, masks, attention, feed-forward.

One file each; none keeps state, none knows a model. Import what you need from its file:

>>> from refllm.layers.rope import rotate_interleaved
"""
