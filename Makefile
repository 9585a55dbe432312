# make demo   set up and run the demonstration study on synthetic EEG
# make test   set up and run the quick tests
# make check  lint, types, layers
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-all test-long check bench clean
demo: $(VENV)/.installed
	$(BIN)/trimcap demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -n auto -m "not slow and not long"

test-all: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -n auto -m "not long"

test-long: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -n auto -m long

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev
	for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch first and pinned: without the pin a newer build brings gigabytes of GPU libraries
$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q torch==2.13.0
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed constraints-zoo.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	$(BIN)/python -m pip install -q --no-deps -r constraints-zoo.txt
	touch $@

clean:
	rm -rf $(VENV) runs build dist
