# Two commands on a bare machine with Python 3.11 to 3.13: `make up` and `make test`. Both set up first and are quick the second time.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 3  # on two cores too: crash tests and brokers mostly wait

.PHONY: up test check lock audit sbom kafka bigquery clean help

help:
	@echo "make up     set up, run the products on sandbox sources, open Dagster on http://localhost:3000"
	@echo "make test   set up and run the tests"
	@echo "make check  lint and type check"
	@echo "make lock   resolve the dependencies again into requirements.lock"
	@echo "make audit  ask a database of advisories about every package of the lock"
	@echo "make sbom   write a bill of materials of the lock, dist/sbom.cdx.json (CycloneDX)"
	@echo "make kafka  run a real Kafka broker of the tests' own (Java 17, Maven), for as long as you like"
	@echo "make bigquery  install the BigQuery emulator of the tests, in an environment of its own"

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found; install one, or: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "$(PYTHON) is not 3.11 to 3.13; try: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON); one to three minutes the first time ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
	@echo "Done."

up: $(VENV)/.installed
	@$(BIN)/dataproducts up

test: $(VENV)/.installed
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

check: $(VENV)/.installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lock: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --extra dev --no-header --no-annotate -o requirements.lock

audit: $(VENV)/.installed
	@mkdir -p dist && rm -f dist/audit.json
	@$(BIN)/uvx -q --from pip-audit==2.10.1 pip-audit -r requirements.lock --no-deps --disable-pip -f json -o dist/audit.json 2>dist/audit.log || true
	@$(BIN)/python .ci/dependencies.py audit dist/audit.json

sbom: $(VENV)/.installed
	@mkdir -p dist
	@PYTHONWARNINGS=ignore $(BIN)/uvx -q --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o dist/sbom.cdx.json
	@$(BIN)/python .ci/dependencies.py listed dist/sbom.cdx.json

kafka: $(VENV)/.installed
	@$(BIN)/python -m tests.kafka

bigquery: $(VENV)/.installed
	@BQEMULATOR=1 $(BIN)/python -m tests.bigquery

clean:
	rm -rf $(VENV) .dataproducts .venv-bqemulator .kafka
