# make run: the whole system on this machine.  make test: the suite.  make chaos: what kills, cuts off or tries everything, for minutes.
# make ledger: a thousand jobs for each of five seeds, whatever dies, with figures; ARGS="--seeds 1 --jobs 200" for less.
# Each installs what it needs into .venv first.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOGETHER := --dist loadscope --no-loadscope-reorder --durations=20
INPUTS := pyproject.toml requirements/lock.txt requirements/torch.txt requirements/install.sh
STAMP := $(VENV)/installed-$(shell cat $(INPUTS) | sha256sum | cut -c1-16)

.PHONY: run test check format bench evals chaos ledger install
run: $(STAMP)
	@exec $(BIN)/lyceum up

test: $(STAMP)
	@tests/system_packages.sh
	@$(BIN)/pytest -m "not bench and not long" -n 2 $(TOGETHER) $(ARGS)

check: $(STAMP)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m db.drift

format: $(STAMP)
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

bench: $(STAMP)
	@$(BIN)/python -m tests.bench $(ARGS)

evals: $(STAMP)
	@$(BIN)/python -m tests.evals $(ARGS)

chaos: $(STAMP)
	@$(BIN)/pytest -m long -n 2 $(TOGETHER) $(ARGS)

ledger: $(STAMP)
	@$(BIN)/python -m tests.chaos.ledger $(ARGS)

install: $(STAMP)

$(STAMP):
	@requirements/install.sh "$(PYTHON)" $(VENV)
	@rm -f $(VENV)/installed-* && touch $@
