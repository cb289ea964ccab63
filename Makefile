# Set-up needs Python 3.11 or later and make; everything else lands in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check docs rows matrix chaos fuzz mutants bench clean

help: ## Show what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[embedded,encryption,uvloop]' --group test --group check
	@touch $@

demo: $(READY) ## Run three tenants' batches on an embedded server and show them
	@$(BIN)/taskproc demo

test: check ## Check the code, then run the tests
	$(BIN)/python -m pytest

check: $(READY) ## Lint, types, layers, Lua
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/lua_lint.py
	$(BIN)/python tools/make_docs.py --check

docs: $(READY) ## Make the pages of docs that come from the code
	$(BIN)/python tools/make_docs.py

rows: $(READY) ## Every row of the seed systems' promises with its tests and result
	$(BIN)/python -m pytest --rows

matrix: $(READY) ## The tests on every server there is, with both protocols, alone and in a cluster: half an hour
	$(BIN)/python -m tests.matrix --json .matrix.json

chaos: $(READY) ## Workers, servers, connections and clocks fail under load: about ten minutes, and docs/reliability.md
	$(BIN)/python -m tests.chaos --json .chaos.json --report docs/reliability.md

fuzz: $(READY) ## Try a hundred thousand bad inputs against every call and every stored field: five minutes
	$(BIN)/python -m tests.fuzz --json .fuzz.json

mutants: $(READY) ## Take each guard out of the Lua scripts in turn and see that a test turns red: some minutes
	$(BIN)/python tools/mutants.py --quick --json .mutants.json

bench: $(READY) ## Beside other queues and the yardstick, how cost grows, stalls, and what must be reached: half an hour
	$(BIN)/python -m benchmarks --json .bench/results.json

clean: ## Remove what was built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
