"""What a person installs with: environment.yml, pyproject.toml and the lock say the same thing."""

import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
CONDA = [line for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]
PIP = next(line["pip"] for line in ENVIRONMENT["dependencies"] if isinstance(line, dict))
CARD = ("numpy", "jax", "jupyterlab", "matplotlib", "ipywidgets", "nbval")


def package(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9_.-]+", requirement).group().lower().replace("_", "-")


def test_environment_is_a_conda_file():
    assert ENVIRONMENT["name"] == "refllm"
    assert ENVIRONMENT["channels"] == ["conda-forge"]
    assert all(re.fullmatch(r"[a-z0-9-]+((=|>=)[0-9.]+)?", line) for line in CONDA), CONDA
    assert "python=3.11" in CONDA and "pip" in CONDA
    assert set(CARD) <= set(map(package, CONDA))


def test_environment_agrees_with_the_project():
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["lab"]
    for line in CONDA:
        if package(line) not in ("python", "pip"):
            assert line in wanted, f"{line} stands in environment.yml but not so in pyproject.toml"
    assert PIP == ["-e .[all]"]
    assert PROJECT["requires-python"] == ">=3.11"


def test_all_is_everything_but_the_two_heavy_ones():
    extras = set(PROJECT["optional-dependencies"])
    assert extras == {"lab", "server", "train", "hub", "modelscope", "cuda", "test", "all"}
    named = re.fullmatch(r"refllm\[(.*)\]", PROJECT["optional-dependencies"]["all"][0]).group(1).split(",")
    assert set(named) == extras - {"all", "modelscope", "cuda"}


def test_the_lock_names_every_dependency_with_hashes():
    lock = (ROOT / "requirements.lock").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    extras = PROJECT["optional-dependencies"]
    wanted = PROJECT["dependencies"] + [
        line for name in ("lab", "server", "train", "hub", "test") for line in extras[name]
    ]
    assert {package(line) for line in wanted} <= locked
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        assert "--hash=sha256:" in entry, f"{entry.splitlines()[0]} has no hash"
    assert "://" not in lock, "the lock must not name a registry"


def test_the_pip_section_installs_into_a_fresh_venv(tmp_path):
    """What conda would run at the end, without conda: then `refllm --version` answers."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    installer = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python]
    installed = subprocess.run([*installer, *PIP[0].split()], cwd=ROOT, capture_output=True, text=True)
    if re.search(r"dns error|error sending request|client error \(Connect\)", installed.stderr, re.IGNORECASE):
        pytest.skip("no package index can be reached from here: nothing could be installed")
    assert installed.returncode == 0, installed.stderr
    command = subprocess.run([python.with_name("refllm"), "--version"], capture_output=True, text=True)
    assert command.stdout == f"refllm {version()}\n", command.stderr


def version() -> str:
    return re.search(r'__version__ = "(.*)"', (ROOT / "refllm" / "__init__.py").read_text()).group(1)
