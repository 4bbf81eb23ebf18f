"""The house as it is drawn: the rooms that there are, on the floors that the architecture gives them."""

import importlib.util
import pathlib

import pytest

from refllm import plots
from refllm.plots.house import FLOORS, draw_way, middle_of

TESTS = pathlib.Path(__file__).parents[1]
PACKAGE = TESTS.parent / "refllm"


@pytest.fixture(scope="module")
def plan() -> dict[str, int]:
    """The floor of each room, from the test that holds the plan of the house."""
    spec = importlib.util.spec_from_file_location("plan", TESTS / "test_architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FLOOR


def test_the_drawn_floors_are_those_of_the_plan(plan):
    drawn = {room: number for number, floor in enumerate(FLOORS, 1) for room in floor}
    assert drawn == {room: floor for room, floor in plan.items() if floor > 0}


def test_every_room_that_is_built_is_drawn():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms <= {room for floor in FLOORS for room in floor}


def test_rooms_on_the_way_are_coloured_and_numbered():
    stations = [("chat", "a sentence"), ("models", "scores"), ("chat", "a word")]
    rooms, way = plots.house(stations).axes
    colours = {text.get_text(): text.get_bbox_patch().get_facecolor() for text in rooms.texts if text.get_bbox_patch()}
    assert colours["chat"] == colours["models"] != colours["engine"]
    shown = [text.get_text() for text in way.texts]
    assert shown == ["1", "chat", "a sentence", "2", "models", "scores", "3", "chat", "a word"]


def test_the_way_goes_through_the_rooms_and_no_two_numbers_cover_each_other():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    rooms = ["chat", "tokenizers", "models", "tokenizers", "chat"]
    draw_way(axes, FLOORS, rooms)
    points = list(zip(*axes.lines[0].get_data(), strict=True))
    assert len(set(points)) == len(rooms)
    assert [y for _, y in points] == [middle_of(room, FLOORS)[1] for room in rooms]
