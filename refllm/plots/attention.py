"""Who looks at whom: the attention of every head of a model, drawn as a map.

A row of a map is a token that looks, a column one that is looked at, and every row sums to one. `attention_maps` runs
the model's own layers and keeps what they only pass on: the weights between query and key.

>>> maps = np.tril(np.ones((2, 2, 3, 3), np.float32))
>>> figure = all_heads(maps, framed=(1, 0))
>>> [axes.get_title() for axes in figure.axes]
['layer 0, head 0', 'layer 0, head 1', 'layer 1, head 0', 'layer 1, head 1']
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

from refllm.plots.rounding import COLOURS, _panels

Map = Float[np.ndarray, "tokens tokens"]
FRAME = COLOURS[1]


def attention_maps(config, weights: dict, ids: Sequence[int]) -> Float32[np.ndarray, "layers heads tokens tokens"]:
    """How much of each token every token takes, in every head of every layer (for models whose layers are LLaMA's)."""
    import jax.numpy as jnp

    from refllm.kernels import take_rows
    from refllm.layers import attention, masks
    from refllm.models import cache, decoder

    memory = cache.empty(config.layers, len(ids), config.kv_heads, config.head_dim)
    positions = jnp.arange(len(ids))
    x = take_rows(weights["token_embedding"], jnp.asarray(ids))
    maps = []
    for number, layer in enumerate(weights["layers"]):
        normed = decoder.rms(config, x, layer["attention_norm"])
        query, key = (
            decoder.turn(config, number, decoder.project(normed, layer, name, heads), positions, weights)
            for name, heads in (("query", config.heads), ("key", config.kv_heads))
        )
        seen = masks.causal(positions, positions)
        maps.append(np.asarray(attention.attention_weights(query, key, seen, config.score_scale)))
        attended, memory = decoder.attend(config, number, layer, normed, weights, memory)
        x = x + attended
        x = x + decoder.feed(config, layer, decoder.rms(config, x, layer["ffn_norm"]))
    return np.stack(maps)


def heatmap(weights: Map, labels: Sequence[str], title: str = ""):
    """One map with its tokens written beside it."""
    size = 1.4 + 0.2 * len(labels)
    figure, panels = _panels(1, 1, (size + 0.4, size))
    axes = panels[0][0]
    picture = axes.imshow(weights, cmap="viridis", vmin=0)
    places = range(len(labels))
    shown = [printable(label) for label in labels]
    axes.set_xticks(places, shown, rotation=90, fontsize=7, family="monospace")
    axes.set_yticks(places, shown, fontsize=7, family="monospace")
    axes.set_xlabel("looked at", fontsize=8)
    axes.set_ylabel("looks", fontsize=8)
    axes.set_title(title, fontsize=9)
    figure.colorbar(picture, ax=axes, fraction=0.03, pad=0.02).ax.tick_params(labelsize=7)
    return figure


def printable(label: str) -> str:
    """A token as a label: spaces visible, letters that the fonts do not have as numbers.

    >>> printable(" cat"), printable("你")
    ('·cat', '\\\\u4f60')
    """
    return label.encode("ascii", "backslashreplace").decode().replace(" ", "·")


def all_heads(maps: Float[np.ndarray, "layers heads tokens tokens"], framed: tuple[int, int] | None = None):
    """A small map for every head, one row for each layer; one of them may be framed."""
    layers, heads = maps.shape[:2]
    figure, panels = _panels(layers, heads, (1.75 * heads, 1.9 * layers))
    for layer, row in enumerate(panels):
        for head, axes in enumerate(row):
            axes.imshow(maps[layer, head], cmap="viridis", vmin=0, vmax=maps[layer, head].max())
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"layer {layer}, head {head}", fontsize=8)
            if framed == (layer, head):
                axes.spines[:].set(color=FRAME, linewidth=4)
    return figure


def layouts_compared(perplexity: dict[str, float]):
    """A bar for each way of turning: how surprised the model is by right answers."""
    figure, panels = _panels(1, 1, (9, 0.8 + 0.35 * len(perplexity)))
    axes = panels[0][0]
    bars = axes.barh(list(perplexity), list(perplexity.values()), color=COLOURS[: len(perplexity)])
    axes.bar_label(bars, [f"{value:,.1f}" for value in perplexity.values()], padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("perplexity (less is better)", fontsize=8)
    axes.tick_params(axis="x", which="both", bottom=False, labelbottom=False)  # the bars say their numbers
    axes.margins(x=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
