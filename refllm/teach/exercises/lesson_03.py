"""The exercises of "Tokens": what text costs, learning merges, adding pieces to a vocabulary, and half a character.

Merges are right when each joins a pair that is most frequent at its turn, whichever of equals it is. What a longer
vocabulary and a stream must do is asked of the package's own tokenizers.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from refllm.teach.exercise import exercise, require
from refllm.tokenizers import Tokenizer, from_metadata
from refllm.tokenizers.vocabulary import SPACE, Kind, Vocabulary

Word = tuple[str, ...]
Pair = tuple[str, str]


# ---- 03.1 and 03.3: predict ----


@exercise(
    "03.1",
    hints=("in UTF-8 a letter of ASCII has one byte, a Chinese character three, an emoji four", "3 + 3 + 4 + 2"),
    wrong=(5, 10, 8, 15, 20, "12"),
)
def bytes_as_tokens(answer):
    """How many tokens is 你好🦙ok in a vocabulary that has the 256 bytes and nothing else?"""
    text = "你好🦙ok"
    require(isinstance(answer, int), f"a whole number is asked for; this is a {type(answer).__name__}")
    right = len(text.encode())
    require(answer != len(text), f"{answer} is the number of its characters")
    require(answer != 4 * len(text), f"{answer} counts four bytes for each character; only the emoji has four")
    require(answer == right, f"{answer}: count the bytes of each of the {len(text)} characters again")


def spelling_in_bytes() -> Tokenizer:
    """A SentencePiece vocabulary with nothing but special tokens, a space, and bytes."""
    pieces = ["<unk>", "<s>", "</s>", SPACE, *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [Kind.UNKNOWN, Kind.CONTROL, Kind.CONTROL, Kind.NORMAL, *[Kind.BYTE] * 256]
    return tokenizer_of(Vocabulary(pieces, kinds, [0.0] * len(pieces)))


@exercise(
    "03.3",
    hints=(
        "two ids come before the first byte: one for the beginning, one for a space that you did not write",
        "<s>, ▁, and three bytes for the character",
    ),
    wrong=(1, 2, 3, 4, 6, "5"),
)
def ids_of_a_rare_character(answer):
    """How many ids does encode("猫") give, when a SentencePiece vocabulary has no piece with 猫?"""
    require(isinstance(answer, int), f"a whole number is asked for; this is a {type(answer).__name__}")
    right, raw = len(spelling_in_bytes().encode("猫")), len("猫".encode())
    require(answer >= raw, f"{answer}: the character alone has {raw} bytes, and each is a token")
    require(answer != raw, f"{answer} counts the bytes only: what stands before them?")
    require(answer != right - 1, f"{answer} counts one of the two that stand before the bytes")
    require(answer == right, f"{answer} is more than there are: nothing stands after the bytes")


# ---- 03.2: learn merges ----


def joined(word: Word, pair: Pair) -> Word:
    """The word with every such pair made one, from the left.

    >>> joined(("a", "a", "a", "b"), ("a", "a"))
    ('aa', 'a', 'b')
    """
    made: list[str] = []
    at = 0
    while at < len(word):
        together = word[at : at + 2] == pair
        made.append(pair[0] + pair[1] if together else word[at])
        at += 1 + together
    return tuple(made)


def pairs_of(words: dict[Word, int]) -> Counter:
    """How often each two neighbours stand beside each other."""
    found: Counter = Counter()
    for word, times in words.items():
        for pair in itertools.pairwise(word):
            found[pair] += times
    return found


def learnt(words: dict[Word, int], count: int, choose: Callable[[Counter], Pair]) -> list[Pair]:
    merges = []
    for _ in range(count):
        merges.append(choose(pairs_of(words)))
        words = {joined(word, merges[-1]): times for word, times in words.items()}
    return merges


def most_frequent(pairs: Counter) -> Pair:
    return max(pairs, key=pairs.__getitem__)


def learn_merges(words: dict[Word, int], count: int) -> list[Pair]:
    """What is right, for the cells after the exercise."""
    return learnt(words, count, most_frequent)


def once_for_all(words: dict[Word, int], count: int) -> list[Pair]:
    """Counts at the beginning and never again."""
    return [pair for pair, _ in pairs_of(words).most_common(count)]


def words_counted_once(words: dict[Word, int], count: int) -> list[Pair]:
    """Forgets how often a word comes."""
    return learnt(dict.fromkeys(words, 1), count, most_frequent)


CORPORA = (
    {tuple("low"): 5, tuple("lower"): 2, tuple("newest"): 6, tuple("widest"): 3},
    {tuple("aaaa"): 3, tuple("ab"): 4, tuple("abab"): 1},
    {tuple("你好"): 2, tuple("你"): 9, tuple("好好"): 3, tuple("你好吗"): 1},
)


@exercise(
    "03.2",
    hints=(
        "three lines in a loop: count the pairs, take the most frequent, join it in all words; a word counts as often "
        "as it comes",
        "pairs[pair] += times for each pair in zip(word, word[1:]); best = max(pairs, key=pairs.get); then "
        "words = {joined(word, best): times for ...}",
    ),
    wrong=(
        once_for_all,
        words_counted_once,
        lambda words, count: learnt(words, count, lambda pairs: min(pairs, key=pairs.__getitem__)),
        lambda words, count: [a + b for a, b in learn_merges(words, count)],
        lambda words, count: learn_merges(words, count - 1),
    ),
)
def learn(answer):
    """A function that learns merges: of the pairs that are left, the most frequent, again and again."""
    require(callable(answer), "a function is asked for")
    for number, corpus in enumerate(CORPORA, 1):
        words, count = dict(corpus), 3
        merges = answer(dict(corpus), count)
        require(isinstance(merges, list), f"the function gave a {type(merges).__name__}; expected a list of pairs")
        require(len(merges) == count, f"corpus {number}: {len(merges)} merges came out; {count} were asked for")
        for turn, pair in enumerate(merges, 1):
            is_pair = isinstance(pair, tuple) and len(pair) == 2
            require(is_pair, f"corpus {number}: merge {turn} is {pair!r}; expected a pair such as ('l', 'o')")
            pairs = pairs_of(words)
            most = max(pairs.values())
            what = f"corpus {number}, merge {turn}: {pair} stands there {pairs[pair]} times"
            require(pairs[pair] == most, f"{what}, {most_frequent(pairs)} {most} times")
            words = {joined(word, pair): times for word, times in words.items()}


# ---- 03.4: more pieces ----


def vocabulary_of(pieces: Iterable[str], first_score: float) -> Vocabulary:
    """A SentencePiece vocabulary: three special tokens, the bytes, and these pieces, the best first."""
    pieces = list(pieces)
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [Kind.UNKNOWN, Kind.CONTROL, Kind.CONTROL, *[Kind.BYTE] * 256, *[Kind.NORMAL] * len(pieces)]
    scores = [0.0] * len(special) + [first_score - number for number in range(len(pieces))]
    return Vocabulary(special + pieces, [int(kind) for kind in kinds], scores)


def tokenizer_of(vocabulary: Vocabulary) -> Tokenizer:
    """The package's SentencePiece tokenizer with this vocabulary."""
    return from_metadata(
        {
            "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.tokens": list(vocabulary.pieces),
            "tokenizer.ggml.scores": np.array(vocabulary.scores, np.float32),
            "tokenizer.ggml.token_type": np.array(vocabulary.kinds, np.int32),
        }
    )


