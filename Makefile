# Needs git, make and python3 (3.11 or newer, with venv). Everything else is pinned in the lock files.
# Options: PYTHON=<interpreter> for the first install; ARGS="…" is handed to the command behind the target.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:  # a virtual environment that broke off half-way must not count as made

# Containers like to set it. Then each of the hundreds of processes that tests start would compile every module it imports.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
LOCKED = $(PIP) check || { echo "pyproject.toml and the lock files disagree: make lock" >&2; exit 1; }
PYTHONS = $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)
# 3.14 is the newest that the pinned numba compiles for.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
# Files with compiled functions: when one changes, all are compiled again before anything trades.
KERNELS = $(shell grep -rlE --include='*.py' '\bn?jit\b' core strategies risk execution broker research)

# Three workers on two cores: a good part of the tests waits for processes. worksteal: the long ones come last.
PYTEST = $(BIN)/python -m pytest -q -n 3 --dist worksteal

# The client libraries that the paper gateway is tested against, one environment each: several own the same module name.
PEERS := ib_async ib_insync ibapi nautilus_old nautilus_new
PEER_FOLDER := .venv-peers

# $(call stage,name,command): runs one stage of `make test`, says how long it took, and names the one that failed.
define stage
@echo "== $(1)"; if $(2); then echo "   ok: $(1), $$SECONDS s"; else \
	echo "== make test: stage '$(1)' failed after $$SECONDS s" >&2; exit 1; fi
endef

.PHONY: help install train-tools demo test checked-types tests-passed test-quick drill bench lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.warm ## make .venv with the pinned libraries and compile the kernels (nothing to do when up to date)

train-tools: $(VENV)/.train ## add what `quantd train` needs: LightGBM and the ONNX exporter

demo: install ## trade a made-up market on the simulated venue, live on the screen
	@$(BIN)/quantd demo $(ARGS)

test: $(VENV)/.dev ## all checks that must pass before a commit
	$(call stage,lint,$(BIN)/ruff check .)
	$(call stage,format,$(BIN)/ruff format --check .)
	$(call stage,layers,$(BIN)/lint-imports --no-logo)
	@$(MAKE) --no-print-directory --jobs=4 checked-types tests-passed
	@echo "== make test: all stages passed"

# Side by side: the types take one core for longer than kernels and peers take the other, and go on in what the tests
# leave of both. Tests know nothing of this make.
checked-types: $(VENV)/.dev
	$(call stage,types,nice -n 19 $(BIN)/mypy)

tests-passed: $(VENV)/.warm $(VENV)/.peers
	$(call stage,tests,MAKEFLAGS= $(PYTEST) $(ARGS))

test-quick: $(VENV)/.dev $(VENV)/.warm ## the tests alone, without those marked slow
	@$(PYTEST) -m "not slow" $(ARGS)

drill: $(VENV)/.dev $(VENV)/.warm ## rehearse a failure for real: make drill NAME=kill9
	@$(BIN)/python -m tests.drills $(NAME) $(ARGS)

bench: install ## measure the speed of the public steps; prints JSON
	@$(BIN)/quantd bench $(ARGS)

$(BIN)/python:
	@for name in $(PYTHONS); do if $$name -c '$(SUPPORTED)' 2> /dev/null; then python=$$name; break; fi; done; \
	if [ -z "$${python-}" ]; then \
		echo "no Python 3.11 to 3.14 found: apt-get install python3, or make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	if ! $$python -c 'import ensurepip, venv' 2> /dev/null; then \
		echo "$$python cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; fi; \
	echo "making $(VENV) with $$($$python --version)"; $$python -m venv $(VENV)

# --no-build-isolation: the build tool is in the lock file too, so that nothing unpinned is downloaded.
$(VENV)/.runtime: requirements.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@$(LOCKED)
	@touch $@

# What trains models; the trader itself never loads it.
$(VENV)/.train: requirements-train.txt $(VENV)/.runtime
	$(PIP) install --require-hashes -r requirements-train.txt
	@touch $@

# The development lock holds the runtime lock's pins too, so the runtime stamp is set as well. --no-compile: pip would
# compile ten thousand modules one after the other (36 s); of the third that is imported, each is when it first is.
$(VENV)/.dev: requirements-dev.txt requirements.txt pyproject.toml | $(BIN)/python
	$(PIP) install --no-compile --require-hashes -r requirements-dev.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@$(LOCKED)
	@touch $(VENV)/.runtime $@

# No pip in them: the one of $(VENV) installs, so an environment costs its few files. `-j` makes them side by side.
$(PEER_FOLDER)/%/.made: tests/peers/requirements-%.txt | $(VENV)/.dev
	@rm -rf $(@D)
	@$(BIN)/python -m venv --without-pip $(@D)
	$(PIP) install --no-deps --no-compile --no-build-isolation --require-hashes -r $< \
		--target "$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	@touch $@

# One for Node.js; a machine without it goes without, and its test says so.
NPM := $(shell command -v npm)

$(PEER_FOLDER)/stoqey/.made: $(wildcard tests/peers/stoqey/*)
	@rm -rf $(@D) && mkdir -p $(@D)
	@cp tests/peers/stoqey/* $(@D)
	@cd $(@D) && $(NPM) ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error > /dev/null
	@touch $@

$(VENV)/.peers: $(PEERS:%=$(PEER_FOLDER)/%/.made) $(if $(NPM),$(PEER_FOLDER)/stoqey/.made)
	@touch $@

$(VENV)/.warm: $(VENV)/.runtime $(KERNELS)
	$(BIN)/quantd warm
	@touch $@

# Pins stay unless pyproject.toml forces a change; `make lock ARGS=--upgrade` takes the newest of everything.
# --fork-strategy fewest: one numpy for all Pythons, so that a journal replays alike on each of them.
LOCK_PINS = compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links --annotation-style line $(ARGS)
LOCK = $(LOCK_PINS) --extra build

lock: $(BIN)/python ## write the lock files again from pyproject.toml
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(BIN)/python -m venv "$$tools"; "$$tools/bin/pip" install --quiet uv; \
	"$$tools/bin/uv" pip $(LOCK) --extra train --extra dev -o requirements-dev.txt pyproject.toml > /dev/null; \
	"$$tools/bin/uv" pip $(LOCK) -c requirements-dev.txt -o requirements.txt pyproject.toml > /dev/null; \
	"$$tools/bin/uv" pip $(LOCK) --extra train -c requirements-dev.txt -o requirements-train.txt pyproject.toml > /dev/null; \
	for peer in $(PEERS); do "$$tools/bin/uv" pip $(LOCK_PINS) -c requirements-dev.txt \
		-o tests/peers/requirements-$$peer.txt tests/peers/requirements-$$peer.in > /dev/null; done; \
	sed -i '1i # Made by `make lock` from pyproject.toml; not edited by hand.' requirements.txt requirements-train.txt requirements-dev.txt; \
	sed -i '1i # Made by `make lock` from the .in file beside it; not edited by hand.' $(PEERS:%=tests/peers/requirements-%.txt)

clean: ## remove everything that make made
	rm -rf $(VENV) $(PEER_FOLDER) *.egg-info build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
