# Two commands set everything up on a fresh machine: `make demo` and `make test`. CI calls `make check test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_ARGS ?=
TEST_ARGS ?=
FUZZ_CASES ?= 2000
PROOF_RUNS ?= 300
BENCH_ARGS ?=
CHAOS_MINUTES ?= 10
CHAOS_SEEDS ?= 1 2 3

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once)"
	@$(PYTHON) -c 'import sys; sys.exit("Paystream needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: setup
setup: $(STAMP) ## Create .venv with everything in it

.PHONY: demo
demo: $(STAMP) ## The main job end to end on the embedded stack, with a proof at the end
	@$(BIN)/paystream demo $(DEMO_ARGS)

.PHONY: up
up: $(STAMP) ## The same stack, kept running on fixed ports until Ctrl-C
	@$(BIN)/paystream up

# Some environments forbid Python to keep what it has compiled; every process that a test starts would compile it again.
.PHONY: test
test: $(STAMP) ## Every test, on a real broker and a real PostgreSQL
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadgroup $(TEST_ARGS)

.PHONY: check
check: $(STAMP) ## Lint, types, import law, compose file, wire contract, lifecycle document
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/paystream topics export-asyncapi --check docs/asyncapi.json
	@$(BIN)/paystream docs lifecycle --check docs/lifecycle.md
	@$(BIN)/paystream docs gateways --check docs/gateways.md
	@$(BIN)/paystream docs openapi --check docs/openapi.json
	@if docker compose version >/dev/null 2>&1; then docker compose config --no-interpolate --quiet && echo "docker-compose.yml is valid"; \
	else echo "docker compose is not here: docker-compose.yml is checked by tests/unit/test_compose.py alone"; fi
	@report=$$(timeout 90 $(BIN)/pip-audit --progress-spinner off --skip-editable --timeout 5 2>&1); code=$$?; \
	if grep -qE '^Found [0-9]+ known vulnerabilit' <<<"$$report"; then echo "pip-audit, which fails no check:"; echo "$$report"; \
	elif [ $$code -ne 0 ] || grep -q 'could not be audited' <<<"$$report"; then \
	echo "pip-audit had no answer for all packages: known vulnerabilities were not looked for everywhere"; \
	else echo "pip-audit knows of no vulnerability in what is installed"; fi

.PHONY: api-fuzz
api-fuzz: $(STAMP) ## Thousands of generated requests to every operation of the API (FUZZ_CASES=10000 for more)
	@PAYSTREAM_API_FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest tests/api_contract

.PHONY: settlement-proof
settlement-proof: $(STAMP) ## Hundreds of random lives of settlement, killed at any statement (PROOF_RUNS=1000 for more)
	@PAYSTREAM_SETTLEMENT_RUNS=$(PROOF_RUNS) $(BIN)/python -m pytest tests/property/test_settlement_machine.py

.PHONY: fuzz
fuzz: $(STAMP) ## Every hostile value in every place of every gateway's callbacks, and FUZZ_CASES made-up ones for each
	@PAYSTREAM_FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest tests/hostile/test_connector_parsers.py --timeout 3600

.PHONY: fmt
fmt: $(STAMP) ## Format and fix what can be fixed
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

.PHONY: bench
bench: $(STAMP) ## Speed, latency and growth as ratios against baselines of the same run (BENCH_ARGS=--quick to try)
	@$(BIN)/paystream bench all $(BENCH_ARGS)

.PHONY: chaos
chaos: $(STAMP) ## Faults on purpose under load, each seed with a verdict (CHAOS_MINUTES=10 CHAOS_SEEDS="1 2 3")
	@for seed in $(CHAOS_SEEDS); do $(BIN)/paystream chaos --minutes $(CHAOS_MINUTES) --seed $$seed \
	--json .paystream/chaos/seed-$$seed.json || exit 1; done

.PHONY: constraints
constraints: ## Write the versions of the present .venv to constraints.txt
	@{ echo '# Exact versions everything here is tested with. Made by: make constraints'; \
	$(BIN)/python -m pip freeze --exclude-editable; $(BIN)/python -m pip list --format=freeze | grep "^setuptools=="; } > constraints.txt

.PHONY: clean
clean: ## Remove the virtual environment and the embedded stack's data
	@-$(BIN)/paystream dev down 2>/dev/null
	@rm -rf $(VENV) .paystream