ENGLISH = vocabulary_of(["th", "▁th", "▁the", "▁cat", "ca", SPACE, *"thecasu"], -1.0)
CHINESE = vocabulary_of(["你好", "▁你好", SPACE, *"你好吗猫t"], -1.0)


def extended(base: Vocabulary, extra: Vocabulary, wanted: Callable[[str, int], bool], first: bool = False):
    """The base with those pieces of the other that are wanted, behind it or before it."""
    new = [id for id, piece in enumerate(extra.pieces) if wanted(piece, extra.kinds[id])]
    parts = [
        ([extra.pieces[id] for id in new], [extra.kinds[id] for id in new], [extra.scores[id] for id in new]),
        (base.pieces, base.kinds, base.scores),
    ]
    joined_parts = zip(*(parts if first else parts[::-1]), strict=True)
    return Vocabulary(*(list(one) + list(other) for one, other in joined_parts))


def is_new(piece: str, kind: int) -> bool:
    return kind == Kind.NORMAL and piece not in ENGLISH.ids


@exercise(
    "03.4",
    hints=(
        "what has an id keeps it, since the model knows its pieces by number; only ordinary pieces that are not there "
        "yet come behind",
        "new = the ids of extra whose kind is Kind.NORMAL and whose piece is not in base.ids; then three sums of lists "
        "for pieces, kinds and scores",
    ),
    wrong=(
        lambda base, extra: base,
        lambda base, extra: extra,
        lambda base, extra: extended(base, extra, is_new, first=True),
        lambda base, extra: extended(base, extra, lambda piece, kind: is_new(piece, kind) and len(piece) > 1),
        lambda base, extra: list(base.pieces) + [piece for piece in extra.pieces if piece not in base.ids],
    ),
)
def extend(answer):
    """A function that adds the ordinary pieces of another vocabulary to one, and changes no id that there is."""
    require(callable(answer), "a function is asked for")
    made = answer(ENGLISH, CHINESE)
    require(isinstance(made, Vocabulary), f"the function gave a {type(made).__name__}; expected a Vocabulary")
    count = len(ENGLISH.pieces)
    moved = [piece for id, piece in enumerate(ENGLISH.pieces) if made.ids.get(piece) != id]
    require(not moved, f"{len(moved)} pieces have not the id that they had; the first is {(moved or [''])[0]!r}")
    wanted = {piece for piece, kind in zip(CHINESE.pieces, CHINESE.kinds, strict=True) if kind == Kind.NORMAL}
    missing = sorted(wanted - set(made.pieces))
    require(not missing, f"{len(missing)} pieces of the other vocabulary are missing, {missing} among them")
    require(made.kinds[:count] == ENGLISH.kinds, "an old piece became another kind")
    lengths = len(made.pieces), len(made.kinds), len(made.scores)
    require(len(set(lengths)) == 1, f"there are {lengths[0]} pieces, {lengths[1]} kinds and {lengths[2]} scores")
    before, after = tokenizer_of(ENGLISH), tokenizer_of(made)
    require(after.encode("the cats") == before.encode("the cats"), "English is tokenized otherwise than before")
    require(after.decode(after.encode("你好吗")) == "你好吗", "你好吗 does not come back")
    fewer = len(after.encode("你好吗")) < len(before.encode("你好吗"))
    require(fewer, f"你好吗 still takes {len(after.encode('你好吗'))} tokens")


