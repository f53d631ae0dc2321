# The commands of README.md. Each installs what it needs into .venv by itself.
PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: setup demo test test-large lint bench docs wheel environments clean

setup: .venv/installed

.venv/installed: .venv/demo
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv/demo: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo]'
	touch $@

demo: .venv/demo
	$(BIN)/python -m tfflows.zoo.demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not large'

test-large: setup
	$(BIN)/python -m pytest -m large

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# tfflows beside its peers; the machine should have nothing else to do.
bench: setup .venv-peers/installed
	$(BIN)/python benchmarks/side_by_side/run.py --results peers.json
	$(BIN)/python benchmarks/side_by_side/report.py peers.json --output_dir .
	$(BIN)/python benchmarks/as_called/run.py --results as_called.json
	$(BIN)/python benchmarks/as_called/report.py as_called.json --output_dir .

.venv-peers/installed: benchmarks/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --requirement benchmarks/peers.txt
	touch $@

# The site, in site/. With DOCS_QUICK=1 tutorials are not run.
docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

wheel: setup
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist .

# The wheel on the oldest and the newest versions, on each Python that is installed.
environments: wheel
	$(BIN)/python .ci/environments.py dist/*.whl

clean:
	rm -rf .venv .venv-peers build dist demo site .cache *.egg-info
