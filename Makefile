# make run | test | test-all | ui | lint | clean; each sets .venv up by itself, once.

SHELL := /bin/sh
BIN := .venv/bin
# The environment is remade when a pin, the project file or the checkout's place changes.
LOCK := $(shell { cat requirements.lock pyproject.toml; echo "$(CURDIR)"; } | cksum | tr ' ' '-')
STAMP := .venv/.installed-$(LOCK)
# The pin stays where extension packages exist; the warehouse must be ready to move to this one.
NEXT_DUCKDB := .venv/duckdb-2.0.0
# The extra `boost`, beside the environment that a user has without it.
BOOST := .venv/lightgbm-4.6.0
# The tests start hundreds of processes; with this set each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run ui test test-all lint style types layers clean

help:
	@echo "make run       set up, then the whole pipeline on the embedded records"
	@echo "make ui        the Dagster and MLflow pages over what make run did"
	@echo "make test      lint, types, layers, and the default tests"
	@echo "make test-all  the same with the slow tests, the warehouse on the next DuckDB, boosted trees"
	@echo "make lint      lint, types and layers alone"
	@echo "make clean     remove the environment and caches; what the product wrote (.cbi) stays"

setup: $(STAMP)

# pip would compile on one core, and the packages' own tests, a fifth of them, which nothing here
# runs. What a package holds for a later Python stays as it is.
$(STAMP):
	@set -e; python=; \
	for name in python3.11 python3.12 python3; do \
	  if $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; \
	  then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "cbi_pipeline needs Python 3.11 or 3.12; python3 here is" \
	    "$$(python3 --version 2>/dev/null || echo missing). Install python3.11 and run make again." >&2; \
	  exit 2; \
	fi; \
	echo "Setting up .venv with $$($$python --version) (once; a few minutes)"; \
	$$python -m venv .venv || { \
	  echo "$$python cannot make an environment here; on Debian: apt-get install python3-venv" >&2; \
	  exit 2; }; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile \
	  -r requirements.lock; \
	$(BIN)/python -m compileall -qq -j 0 -x '/tests/' .venv/lib || :; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --no-build-isolation -e .; \
	rm -f .venv/.installed-*; touch $@

run: $(STAMP)
	@$(BIN)/cbi run

ui: $(STAMP)
	@$(BIN)/cbi ui

# Apart, so that make -j runs them side by side.
lint: types layers style

style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

# Three workers on two cores: many tests wait for processes and for the disk. They take the files
# in the order that tests/conftest.py gives them, the longest first.
test: lint
	$(BIN)/python -m pytest -m "not slow" -n 3 --dist loadfile --no-loadscope-reorder

test-all: lint $(NEXT_DUCKDB) $(BOOST)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
	PYTHONPATH=$(NEXT_DUCKDB) $(BIN)/python -m pytest tests/warehouse -m "not slow" \
	  -n 2 --dist loadfile
	PYTHONPATH=$(BOOST) $(BIN)/python -m pytest -k "boosted or lightgbm" \
	  tests/evaluation/test_boosted.py tests/evaluation/test_models.py tests/registry/test_boosted.py

$(NEXT_DUCKDB) $(BOOST): | $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --target $@ $(notdir $(subst -,==,$@)) || { rm -rf $@; exit 1; }

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find cbi_pipeline data_contracts tests -name __pycache__ -type d -prune -exec rm -rf {} +
