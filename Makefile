# Needs Python 3.11 or newer and make; everything else is set up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test faults soak check package bench schemas golden clean

help:
	@echo "make demo     run a whole campaign in fast time, to an outbox"
	@echo "make test     run the tests"
	@echo "make faults   run only the fault harness, in its quick form: kills, full disks, broken lines"
	@echo "make soak     run the long form of the fault harness, and print its figures"
	@echo "make check    what CI runs before the tests: format, lint, types, layers, schemas"
	@echo "make package  build the wheel, install it alone, and run it"
	@echo "make bench    measure, and write bench/RESULTS.md"
	@echo "make schemas  write schemas/ anew from the models"
	@echo "make golden   write anew what is shown: golden files, pages of errors, sessions"

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

faults: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 tests/faults

# For hours with ROUNDS=20; every round has other seeds.
soak: $(VENV)/.dev
	cd tests && nice -n 10 ../$(BIN)/python -m faults.soak $(ROUNDS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python schemas/write.py --check

# What users get: no development packages, no checkout beside it.
package: $(BIN)/campaignctl
	rm -rf build/package
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/package .
	$(PYTHON) -m venv build/package/venv
	build/package/venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt build/package/*.whl
	cd build/package && venv/bin/campaignctl --help >/dev/null && venv/bin/campaignctl explain C203 >/dev/null
	cd build/package && venv/bin/campaignctl demo --into demo >demo.txt && tail -n 5 demo.txt

schemas: $(VENV)/.dev
	$(BIN)/python schemas/write.py

golden: $(VENV)/.dev
	$(BIN)/python -m pytest -q tests/language/test_golden.py tests/test_error_pages.py tests/commands --write-golden

bench: $(BIN)/campaignctl
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
