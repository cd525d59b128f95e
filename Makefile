# Everything that people and CI type. Each target makes its own virtual environment first, with the versions of ci/requirements-dev.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo unit test test-long browser check lint format schemas docs pictures site locks judges editor fuzz mutation bench profile dist wheels-only clean

help:                     ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP)            ## the main job on the embedded emulator: plan, apply, drift, repair
	$(BIN)/exolink-reconcile demo

unit: $(STAMP)            ## what runs without a process or a server: seconds
	$(BIN)/python -m pytest -n 2 tests/unit tests/kinds tests/golden

test: $(STAMP)            ## the whole fast suite
	$(BIN)/python -m pytest -n 4

test-long: $(STAMP)       ## everything, hours: all faults, many examples, fuzzing; prints the figures of docs/reliability.md
	$(BIN)/python -m pytest -n 4 -m "" --timeout=1800
	bash tests/fuzz/run.sh 60

browser: $(STAMP)         ## the HTML plan in headless Chromium (Debian: apt-get install chromium chromium-driver); prints what a key costs
	npm install --silent --no-fund --no-audit --prefix .cache/axe axe-core@4.14.1 || echo "axe-core cannot be installed: its tests are skipped"
	$(BIN)/python -m pytest -m "" -rs tests/browser

check: lint test site     ## what CI runs

lint: $(STAMP)            ## format, lint, types, import contracts, the API description
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m openapi_spec_validator schemas/exolink-api.openapi.yaml

format: $(STAMP)          ## write the code as the formatter and the linter want it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: $(STAMP)         ## generate schemas/ from the kinds
	$(BIN)/exolink-reconcile schema config > schemas/exolink-config.schema.json
	$(BIN)/exolink-reconcile schema plan > schemas/exolink-plan.schema.json

docs: $(STAMP)            ## generate what docs/reference takes from the code, then build the site
	$(BIN)/python docs/generate.py
	$(MAKE) site

pictures: $(STAMP)        ## draw the pictures of README and site anew (needs chromium)
	$(BIN)/python docs/pictures.py

site: $(STAMP)            ## build the documentation into site/; a dead link or anchor is an error
	$(BIN)/sphinx-build -b html --fail-on-warning --keep-going --quiet docs site

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make locks"
locks: $(STAMP)           ## what the action and the image install, by hash; add UPGRADE=--upgrade for the newest
	$(LOCK) $(UPGRADE) --all-extras -o ci/requirements.txt pyproject.toml
	echo 'hatchling>=1.27' | $(LOCK) $(UPGRADE) -o ci/build-requirements.txt -
	$(LOCK) $(UPGRADE) --group release -o ci/release-requirements.txt
	$(LOCK) $(UPGRADE) --all-extras --group dev --group docs -o ci/requirements-dev.txt pyproject.toml

dist: $(STAMP)            ## wheel, source and SBOM into dist/, built with the locked backend
	rm -rf dist .cache/release
	$(BIN)/uv build --quiet --out-dir dist --build-constraints ci/build-requirements.txt --require-hashes
	$(BIN)/uv venv --quiet --python $(BIN)/python .cache/release
	$(BIN)/uv pip install --quiet --python .cache/release/bin/python --require-hashes --only-binary :all: -r ci/release-requirements.txt
	.cache/release/bin/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml -o dist/sbom.cdx.json ci/requirements.txt

wheels-only: dist         ## does it install without a compiler: each Python and platform that we name
	bash tests/judges/wheels.sh dist/*.whl

fuzz: $(STAMP)            ## atheris over YAML, tables, lists, journal and neutraliser: 60 s each
	bash tests/fuzz/run.sh 60

mutation: $(STAMP)        ## small mistakes in the code: which ones no test notices (20 minutes)
	$(BIN)/python tests/mutation/run.py

judges: $(STAMP)          ## terraform, OPA, checkov ... read our plan JSON (installs them; minutes)
	bash tests/judges/run.sh .cache/judges
	bash tests/judges/pipelines.sh .cache/judges

editor: $(STAMP)          ## yaml-language-server with our schema: completion, hover, diagnostics (needs npm; half a minute)
	bash tests/editor/run.sh .cache/editor

bench: $(STAMP)           ## the goals of docs/performance.md, measured beside Terraform and octoDNS (half an hour)
	[ -x .cache/bench-venv/bin/octodns-sync ] || { $(BIN)/uv venv -q -p $(BIN)/python .cache/bench-venv && \
	  $(BIN)/uv pip install -q -p .cache/bench-venv/bin/python octodns==1.22.0; } || echo "octoDNS cannot be installed"
	$(BIN)/python -m benchmarks $(ROWS)

profile: $(STAMP)         ## where the time and memory of a plan of 100,000 chargers go
	$(BIN)/python -m benchmarks.profile

$(STAMP): pyproject.toml ci/requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' ci/requirements-dev.txt)"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint ci/requirements-dev.txt --editable . --group dev --group docs
	touch $(STAMP)

clean:                    ## remove what the targets made
	rm -rf $(VENV) .cache site dist
