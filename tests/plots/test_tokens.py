"""The drawings of lesson 03: boxes as wide as their bytes, cut characters in their colour, bars as long as told."""

import matplotlib.colors
import pytest

from refllm import plots
from refllm.plots import tokens

TEXT = "a 猫"


def boxes(figure) -> list[tuple[float, float, str]]:
    """Left end, width and colour of every box, from top to bottom."""
    patches = figure.axes[0].patches
    return [(box.get_x(), box.get_width(), matplotlib.colors.to_hex(box.get_facecolor()).upper()) for box in patches]


def test_every_row_has_its_pieces_at_their_bytes():
    figure = plots.token_map(TEXT, {"whole": [b"a", b" ", "猫".encode()], "cut": [b"a ", b"\xe7", b"\x8c\xab"]})
    assert [(left, width) for left, width, _ in boxes(figure)] == [
        *[(place, 1) for place in range(5)],
        *[(0, 1), (1, 1), (2, 3)],
        *[(0, 1), (1, 1), (2, 3)],
        *[(0, 2), (2, 1), (3, 2)],
    ]


def test_parts_of_a_character_have_a_colour_of_their_own():
    figure = plots.token_map(TEXT, {"cut": [b"a ", b"\xe7", b"\x8c\xab"]})
    assert [colour == tokens.BROKEN for _, _, colour in boxes(figure)[-3:]] == [False, True, True]
    assert tokens.BROKEN not in {colour for _, _, colour in boxes(figure)[:-3]}


def test_a_space_that_was_added_stands_left_of_the_text():
    figure = plots.token_map(TEXT, {"added": [b" a", b" ", "猫".encode()]})
    assert [left for left, _, _ in boxes(figure)[-3:]] == [-1, 1, 2]
    assert figure.axes[0].get_xlim() == (-1, 5)


def test_titles_count_the_pieces():
    figure = plots.token_map(TEXT, {"cut": [b"a ", b"\xe7", b"\x8c\xab"]})
    titles = [text.get_text() for text in figure.axes[0].texts if ":" in text.get_text()]
    assert titles == ["characters: 3", "cut: 3"]


def test_no_label_has_a_letter_that_the_fonts_lack():
    figure = plots.token_map("你好🦙é", {"one": ["你好🦙é".encode()]})
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert all(ord(letter) < 0x100 for label in labels for letter in label)
    assert "U+4F60" in labels


def test_a_character_that_the_text_has_itself_as_replacement_is_whole():
    assert tokens.is_whole("\N{REPLACEMENT CHARACTER}".encode())
    assert not tokens.is_whole(b"\xe4\xbd")


def test_fertility_has_a_bar_for_each_language_of_each_vocabulary():
    costs = {"one": {"English": 0.25, "Chinese": 3.0}, "two": {"English": 1.0, "Chinese": 1.5}}
    axes = plots.fertility(costs).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.25, 1.0, 3.0, 1.5])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]
    heights = [round(bar.get_y() + bar.get_height() / 2) for bar in axes.patches]
    assert heights == [0, 3, 1, 4], "the bars of a vocabulary stand together"
