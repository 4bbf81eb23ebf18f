"""Figures: what a lesson or a person would rather look at than read. Every function returns a matplotlib figure.

    plots.file_map(gguf.regions(path))      the fields of a file, to scale
    plots.float_bits([np.float16(0.1)])     sign, exponent and mantissa
    plots.block_map(quants.get("Q4_K"))     which weight each bit of a block belongs to
    plots.stairs(["Q4_0"], block)           what a weight becomes
    plots.error_histograms(names, weights)  how far off
    plots.size_against_error(data, errors)  what a bit buys
    plots.worst_block(scheme, weights)      where most was lost
    plots.one_page(config, tokens)          the forward pass, from ids to logits
    plots.logit_lens(tokens, words, shares) what each layer would say
    plots.small_multiples(labels, panels)   what each sampler leaves
    plots.repetition_strips(runs)           where answers turn in circles
    plots.cache_drawn(keys, values, length) what a layer remembers
    plots.shift_drawn(before, after, ...)   what a full cache drops
    plots.house(stations)                   the rooms, and a token on its way through them
    plots.exam_bars(results)                what a model knows, by topic and language
    plots.loss_curve(notes)                 how a training went
    plots.token_map(text, spellings)        a sentence cut by several vocabularies
    plots.fertility(costs)                  what each language pays
    plots.clocks(frequency, pairs, 8)       positions as angles
    plots.pairings(16)                      which numbers of a head are turned together
    plots.reach(frequency, slopes, 512)     what distance does, under RoPE and under ALiBi
    plots.heatmap(map, labels)              who looks at whom
    plots.all_heads(maps)                   the same for every head

Nothing is shown and nothing is saved here; `teach.show(figure, alt="...")` does it in a notebook.
"""

from refllm.plots.attention import all_heads, attention_maps, heatmap, layouts_compared
from refllm.plots.blocks import block_map, influence
from refllm.plots.engine import (
    cache_drawn,
    cache_sizes,
    compiled_drawn,
    passes,
    passes_drawn,
    shift_drawn,
    times_over,
    turns_drawn,
)
from refllm.plots.exam import exam_bars
from refllm.plots.file_map import file_map, section_of
from refllm.plots.floats import float_bits
from refllm.plots.forward import (
    drawable,
    layer_differences,
    logit_lens,
    next_tokens,
    one_page,
    what_is_added,
    work_per_byte,
)
from refllm.plots.house import house
from refllm.plots.rope import clocks, pairings, reach
from refllm.plots.rounding import (
    error_histograms,
    relative_error,
    round_trip,
    size_against_error,
    stairs,
    weight_schemes,
    worst_block,
)
from refllm.plots.sampling import (
    bits_at,
    line_of_chance,
    of_views,
    repeat_lengths,
    repetition_strips,
    small_multiples,
    surprise_over_time,
    temperatures,
)
from refllm.plots.tokens import fertility, token_map
from refllm.plots.training import loss_curve, read_log

__all__ = [
    "all_heads",
    "attention_maps",
    "bits_at",
    "block_map",
    "cache_drawn",
    "cache_sizes",
    "clocks",
    "compiled_drawn",
    "drawable",
    "error_histograms",
    "exam_bars",
    "fertility",
    "file_map",
    "float_bits",
    "heatmap",
    "house",
    "influence",
    "layer_differences",
    "layouts_compared",
    "line_of_chance",
    "logit_lens",
    "loss_curve",
    "next_tokens",
    "of_views",
    "one_page",
    "pairings",
    "passes",
    "passes_drawn",
    "reach",
    "read_log",
    "relative_error",
    "repeat_lengths",
    "repetition_strips",
    "round_trip",
    "section_of",
    "shift_drawn",
    "size_against_error",
    "small_multiples",
    "stairs",
    "surprise_over_time",
    "temperatures",
    "times_over",
    "token_map",
    "turns_drawn",
    "weight_schemes",
    "what_is_added",
    "work_per_byte",
    "worst_block",
]
