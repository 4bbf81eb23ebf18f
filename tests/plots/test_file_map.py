"""The map of a file is to scale, says what stands in its boxes, and shows nothing that is not there."""

import matplotlib.colors
import numpy as np
import pytest

import refllm
from refllm import plots
from refllm.gguf import Region, hexdump
from refllm.plots.file_map import BRACKET, PAINT_OF, PAINTS, sections


@pytest.fixture(scope="module")
def regions(tmp_path_factory) -> list[Region]:
    path = tmp_path_factory.mktemp("map") / "demo.gguf"
    tensors = {"first": np.zeros((2, 3), np.float32), "second": np.ones(9, np.float16)}
    refllm.gguf.write(path, {"general.name": "你好", "list": list(range(40))}, tensors)
    return refllm.gguf.regions(path)


def boxes(axes) -> dict[str, list[tuple[float, float]]]:
    """The left and right end of every box of a strip, by colour."""
    found = {}
    for collection in axes.collections:
        colour = matplotlib.colors.to_hex(collection.get_facecolor()[0])
        ends = [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in collection.get_paths()]
        found.setdefault(colour, []).extend(ends)
    return found


def test_every_field_is_a_box_as_wide_as_it_has_bytes(regions):
    (axes,) = plots.file_map(regions).axes
    drawn = {(*ends, colour) for colour, group in boxes(axes).items() for ends in group}
    expected = {
        (region.offset, region.offset + region.size, matplotlib.colors.to_hex(PAINT_OF[region.kind].colour))
        for region in regions
    }
    assert drawn == expected
    assert axes.get_xlim() == (0, regions[-1].offset + regions[-1].size)


def test_every_kind_of_field_has_a_colour_of_its_own():
    kinds = [kind for paint in PAINTS for kind in paint.kinds]
    assert len(set(kinds)) == len(kinds)
    assert len({paint.colour for paint in PAINTS}) == len(PAINTS)
    assert set(kinds) == set(hexdump.COLOURS)


def labels(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_no_label_is_wider_than_its_box(regions):
    figure = plots.file_map(regions, [(0, 64), (64, 128), (128, 192), (192, 480)])
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes:
        fields = [text for text in axes.texts if text.get_position()[1] < 1]
        assert fields
        for text in fields:
            left, right = axes.transData.inverted().transform(text.get_window_extent(renderer))[:, 0]
            middle = text.get_position()[0]
            (box,) = [
                (max(region.offset, axes.get_xlim()[0]), min(region.offset + region.size, axes.get_xlim()[1]))
                for region in regions
                if region.offset < middle < region.offset + region.size
            ]
            assert box[0] <= left < right <= box[1], text.get_text()


def test_labels_say_kind_and_value(regions):
    data = next(region.offset for region in regions if region.kind == "data")
    first, last = plots.file_map(regions, [(0, 64), (data - 8, data + 64)]).axes
    assert {"magic\nGGUF", "version\n3", "key\ngeneral.name", "value\ne4 bd a0\ne5 a5 bd"} <= set(labels(first))
    assert {"first\nF32", "second\nF16", "padding"} <= set(labels(last))


def test_a_long_array_is_called_by_its_key(regions):
    (axes,) = plots.file_map(regions, [(64, 320)]).axes
    assert "list\n40 items" in labels(axes)


def test_sections_cover_the_file_but_for_the_padding(regions):
    found = list(sections(regions))
    assert [name for name, _, _ in found] == ["header", "metadata", "tensor infos", "data"]
    assert found[0][1:] == (0, 24)
    assert all(region.kind == "padding" for region in regions if not any(a <= region.offset < b for _, a, b in found))


def test_a_section_that_is_cut_keeps_its_size_and_has_no_false_end(regions):
    size = next(last - first for name, first, last in sections(regions) if name == "metadata")
    (axes,) = plots.file_map(regions, [(40, 200)]).axes
    assert f"metadata: {size} bytes" in labels(axes)
    assert set(axes.lines[0].get_ydata()) == {BRACKET}


def test_a_part_of_the_strip_above_is_drawn_as_a_zoom_and_a_next_line_is_not(regions):
    assert len(plots.file_map(regions, [(0, 128), (0, 64)]).artists) == 2
    assert len(plots.file_map(regions, [(0, 64), (64, 128)]).artists) == 0


def test_the_legend_names_the_colours_that_are_drawn(regions):
    (legend,) = plots.file_map(regions, [(0, 24), (24, 36)]).legends
    assert [text.get_text() for text in legend.get_texts()] == ["magic, version", "count, length", "key, name"]


def test_fields_too_narrow_for_a_pixel_are_not_made_wider():
    fields = [Region(0, 1, "magic", b"G", "magic"), Region(1, 10**6, "trailing", None, "trailing")]
    (axes,) = plots.file_map(fields).axes
    narrow = axes.collections[0]
    assert boxes(axes)["#d55e00"] == [(0, 1)]
    assert narrow.get_linewidth()[0] == 0
