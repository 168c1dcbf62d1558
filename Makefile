# The one door for people: `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help install demo up down status test test-pure test-spark bench licences audit lint clean

UV := .tools/bin/uv
PYTHON := .venv/bin/python
PURE := records monitors labeling models store
ROOMS := $(PURE) flows
SYNCED := .venv/.synced
STUDIO_SYNCED := deploy/label-studio/.venv/.synced
# Tests wait for services half of the time, so there is one worker more than cores; four at most, for the services' sake.
WORKERS := $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 4 ? n + 1 : 4)))
SPREAD := -n $(WORKERS) --dist loadfile
TEMPLATE := .local/label-studio-template/label_studio.sqlite3

export PYTHONUNBUFFERED := 1

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(SYNCED) $(TEMPLATE) ## Install everything into this folder (once: about 3 minutes and 2 GB)

demo: install ## Run the whole loop on real flights with the real services (ARGS="--help" for more)
	$(PYTHON) -m deploy.demo $(ARGS)

up: install ## Start Prefect, MLflow and Label Studio, on what the demo left if there is something
	$(PYTHON) -m deploy.stack up $(ARGS)

down: $(SYNCED) ## Stop what `make up` started
	$(PYTHON) -m deploy.stack down $(ARGS)

status: $(SYNCED) ## Show what `make up` started
	$(PYTHON) -m deploy.stack status $(ARGS)

test: install ## Run every test, a few files of them at a time (each starts services of its own)
ifdef ARGS
	$(PYTHON) -m pytest $(ARGS)
else
	$(PYTHON) -m pytest $(SPREAD)
endif

test-pure: $(SYNCED) ## Run the pure rooms' tests, which need no service, on every core
	$(PYTHON) -m pytest -m "not services and not spark" $(SPREAD) $(PURE) $(addprefix tests/,$(PURE)) $(ARGS)

test-spark: $(SYNCED) ## Run the tests of tables that Spark reads (installs pyspark; needs Java 17)
	$(UV) sync --locked --group spark
	$(PYTHON) -m pytest -m spark $(ARGS)

bench: $(SYNCED) ## Run every benchmark at full size and write docs/benchmarks (about three hours; ARGS="--quick" for a look)
	$(UV) sync --locked --project benchmarks/peers
	for name in alarms power slices decay label_bill streams exchange gate acceleration faults scale soak; do $(PYTHON) -m benchmarks.$$name $(ARGS); done

licences: install ## Write docs/licences.md: the licence of every package
	$(PYTHON) -m deploy.licences

audit: $(SYNCED) ## Look up known vulnerabilities of every package in the lock files (needs a network)
	$(PYTHON) -m deploy.audit

lint: $(SYNCED) ## Check style, types and who may import whom
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy $(ROOMS) deploy benchmarks tests
	.venv/bin/lint-imports

clean: ## Remove what was installed and what the demo left (not .local/stack)
	if [ -x $(PYTHON) ]; then $(PYTHON) -m deploy.stack down; fi
	rm -rf .venv deploy/label-studio/.venv .tools .local/demo .local/label-studio-template
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(UV):
	deploy/bootstrap-uv

$(SYNCED): pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked
	@touch $@

$(STUDIO_SYNCED): deploy/label-studio/pyproject.toml deploy/label-studio/uv.lock | $(UV)
	$(UV) sync --locked --project deploy/label-studio
	@touch $@

$(TEMPLATE): $(STUDIO_SYNCED) | $(SYNCED)
	@echo "Building Label Studio's empty database, once (about a minute) ..."
	$(PYTHON) -m deploy.studio
	@touch $@
