"""Which tokens end a text, and which ids mean what: known by name, because files say it incompletely or wrongly.

A model ends its answer with one of several tokens: the end of the sequence, of the turn, of a message for a tool. Files
name some by id; others are only known by how they are spelled, and some are typed as ordinary pieces, which would print
them. The lists are those of llama.cpp (src/llama-vocab.cpp, October 2026). What it does not do: it cannot know a token
that is not on them.

>>> kinds = [Kind.NORMAL, Kind.NORMAL, Kind.CONTROL]
>>> ids, corrected, ends = find(Vocabulary(["a", "<|im_end|>", "</s>"], kinds, [0.0] * 3), SpecialIds(eos=2))
>>> ids.eot, corrected[1].name, sorted(ends)
(1, 'CONTROL', [1, 2])
"""

import dataclasses

from refllm.tokenizers.vocabulary import Kind, SpecialIds, Vocabulary

# Tokens that are looked for by their text when the file gives no id for them; the first that is there is taken.
TEXTS = {
    "eot": (
        *(
            "<|eot_id|>",
            "<|im_end|>",
            "<|end|>",
            "<end_of_turn>",
            "<|endoftext|>",
            "<|end_of_text|>",
            "<EOT>",
            "_<EOT>",
        ),
        *("[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>"),
    ),
    "eom": ("<|eom_id|>",),
    "fim_prefix": (
        *("<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>"),
        "<|prefix|>",
    ),
    "fim_suffix": (
        *("<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>"),
        "<|suffix|>",
    ),
    "fim_middle": (
        *("<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>"),
        "<|middle|>",
    ),
    "fim_pad": ("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"),
    "fim_repository": ("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"),
    "fim_file": ("<|file_sep|>",),
}
END_TEXTS = (
    *("<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>"),
    *("<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>"),
    *("<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~["),
)
END_IDS = ("eos", "eot", "eom", "fim_pad", "fim_repository", "fim_file")
ALWAYS_SHOWN = ("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>")  # the skeleton of gpt-oss answers


def find(vocabulary: Vocabulary, given: SpecialIds) -> tuple[SpecialIds, list[int], frozenset[int]]:
    """The special ids completed, the kinds of the pieces corrected, and the ids that end a text."""
    ids, kinds = vocabulary.ids, list(vocabulary.kinds)
    found = {name: first_present(texts, ids) for name, texts in TEXTS.items() if getattr(given, name) is None}
    special = dataclasses.replace(given, **found)
    ends = {ids[text] for text in END_TEXTS if text in ids}
    for id in ends | set(found.values()) - {None}:
        kinds[id] = Kind.CONTROL
    for text in ALWAYS_SHOWN:
        if text in ids:
            kinds[ids[text]] = Kind.USER_DEFINED
    ends |= {getattr(special, name) for name in END_IDS} - {None}
    for text, kind in ordinary_after_all({vocabulary.pieces[id] for id in ends}).items():
        ends.discard(ids[text])
        kinds[ids[text]] = kind
    return special, kinds, frozenset(ends)


def first_present(texts: tuple[str, ...], ids: dict[str, int]) -> int | None:
    return next((ids[text] for text in texts if text in ids), None)


def ordinary_after_all(ends: set[str]) -> dict[str, Kind]:
    """Tokens that end nothing in the company of others, and their kind.

    Where `<|return|>` or `<|flush|>` and a call end an answer, `<|end|>` only ends one of its parts; the vocabularies
    with `<|tool_response>` and PLaMo's have a plain `</s>`, the tag for text struck out.
    """
    plain = {}
    calls = "<|call|>" in ends or "<|calls|>" in ends
    if calls and ("<|return|>" in ends or "<|flush|>" in ends) and "<|end|>" in ends:
        plain["<|end|>"] = Kind.USER_DEFINED
    if "</s>" in ends and ("<|tool_response>" in ends or "<|plamo:eos|>" in ends):
        plain["</s>"] = Kind.NORMAL
    return plain
