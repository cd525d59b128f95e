# Everything a person or CI types. Each target makes its own virtual environment first; `make demo` needs nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-long check lint format schemas judges fuzz mutation clean

demo: $(STAMP)            ## the main job on the embedded emulator: plan, apply, drift, repair
	$(BIN)/exolink-reconcile demo

test: $(STAMP)            ## the whole fast suite
	$(BIN)/python -m pytest -n 4

test-long: $(STAMP)       ## everything, half an hour: all faults, many examples, fuzzing; prints the figures of docs/reliability.md
	$(BIN)/python -m pytest -n 4 -m "" --timeout=1800
	bash tests/fuzz/run.sh 60

check: lint test          ## what CI runs

lint: $(STAMP)            ## format, lint, types, import contracts, the API description
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m openapi_spec_validator schemas/exolink-api.openapi.yaml

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: $(STAMP)         ## generate schemas/ from the kinds
	$(BIN)/exolink-reconcile schema config > schemas/exolink-config.schema.json
	$(BIN)/exolink-reconcile schema plan > schemas/exolink-plan.schema.json

fuzz: $(STAMP)            ## atheris over YAML, lists, journal and neutraliser: 60 s each
	bash tests/fuzz/run.sh 60

mutation: $(STAMP)        ## small mistakes in planner, differ, journal, retries: which ones no test notices (20 minutes)
	$(BIN)/python tests/mutation/run.py

judges: $(STAMP)          ## terraform, OPA, checkov ... read our plan JSON (installs them; minutes)
	bash tests/judges/run.sh .cache/judges

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable . --group dev
	touch $(STAMP)

clean:
	rm -rf $(VENV) .cache
