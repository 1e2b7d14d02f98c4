# Everything that a clone needs: `make demo` runs real jobs here, `make test` proves the promises.
.DEFAULT_GOAL := help
.PHONY: help setup demo simulate chaos mutants image-check test quick check types wheel bench profile local deploy destroy lock schemas clean

# The first Python that is new enough; name another with `make PYTHON=...`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Python keeps what it compiled, pytest its rewritten tests: else each of the many processes here does it anew.
unexport PYTHONDONTWRITEBYTECODE
READY := .venv/.ready

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(READY)

$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Jobferry needs Python 3.11 or newer, with its venv module: name one with make PYTHON=..."; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

simulate: $(READY) ## Simulate a minute of seeded histories of faults, and scripted redrives, and check every promise
	@$(BIN)/python -m tests.sim
	@$(BIN)/python -m tests.sim --redrives

chaos: $(READY) ## Real workers on the local AWS, killed and lied to
	@$(BIN)/python -m tests.chaos

# Which sample: `make mutants SAMPLE=200 SEED=7 ONLY="service/core/policy workers/sweeper.py:68"`; SAMPLE=0 is all of them.
mutants: $(READY) ## Change the program in small ways, and show the changes that no test notices
	@$(BIN)/python -m tests.mutants $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

image-check: $(READY) ## Build and run the images, without Docker or a registry; INSTALL=1 brings the tools
	@$(BIN)/python -m tests.image $(if $(filter-out 0,$(INSTALL)),--install)

demo: $(READY) ## Run real jobs end to end on an embedded AWS
	@$(BIN)/jobferry demo

local: $(READY) ## Run the whole system here until Ctrl-C, for your own clients
	@$(BIN)/jobferry local

# The stack's name; `make deploy` also takes BUCKET=..., TAGS="name=value ..." and PARAMETERS="Name=value ..." of
# deploy/template.yaml.
STACK ?= jobferry
ON_AWS = $(BIN)/python -m deploy.on_aws $@ --stack $(STACK) $(if $(filter-out 0,$(DRY_RUN)),--dry-run)
FORCED = $(if $(filter-out 0,$(FORCE)),--force)

deploy: $(READY) ## Make or change the stack STACK on AWS; with DRY_RUN=1 only show the change set
	@$(ON_AWS) $(if $(BUCKET),--bucket $(BUCKET)) $(addprefix --tag ,$(TAGS)) $(PARAMETERS)

destroy: $(READY) ## Delete the stack STACK; logs and records stay; DRY_RUN=1 only shows, FORCE=1 stops running jobs
	@$(ON_AWS) $(FORCED)

# Side by side; what they share and in which order they begin is for tests/support/side_by_side.py to say.
PYTEST := $(BIN)/python -m pytest -n auto --no-loadscope-reorder

test: $(READY) ## Run every test
	@command -v chromium >/dev/null && $(BIN)/python -c 'import playwright' 2>/dev/null || echo "Skipping the page in a\
 browser: apt-get install chromium, and $(BIN)/pip install -r requirements/browser.txt bring it."
	@$(PYTEST)

# Plugins that no test there uses, and that each process would take half a second to load.
LEFT_OUT := -p no:schemathesis -p no:anyio

quick: $(READY) ## Run the tests of a minute's work: the units, and the contracts of the local AWS
	@$(PYTEST) $(LEFT_OUT) tests/unit tests/contracts

check: $(READY) ## Lint, types, architecture, templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint deploy/template.yaml deploy/examples/*.yaml service/operator/new_image/task.yaml
	$(BIN)/python -m schemas.export --check
	$(BIN)/python -m service.api.export --check
	$(BIN)/python -m service.operator.reference --check

wheel: $(READY) ## Build the wheel, and try it in empty environments
	@$(BIN)/python -m tests.wheel

types: $(READY) ## Generate TypeScript, Python and Go types from the schemas, and use them (needs npm; Go where it is)
	@$(BIN)/python -m tests.generated_types

# Parts of it: `make bench ONLY="intake lives"`; ROUNDS=9 makes medians steadier.
bench: $(READY) ## Measure what a job costs, as ratios in one run, and price it
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS))

profile: $(READY) ## Draw flame graphs of intake and completion
	@$(BIN)/python -m tests.bench.profile

schemas: $(READY) ## Export the JSON Schemas, the OpenAPI document, and docs/cli.md
	@$(BIN)/python -m schemas.export
	@$(BIN)/python -m service.api.export
	@$(BIN)/python -m service.operator.reference

lock: ## Resolve the dependencies anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra dev pyproject.toml -o requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements/dev.txt requirements/worker.in -o requirements/worker.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements/dev.txt requirements/lambda.in -o requirements/lambda.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements/dev.txt requirements/api.in -o requirements/api.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements/dev.txt requirements/console.in -o requirements/console.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements/dev.txt requirements/build.in -o requirements/build.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements/dev.txt requirements/pictures.in -o requirements/pictures.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements/dev.txt requirements/types.in -o requirements/types.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		requirements/uv.in -o requirements/uv.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		-c requirements/dev.txt requirements/browser.in -o requirements/browser.txt

clean: ## Remove all that was made
	rm -rf .venv .jobferry build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
