# ring3: the two commands are `make run` and `make test`; `make help` lists the rest.

# The first Python that is new enough; say PYTHON=... to choose another.
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11
ifndef PYTHON
PYTHON := $(shell for p in $(CANDIDATES); do \
	$$p -c 'import sys; assert sys.version_info >= (3, 11); print(sys.executable)' 2>/dev/null \
	&& break; done)
endif
VENV := .venv
BIN := $(VENV)/bin
RING3 := PYTHONPATH=$(CURDIR)/src $(PYTHON) -m ring3

.DEFAULT_GOAL := help
.PHONY: help run build test check fast-tests format lint types bench docs abi dist clean python

help:
	@echo 'make run      build, then trace ls /tmp on ring3 (nothing but make, a C compiler, Python >= 3.11)'
	@echo 'make test     the whole suite, in $(VENV)'
	@echo 'make check    what a reviewer asks for: format, lint, types, layers, fast tests'
	@echo 'make format   let ruff put the sources into shape'
	@echo 'make bench    measure against native, strace, PRoot, bubblewrap, runsc; writes bench/RESULTS.md'
	@echo 'make docs     write the generated pages of docs/reference again'
	@echo 'make abi      generate the tables of src/ring3/abi again (needs the packages that tools/ names)'
	@echo 'make dist     source distribution and wheel, in dist/'
	@echo 'make clean    remove what was built, $(VENV) too'

run: build
	$(RING3) trace ls /tmp

build: python
	@$(PYTHON) tools/build_native.py

python:
	@test -n "$(PYTHON)" || { \
	  echo 'ring3: needs Python 3.11 or newer; none of $(CANDIDATES) is.' >&2; \
	  echo 'ring3:   Debian 12, Ubuntu 24.04 and later:  sudo apt install python3' >&2; exit 1; }

# The virtual environment of the developer's tools; made again when the list of them changes.
$(VENV)/.ready: pyproject.toml setup.py | python
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo 'ring3: make test needs a virtual environment, and this Python cannot make one:' >&2; \
	  echo 'ring3:   Debian, Ubuntu:  sudo apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# Every room of the tests runs, and the first failure is not the last one told.
test: build $(VENV)/.ready
	@status=0; \
	$(MAKE) --no-print-directory lint types || status=1; \
	$(BIN)/python -m pytest --ignore=tests/programs --ignore=tests/cpython tests || status=1; \
	$(BIN)/python -m pytest -n 2 tests/programs tests/cpython || status=1; \
	exit $$status

check: lint types fast-tests

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.ready
	$(BIN)/mypy

fast-tests: build $(VENV)/.ready
	$(BIN)/python -m pytest -m 'not slow and not long' --timeout 30 \
	  --ignore=tests/programs --ignore=tests/cpython tests

format: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: build
	$(PYTHON) bench/run.py --write bench/RESULTS.md

docs: python
	$(PYTHON) tools/gen_reference.py

abi: python
	$(MAKE) -C tools/abi PYTHON=$(PYTHON)

dist: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build
	$(BIN)/python -m build --outdir dist .

clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf tests/*/build bench/build tools/abi/.venv tools/abi/build
	rm -f src/ring3/machine/native/shim.elf src/ring3/machine/native/_trap*.so shim/*.o
	find src tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} +