# ---- 03.5: half a character ----


def longest_text(data: bytes) -> tuple[str, bytes]:
    """What is right: the longest beginning that is text, and the rest."""
    for held in range(4):
        try:
            return data[: len(data) - held].decode(), data[len(data) - held :]
        except UnicodeDecodeError:
            continue
    raise ValueError("no beginning of a text")


@exercise(
    "03.5",
    hints=(
        "at most three bytes at the end can belong to a character that is not there yet; try without none, one, two, "
        "three of them",
        "for held in range(4): split = len(data) - held; try to decode data[:split], and return it with data[split:]",
    ),
    wrong=(
        lambda data: (data.decode("utf-8", "replace"), b""),
        lambda data: (data.decode("utf-8", "ignore"), b""),
        lambda data: ("", data),
        lambda data: (data.decode(), b"") if longest_text(data)[1] == b"" else ("", data),
        lambda data: longest_text(data)[0],
        lambda data: (longest_text(data)[0][:-1], data[len(longest_text(data)[0][:-1].encode()) :]),
    ),
)
def whole_characters(answer):
    """A function that divides bytes into the text that is certain and the bytes to hold back."""
    require(callable(answer), "a function is asked for")
    whole = "a猫é🦙 你好!".encode()
    for end in range(len(whole) + 1):
        data = whole[:end]
        found, expected = answer(data), longest_text(data)
        is_pair = isinstance(found, tuple) and len(found) == 2
        require(is_pair, f"the function gave a {type(found).__name__}; expected two things: a text and the bytes left")
        text, rest = found
        shown = data[-6:].hex(" ")
        kinds = isinstance(text, str) and isinstance(rest, bytes)
        require(kinds, f"expected a str and bytes; got {type(text).__name__} and {type(rest).__name__}")
        require("�" not in text, f"... {shown}: half a character was shown as \N{REPLACEMENT CHARACTER}")
        require(text.encode() + rest == data, f"... {shown}: bytes were lost")
        require(text == expected[0], f"... {shown}: {rest.hex(' ')} was held back, more than needed")
