"""The house: the rooms of the package on their floors, and one token on its way through them.

A room imports only from floors below its own, so the picture is also the plan of who knows whom. The stations of the
way are given as the rooms' names, each with a line of text: what the token is there.

>>> figure = house([("tokenizers", "a piece becomes a number"), ("models", "the number becomes scores")])
>>> [text.get_text() for text in figure.axes[1].texts]
['1', 'tokenizers', 'a piece becomes a number', '2', 'models', 'the number becomes scores']
"""

from collections.abc import Sequence

FLOORS = (
    ("quants", "world"),
    ("gguf", "kernels"),
    ("tokenizers", "layers"),
    ("convert", "models", "sampling"),
    ("engine",),
    ("chat",),
    ("evaluate", "server"),
    ("train",),
    ("plots",),
    ("cli", "teach"),
)
WALL, FLOOR, VISITED, EMPTY, WAY, ROOF = "#555555", "#FFFFFF", "#CFE8F7", "#F2F2F2", "#D55E00", "#E8C9A0"
FLOOR_HEIGHT, WIDTH = 1.0, 6.0
STATION_HEIGHT = 0.6  # inches


def house(stations: Sequence[tuple[str, str]], floors: Sequence[Sequence[str]] = FLOORS):
    """The rooms on the left, those on the way in colour; on the right what happens at each station."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((8.2, max(5.0, 0.5 + STATION_HEIGHT * len(stations))), layout="constrained")
    FigureCanvasAgg(figure)
    rooms, way = figure.subplots(1, 2, width_ratios=(1.05, 1))
    built = [floor for floor in floors if floor]
    draw_house(rooms, built, {room for room, _ in stations})
    draw_way(rooms, built, [room for room, _ in stations])
    draw_stations(way, stations)
    return figure


def draw_house(axes, floors: Sequence[Sequence[str]], visited: set[str]) -> None:
    from matplotlib.patches import Polygon, Rectangle

    axes.set(xlim=(-0.5, WIDTH + 0.1), ylim=(-0.15, len(floors) + 1.4))
    axes.axis("off")
    roof = [(-0.35, len(floors)), (WIDTH / 2, len(floors) + 1.25), (WIDTH + 0.35, len(floors))]
    axes.add_patch(Polygon(roof, facecolor=ROOF, edgecolor=WALL, clip_on=False))
    axes.text(WIDTH / 2, len(floors) + 0.42, "refllm", ha="center", va="center", fontsize=11, weight="bold")
    for level, floor in enumerate(floors):
        axes.text(-0.15, level + 0.5, f"{level + 1}", ha="right", va="center", fontsize=8, color=WALL)
        for place, room in enumerate(floor):
            left, width = place * WIDTH / len(floor), WIDTH / len(floor)
            colour = VISITED if room in visited else EMPTY
            axes.add_patch(Rectangle((left, level), width, FLOOR_HEIGHT, facecolor=colour, edgecolor=WALL))
            over_the_way = {"facecolor": colour, "edgecolor": "none", "pad": 1}
            axes.text(
                left + width / 2, level + 0.23, room, ha="center", va="center", fontsize=9, bbox=over_the_way, zorder=3
            )


def middle_of(room: str, floors: Sequence[Sequence[str]]) -> tuple[float, float]:
    """Where a room is: the middle of its box, a little above its name.

    >>> middle_of("gguf", [["quants"], ["gguf", "kernels"]])
    (1.5, 1.65)
    """
    level, floor = next((level, floor) for level, floor in enumerate(floors) if room in floor)
    return (floor.index(room) + 0.5) * WIDTH / len(floor), level + 0.65


def draw_way(axes, floors: Sequence[Sequence[str]], rooms: Sequence[str]) -> None:
    """A line from station to station; where a room is visited again, its numbers stand side by side."""
    points = []
    for number, room in enumerate(rooms):
        x, y = middle_of(room, floors)
        before = [place for place in rooms[:number] if place == room]
        apart = 0.62 * (len(before) - (rooms.count(room) - 1) / 2)
        points.append((x + apart, y))
    axes.plot(*zip(*points, strict=True), color=WAY, linewidth=1.6, alpha=0.75, zorder=2)
    for number, point in enumerate(points, 1):
        draw_number(axes, point, number)


def draw_number(axes, point: tuple[float, float | int], number: int) -> None:
    axes.plot(*point, "o", color=WAY, markersize=13, zorder=3)
    axes.text(*point, f"{number}", color="white", fontsize=8, ha="center", va="center", weight="bold", zorder=4)


def draw_stations(axes, stations: Sequence[tuple[str, str]]) -> None:
    axes.set(xlim=(0, 10), ylim=(len(stations) - 0.4, -0.6))
    axes.axis("off")
    for number, (room, text) in enumerate(stations, 1):
        draw_number(axes, (0.3, number - 1), number)
        axes.text(0.75, number - 1.18, room, fontsize=9, weight="bold", va="center")
        axes.text(0.75, number - 0.83, text, fontsize=8.5, va="center")
