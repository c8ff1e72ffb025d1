# The words of this project; CI runs the same.  PYTHON chooses the interpreter of the virtual environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := sample

.PHONY: run test lint format all bench clean

# A conversation with the module over a sample folder; with input piped in, it just answers.
run: $(VENV)/installed $(SAMPLE)/nwauth.txt
	@$(BIN)/nwauth -path $(SAMPLE)

test: $(VENV)/installed-dev
	$(BIN)/pytest

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

all: lint test

# Side by side with Squid's basic_ncsa_auth; see benchmarks/README.md for the options (BENCH="--sizes 1k,10M").
bench: $(VENV)/installed
	$(BIN)/python benchmarks/run.py $(BENCH)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "nwauth needs Python 3.11 or newer: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml scripts/nwauth | $(VENV)/bin/python
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable . >&2
	@touch $@

$(VENV)/installed-dev: pyproject.toml scripts/nwauth | $(VENV)/bin/python
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]' >&2
	@touch $@ $(VENV)/installed

$(SAMPLE)/nwauth.txt: nwauth.txt.example
	@mkdir -p $(SAMPLE)
	@test -f $@ || cp nwauth.txt.example $@
	@touch $@

clean:
	rm -rf $(VENV) $(SAMPLE) build dist
