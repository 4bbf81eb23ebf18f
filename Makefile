# The two commands: `make chat` and `make test`. Everything runs in .venv, which the first call makes.
PYTHON ?= python3
BIN := .venv/bin
NEXT := .venv-next/bin
SHORT := refllm tests/gguf tests/layers tests/kernels tests/engine tests/tokenizers
export JAX_PLATFORMS ?= cpu

.PHONY: chat test test-next lab notebooks bench model lint format lock setup clean
.DEFAULT_GOAL := help

help:
	@printf '%s\n' 'make chat       talk to the embedded model' 'make test       every test and every notebook' \
	  'make lab        JupyterLab on the notebooks' 'make notebooks  re-execute and save all notebooks' \
	  'make bench      measure, beside the peers' \
	  'make model      train the embedded model again (hours)' 'make test-next  the tests on the newest Python found' \
	  'make format     let ruff format the code' 'make lock       renew requirements.lock'

setup:
	@command -v $(PYTHON) >/dev/null || { echo "setup: there is no $(PYTHON) on this machine; Python 3.11 or newer is needed" >&2; exit 2; }
	@$(PYTHON) refllm/bootstrap.py

chat: setup
	@$(BIN)/refllm chat

test: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q -n auto --dist worksteal
	$(BIN)/python -m pytest -q --nbval --nbval-current-env --nbval-cell-timeout=60 \
	  --nbval-sanitize-with notebooks/sanitize.cfg $(sort $(wildcard notebooks/[0-9]*.ipynb))

test-next:
	@$(PYTHON) refllm/bootstrap.py --newest
	@if [ -x $(NEXT)/python ]; then $(NEXT)/python -m pytest -q -n auto --dist worksteal $(SHORT); fi

lab: setup
	$(BIN)/jupyter lab notebooks

notebooks: setup
	$(BIN)/python -m refllm.teach.rebuild notebooks

bench: setup
	$(BIN)/python -m benchmarks

# From nothing to data/; it can be interrupted and goes on from work/model.
model: setup
	$(BIN)/refllm train --out data

format: setup
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

lock: setup
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --extra all --group build --generate-hashes --no-header \
	  --no-emit-index-url --no-annotate pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .venv-next build dist
