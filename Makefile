# The words of this project; CI runs the same.  PYTHON chooses the interpreter of the virtual environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := sample

.PHONY: run test lint format all package man bench clean

# A conversation with the module over a sample folder; with input piped in, it just answers.
run: $(VENV)/installed $(SAMPLE)/nwauth.txt
	@$(BIN)/nwauth -path $(SAMPLE)

# Tests wait for servers and children more than they compute; each worker starts servers of its own, so there are few.
test: $(VENV)/installed-dev
	$(BIN)/pytest -n 3

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

all: lint test package

# What is installed from a wheel, without the development packages, answers the README's transcript.
CLEAN := build/clean
package: | $(VENV)/bin/python
	@rm -rf $(CLEAN) && $(PYTHON) -m venv $(CLEAN)
	@$(CLEAN)/bin/pip install --quiet --disable-pip-version-check . >&2
	@mkdir $(CLEAN)/users && cp nwauth.txt.example $(CLEAN)/users/nwauth.txt && touch -t 202601010000 $(CLEAN)/users/nwauth.txt
	@sed -n '/<!-- transcript/,/<!-- end/s/^> //p' README.md >$(CLEAN)/requests
	@sed -n '/<!-- transcript/,/<!-- end/s/^< //p' README.md >$(CLEAN)/expected
	@$(CLEAN)/bin/nwauth -path $(CLEAN)/users <$(CLEAN)/requests >$(CLEAN)/answers
	@test -s $(CLEAN)/share/man/man1/nwauth.1 || { echo "the wheel installs no manual page" >&2; exit 1; }
	@diff $(CLEAN)/expected $(CLEAN)/answers && test -s $(CLEAN)/answers && echo "the wheel answers as the README says"

# The manual pages, from the commands and the settings themselves.
man: $(VENV)/installed
	@$(BIN)/python -m scripts.manpages

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

# With an old time: of a file that was written this second nobody can say yet who is not in it.
$(SAMPLE)/nwauth.txt:
	@mkdir -p $(SAMPLE)
	@cp nwauth.txt.example $@
	@touch -t 202601010000 $@

clean:
	rm -rf $(VENV) $(SAMPLE) build dist
