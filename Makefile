# Every target does its own set-up: a machine with Python 3.11 or newer and make is enough.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint deploy/constraints.txt
# Build isolation resolves setuptools on its own; this pins it too.
export PIP_CONSTRAINT := $(abspath deploy/constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help run test check fix bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run ## a page on http://127.0.0.1:8510/ over an embedded demo Consul
	$(BIN)/consul-edge demo $(ARGS)

test: $(VENV)/.test ## all tests, also against a real Consul (which it fetches)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

check: $(VENV)/.test ## lint and types; changes nothing
	$(BIN)/ruff check consul_edge tests
	$(BIN)/ruff format --check consul_edge tests
	$(BIN)/mypy

fix: $(VENV)/.test ## let the linter mend and format what it can
	$(BIN)/ruff check --fix consul_edge tests
	$(BIN)/ruff format consul_edge tests

bench: $(VENV)/.test ## speed against nginx, HAProxy, Varnish and Consul itself, as ratios of one run
	$(BIN)/python -m tests.bench $(ARGS)

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "consul-edge needs Python 3.11 or newer; this is $$($(PYTHON) -V). Set PYTHON=." >&2; exit 1; }
	@# Debian's python3 comes without venv; root may add it.
	$(PYTHON) -m venv $(VENV) || { apt-get update -q && apt-get install -qy python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	@touch $@

$(VENV)/.run: $(VENV)/.python setup.cfg pyproject.toml deploy/constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.python setup.cfg pyproject.toml deploy/constraints.txt
	$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.run
