# Needs Python 3.11 or newer and make; everything else is set up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check bench schemas clean

help:
	@echo "make demo     run a whole campaign in fast time, to an outbox"
	@echo "make test     run the tests"
	@echo "make check    what CI runs before the tests: format, lint, types, layers, schemas"
	@echo "make bench    measure, and write bench/RESULTS.md"
	@echo "make schemas  write schemas/ anew from the models"

$(BIN)/campaignctl: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/campaignctl
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(BIN)/campaignctl
	$(BIN)/campaignctl demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python schemas/write.py --check

schemas: $(VENV)/.dev
	$(BIN)/python schemas/write.py

bench: $(BIN)/campaignctl
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
