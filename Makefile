# doorward: every command a person or CI needs. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv 2>/dev/null),.tools/uv/bin/uv)

# Each candidate is run, not just found: a version manager's shim exists and still fails.
define FIND_PYTHON
for candidate in "$${UV_PYTHON:-}" $$(ls -d "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3.13 2>/dev/null | sort -Vr) $$(type -aP python3.13 python3 2>/dev/null || true); do \
  [ -n "$$candidate" ] && "$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1 && { echo "$$candidate"; break; }; \
done || true
endef

export UV_COMPILE_BYTECODE := 1
export UV_SYSTEM_CERTS := 1
export SAM_CLI_TELEMETRY := 0
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Cold imports without .pyc are three to four times slower, in tests, the demo and the layers alike.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo demo-all test check peers bench oracle converge build lint types clean

help: ## what each command does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: .venv/.synced ## make .venv with everything (downloads Python 3.13 by uv if the machine has none)

.venv/.synced: pyproject.toml uv.lock .python-version | .tools/uv-ready
	@echo "setup: Python packages into .venv"
	@python="$$($(FIND_PYTHON))"; UV_PYTHON="$${python:-3.13}" $(UV) sync --frozen --quiet \
	  || { echo "setup: 'uv sync' failed (see above). If no Python 3.13 was found and none can be downloaded, install one and run: UV_PYTHON=/path/to/python3.13 make setup" >&2; exit 1; }
	@touch $@

.tools/uv-ready:
	@mkdir -p .tools
	@command -v uv >/dev/null 2>&1 || { echo "setup: uv $(UV_VERSION) into .tools"; \
	  { python3 -m venv .tools/uv && .tools/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); } \
	  || { echo "setup: needs uv, or a python3 with venv (Debian: apt install python3-venv). Install one of them and run make setup again." >&2; exit 1; }; }
	@touch $@

build: setup ## sam build, then byte-compile the layers
	@python -m local.build

demo: build ## the whole product on this machine: five accounts, an attack, what Doorward did (KEEP=1 to look around, CHAPTER=name for another)
	@python -m local.demo $(if $(KEEP),--keep) $(if $(CHAPTER),--chapter '$(CHAPTER)')

demo-all: build ## every chapter of the demo, in about four minutes
	@python -m local.demo --all $(if $(KEEP),--keep)

test: setup ## every test: unit, contract, handlers, template, local stack
	@python -m local.build
	@pytest -n 2 --dist loadgroup

check: lint types test ## what CI runs

lint: setup
	@ruff check . && ruff format --check . && lint-imports && cfn-lint template.yaml accounts/*.yaml

types: setup
	@mypy

peers: .tools/peers/.ready ## what bench measures Doorward beside, in environments of their own (needs Node 20 or later)

# --no-config: the pins are complete, and the overrides of pyproject.toml are not for them.
.tools/peers/.ready: bench/peers/requirements-parliament.txt bench/peers/package.json bench/peers/package-lock.json bench/peers/simulate.mjs | setup
	@echo "peers: parliament and iam-simulate into .tools/peers"
	@mkdir -p .tools/peers/node
	@$(UV) venv --quiet --clear --python .venv/bin/python .tools/peers/parliament
	@$(UV) pip install --no-config --quiet --python .tools/peers/parliament --require-hashes -r bench/peers/requirements-parliament.txt
	@cp bench/peers/package.json bench/peers/package-lock.json bench/peers/simulate.mjs .tools/peers/node
	@cd .tools/peers/node && npm ci --no-audit --no-fund --silent \
	  || { echo "peers: 'npm ci' failed in .tools/peers/node; it needs Node 20 or later and the npm registry. Install Node and run make peers again." >&2; exit 1; }
	@touch $@

bench: build peers ## measure what docs/performance.md states, beside its peers (ROWS='judging importing' for some, ROWS=stack_rate for the local stack, QUICK=1 for less)
	@python -m bench $(ROWS) $(if $(QUICK),--quick)

oracle: setup ## 100,000 drawn policies, decided by the search and by cvc5: they must agree (some 16 min on two cores; POLICIES=1000 for fewer)
	@python -m tests.oracle.run $(if $(POLICIES),--policies $(POLICIES))

converge: setup ## 10,000 bad days of one account: every call can fail, every message be late, doubled or lost (about 15 min; SCHEDULES=500 for fewer)
	@SCHEDULES=$(or $(SCHEDULES),10000) pytest -q -n 0 tests/property/test_converge.py

clean: ## remove what was built
	@rm -rf .aws-sam .demo
