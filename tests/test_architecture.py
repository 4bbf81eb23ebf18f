"""The house stands: a room imports only from floors below it, and keeps out the libraries it must do without.

Read from the imports themselves (also those inside functions), not from what happens to be loaded.
"""

import ast
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / "refllm"

FLOORS = {
    -1: ("errors", "annotations", "bootstrap"),
    0: ("files", "embedded"),
    1: ("quants", "world"),
    2: ("gguf", "kernels"),
    3: ("tokenizers", "layers"),
    4: ("models", "sampling", "convert"),
    5: ("engine",),
    6: ("chat",),
    7: ("evaluate", "server"),
    8: ("train",),
    9: ("plots",),
    10: ("teach", "cli"),
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
WITHOUT_JAX = ("errors", "annotations", "files", "bootstrap", "quants", "world", "gguf", "tokenizers", "convert")
ROOF = ("__init__", "__main__")  # the package's front door names every room and belongs to none


def room_of(path: pathlib.Path, package: pathlib.Path) -> str:
    first = path.relative_to(package).parts[0]
    return first.removesuffix(".py")


def imports(path: pathlib.Path) -> set[str]:
    """Every module that a file imports, in full: `refllm.quants.scheme`, `numpy`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative imports hide which room is meant"
            names = [alias.name for alias in node.names]
            found |= {f"{node.module}.{name}" for name in names} if node.module == "refllm" else {node.module}
    return found


def faults(package: pathlib.Path) -> list[str]:
    """Every import that the plan of the house forbids."""
    found = []
    for path in sorted(package.rglob("*.py")):
        room = room_of(path, package)
        if room in ROOF:
            continue
        if room not in FLOOR:
            found.append(f"{room}: stands on no floor")
            continue
        for name in sorted(imports(path)):
            top, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if top == "refllm" and other in FLOOR and other != room and FLOOR[other] >= FLOOR[room]:
                found.append(f"{path.name}: {room} (floor {FLOOR[room]}) imports {other} (floor {FLOOR[other]})")
            if top in ("jax", "jaxlib") and room in WITHOUT_JAX:
                found.append(f"{path.name}: {room} imports {top}")
    return found


def test_the_house_stands():
    assert faults(PACKAGE) == []


def test_every_room_has_its_tests():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    missing = {room for room in rooms if not list((PACKAGE.parent / "tests" / room).glob("test_*.py"))}
    assert not missing


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("quants/bad.py", "from refllm.gguf import reader"),
        ("gguf/bad.py", "def late():\n    import refllm.engine"),
        ("gguf/bad.py", "import jax.numpy as jnp"),
        ("models/bad.py", "from refllm import engine"),
        ("sampling/bad.py", "from refllm.models import decoder"),
        ("attic/bad.py", "import numpy"),
    ],
)
def test_a_bad_import_is_found(tmp_path, file, code):
    path = tmp_path / "refllm" / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    assert len(faults(tmp_path / "refllm")) == 1


def test_good_imports_are_not_faulted(tmp_path):
    path = tmp_path / "refllm" / "engine" / "good.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import jax\nfrom refllm import models\nfrom refllm.errors import RefllmError\nimport refllm.engine.cache"
    )
    assert faults(tmp_path / "refllm") == []
