# Everything works from nothing but Python 3.11, faster where uv is found. `make help` lists the rest.
# EXTRAS=dev,foreign installs the clients of others too, so that their tests run; half of them need Node 20 and npm.
# EXTRAS=dev,browser installs the driver of the browser tests; the browser is the system's Chromium.

VENV ?= .venv
BIN := $(VENV)/bin
UV ?= $(shell command -v uv 2>/dev/null)
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
    $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
EXTRAS ?= dev
INSTALLED := $(VENV)/.installed-$(EXTRAS)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install dev test check live lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo '  ARGS="..." is handed on: make dev ARGS="--port 0", make test ARGS="-k refresh"'

dev: install ## Serve on http://127.0.0.1:8000 with nothing configured
	@$(BIN)/gatepass dev $(ARGS)

test: install ## Run all tests but the live ones
	@$(BIN)/pytest -n auto --maxprocesses 8 --dist worksteal -m "not live" $(ARGS)

live: install ## Run the tests that take minutes
	@$(BIN)/pytest -m live $(ARGS)

check: install ## Lint, formatting, types, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: install ## Pin every dependency with its hashes into requirements.lock
ifneq ($(UV),)
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	    --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml
else
	$(BIN)/pip --quiet install "pip-tools>=7.5"
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	    --no-emit-trusted-host --output-file requirements.lock pyproject.toml
endif

clean: ## Remove what was installed and built here; data of make dev stays
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find app tests migrations -name __pycache__ -type d -prune -exec rm -rf {} +

install: $(INSTALLED)

$(INSTALLED): pyproject.toml
ifneq ($(UV),)
	@test -x $(BIN)/python || $(UV) venv --quiet --python '>=3.11' $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --editable '.[$(EXTRAS)]'
else
	@test -n "$(PYTHON)" || { echo 'No Python 3.11 or newer found: install one, or name it with PYTHON=...'; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
	    { echo 'On Debian and Ubuntu venv is a package of its own: apt-get install python3-venv'; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
endif
	@touch $@
