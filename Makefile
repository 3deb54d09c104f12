# One file says how everything is run; CI runs the same targets. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

FOR ?=
ARGS ?=
TESTS ?= firehose_dagster_tests
# Processes that `make test` runs tests in, each with a JVM of its own; 0 for one without any.
WORKERS ?= 2

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(INSTALLED) ## Make .venv from the lock, check Java, fetch the jars; quick where that was done
	@$(BIN)/firehose setup

$(INSTALLED): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + "; name another one: make setup PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/uv --version 2>/dev/null | grep -qF 'uv $(UV_VERSION)' || $(BIN)/python -m pip install --quiet 'uv==$(UV_VERSION)'
	$(BIN)/uv sync --locked --quiet
	@touch $@

.PHONY: demo
demo: $(INSTALLED) ## Run everything on this machine; FOR=90 stops 90 s after the first trade and verifies; ARGS="--symbols BTCUSDT"
	@$(BIN)/firehose demo $(if $(FOR),--for $(FOR)) $(ARGS)

.PHONY: test
test: setup ## Run the tests but for the slow ones; none needs Docker or the internet; TESTS=path to choose
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder -m 'not slow and not chaos and not n8n' $(TESTS)

.PHONY: test-slow
test-slow: setup ## Run the tests that take long or kill processes (markers slow, chaos)
	$(BIN)/pytest -m '(slow or chaos) and not n8n and not long' --ignore=firehose_dagster_tests/stack $(TESTS)

.PHONY: test-long
test-long: setup ## Run the tests that take minutes each: a killed code server, lakes of earlier commits (not in CI)
	$(BIN)/pytest -m long $(TESTS)

.PHONY: test-stack
test-stack: setup ## Run the stack's services as plain processes, kill each, verify; needs PostgreSQL's programs, no Docker
	$(BIN)/pytest -m stack firehose_dagster_tests/stack

.PHONY: compose
compose: $(INSTALLED) ## Check the compose file and the Dockerfiles; needs no Docker
	@env_file=$$(mktemp); trap 'rm -f "$$env_file"' EXIT; STACK_ENV_FILE=$$env_file $(PYTHON) docker/fill_secrets.py >/dev/null; \
		$(BIN)/docker-compose --env-file "$$env_file" --profile '*' config --quiet
	$(BIN)/hadolint docker/*/Dockerfile
	sh -n docker/n8n/start.sh

.PHONY: up
up: ## Build and start the stack with Docker Compose; prints the URL of every UI once it answers
	@$(PYTHON) docker/fill_secrets.py
	docker compose up --detach --build
	@docker compose config --format json | $(PYTHON) docker/user_interfaces.py

.PHONY: down
down: ## Stop the stack; its data stays
	docker compose --profile '*' down

.PHONY: smoke
smoke: ## Ask the running stack: a message through Kafka, a table through catalog and store
	docker compose exec code-location firehose smoke

.PHONY: test-n8n
test-n8n: setup ## Build a real n8n where it is not there (5 minutes, 2.8 GB, needs npm) and run the flows on it
	$(BIN)/python -m firehose_dagster_tests.n8n.install
	$(BIN)/pytest -m n8n $(TESTS)

.PHONY: lint
lint: $(INSTALLED) ## Check style, format, types, import directions and the lock
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy -p firehose_dagster -p firehose_dagster_tests
	$(BIN)/lint-imports
	$(BIN)/uv lock --check

.PHONY: format
format: $(INSTALLED) ## Format the code and repair what ruff can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: bench
bench: setup ## Run every benchmark, one after the other; NAME=freshness for one of them
	@for run in benchmarks/$(or $(NAME),*)/run.py; do \
		name=$$(basename "$$(dirname "$$run")"); echo "== $$name"; $(BIN)/python -m "benchmarks.$$name.run" $(ARGS); \
	done

.PHONY: crash-sweep
crash-sweep: setup ## Kill the stream at each named point, twice in a row, and judge the lake; ARGS="--points silver-committed"
	$(BIN)/python -m firehose_dagster_tests.chaos.sweep $(ARGS)

.PHONY: chaos
chaos: setup ## Kill random processes under a disturbed feed, a verdict each; N=20, SEED=1, ARGS=--dagster
	$(BIN)/python -m firehose_dagster_tests.chaos.kills --kills $(or $(N),20) --seed $(or $(SEED),1) $(ARGS)

.PHONY: faults
faults: setup ## Seeded fault scripts against one running pipeline, a verdict each; N=20, SEED=1, ARGS=--without-heal
	$(BIN)/python -m firehose_dagster_tests.faults.run --scripts $(or $(N),20) --seed $(or $(SEED),1) $(ARGS)

.PHONY: guards
guards: setup ## Take guards out of the code, one at a time, and see their tests fail; ARGS="--lists expiry lease"
	$(BIN)/python -m firehose_dagster_tests.guards.run $(ARGS)

.PHONY: docs
docs: setup ## Take the README's pictures of the running UI; needs Chromium and chromedriver
	FIREHOSE_IMAGES=docs/images $(BIN)/pytest -m chaos -k 'graph or materializ or checks_of_silver' firehose_dagster_tests/demo
	FIREHOSE_IMAGES=docs/images $(BIN)/pytest -k 'nothing_is_cut_off and wide' firehose_dagster_tests/api/test_page.py

.PHONY: clean
clean: ## Remove .venv and caches; asks before it deletes the stack's data; homes and jars are left
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@volumes=$$(docker volume ls --quiet --filter label=com.docker.compose.project=crypto-firehose 2>/dev/null) || true; \
	if [[ -n "$$volumes" ]]; then \
		echo "The stack's data is in the volumes:" $$volumes; \
		read -r -p "Delete it for good? [y/N] " answer || answer=n; \
		if [[ "$$answer" == y ]]; then docker compose --profile '*' down --volumes; else echo "kept"; fi; \
	fi
