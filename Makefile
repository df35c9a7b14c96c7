# Every target works on a fresh clone: it makes what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo docs test browser containers pictures chaos fuzz check bench audit lock wheels image clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: setup ## For example: make demo ARGS="--kill-worker --keep"
	$(BIN)/rollwright demo $(ARGS)

docs: setup ## The documentation, into site/; a dead link fails.
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup
	$(BIN)/python -m rollwright.devcluster.build
	$(BIN)/pytest

browser: setup ## What people see in a browser; needs Chromium on PATH.
	$(BIN)/python -m rollwright.devcluster.build
	$(BIN)/pytest tests/browser

containers: setup ## rollwright in containers; needs Docker, without which it is skipped.
	$(BIN)/python -m rollwright.devcluster.build
	$(BIN)/pytest tests/containers

pictures: setup ## What the README and docs/ show, made anew by the programs themselves; needs Chromium and colour emoji.
	$(BIN)/python -m rollwright.devcluster.build
	$(BIN)/rollwright plan -f examples/rollout.yaml --offline --start-up 30m --svg docs/plan.svg
	$(BIN)/rollwright demo --kill-worker --svg docs/demo.svg
	$(BIN)/python -m tests.browser.pictures docs/pictures

chaos: setup ## For example: make chaos ROUNDS=200; make chaos SEED=7 ROUNDS=1; make chaos PLAN=plan.json
	@$(BIN)/python -m rollwright.devcluster.build >&2
	@$(BIN)/python -m tests.chaos $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED)) $(if $(PLAN),--plan $(PLAN))

fuzz: setup ## What files, messages and clusters may hold, drawn anew for so long: make fuzz MINUTES=10
	@$(BIN)/python -m tests.support.fuzz $(if $(MINUTES),--minutes $(MINUTES))

bench: setup ## For example: make bench ONLY=stragglers; its parts are in tests/bench/__main__.py
	@$(BIN)/python -m rollwright.devcluster.build >&2
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

audit: ## Known vulnerabilities of what is pinned; asks PyPI, and fails where that doesn't know a package.
	$(PYTHON) -m venv build/audit
	build/audit/bin/pip install --quiet pip-audit
	build/audit/bin/pip-audit --strict --disable-pip --requirement deploy/requirements.lock --requirement requirements.lock

LOCK := uv pip compile --generate-hashes --no-header --no-emit-index-url --universal --python-version 3.11

lock: ## Pins anew what pyproject.toml asks for; of that what the image alone needs, and what builds it; needs uv.
	$(LOCK) pyproject.toml --extra dev --extra docs --extra image --extra test --output-file requirements.lock
	$(LOCK) pyproject.toml --constraint requirements.lock --output-file deploy/requirements.lock
	printf 'cyclonedx-bom\nhatchling\n' | $(LOCK) - --constraint requirements.lock --output-file deploy/build.lock

WHEELS := dist/wheels/.complete$(PYTHON_VERSION)

wheels: $(WHEELS) ## All that `make image` installs, into dist/wheels; for another Python: make wheels PYTHON_VERSION=3.13

$(WHEELS): deploy/requirements.lock deploy/build.lock | setup
	$(BIN)/python -m pip download --quiet --no-deps --require-hashes --only-binary :all: --dest dist/wheels \
	    $(if $(PYTHON_VERSION),--python-version $(PYTHON_VERSION)) \
	    --requirement deploy/requirements.lock --requirement deploy/build.lock
	touch $@

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE ?= rollwright:$(VERSION)

image: ## With dist/wheels, without a network; for example: make image IMAGE=registry.internal/rollwright:1 BASE_IMAGE=...
	docker build --quiet --file deploy/Dockerfile --tag $(IMAGE) \
	    $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
	    $(if $(wildcard dist/wheels/*.whl),--build-arg PIP_NO_INDEX=1 --network none) \
	    --build-arg VERSION=$(VERSION) --build-arg SOURCE=$(SOURCE) \
	    --build-arg REVISION=$(shell git rev-parse HEAD) --build-arg CREATED=$(shell git log -1 --format=%cI) .

clean:
	rm -rf $(VENV) dist build site .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
