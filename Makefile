# Every target works on a fresh clone: it makes what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo docs test browser pictures chaos check bench lock clean

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

pictures: setup ## What the README and docs/ show, made anew by the programs themselves; needs Chromium and colour emoji.
	$(BIN)/python -m rollwright.devcluster.build
	$(BIN)/rollwright plan -f examples/rollout.yaml --offline --start-up 30m --svg docs/plan.svg
	$(BIN)/rollwright demo --kill-worker --svg docs/demo.svg
	$(BIN)/python -m tests.browser.pictures docs/pictures

chaos: setup ## For example: make chaos ROUNDS=200; make chaos SEED=7 ROUNDS=1; make chaos PLAN=plan.json
	@$(BIN)/python -m rollwright.devcluster.build >&2
	@$(BIN)/python -m tests.chaos $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED)) $(if $(PLAN),--plan $(PLAN))

bench: setup ## For example: make bench ONLY=stragglers; its parts are in tests/bench/__main__.py
	@$(BIN)/python -m rollwright.devcluster.build >&2
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

LOCK := uv pip compile pyproject.toml --generate-hashes --no-header --no-emit-index-url --universal --python-version 3.11

lock: ## Pins anew what pyproject.toml asks for, and for the image what it alone needs of that; needs uv.
	$(LOCK) --extra dev --extra docs --extra image --extra test --output-file requirements.lock
	$(LOCK) --constraint requirements.lock --output-file deploy/requirements.lock

clean:
	rm -rf $(VENV) dist build site .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
