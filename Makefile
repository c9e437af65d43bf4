# The single list of verbs: `make help`. `make demo` and `make test` set everything up by themselves.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

# The first Python that is new enough; choose another with `make PYTHON=/path/to/python …`.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v "$$python" && break; done)
VENV := .venv
BIN := $(VENV)/bin
UV := .uv/bin/uv
KGX := tests/fixtures/kgx
WORKERS ?= 3
GENERATED := tests/topology/test_configuration_documents.py::test_committed_documents_are_current \
	tests/docs/test_error_table.py::test_the_page_is_current \
	tests/events/test_event_schemas.py::test_the_document_is_current

export PYTHONUTF8 := 1
export NO_MKDOCS_2_WARNING := 1
export UV_PYTHON_DOWNLOADS := never

.PHONY: help setup models check generate test test-services test-all bench docs demo wheel lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

setup: $(VENV)/.ready models ## environment, locked dependencies, models (done by the verbs that need it)

models: $(VENV)/.ready ## brings the models that are missing
	@$(BIN)/medkg models fetch

check: $(VENV)/.ready ## style, types, architecture, dependencies, spelling, secrets
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry src
	$(BIN)/codespell
	$(BIN)/interrogate --quiet src
	if git rev-parse --git-dir >/dev/null 2>&1; then $(BIN)/gitleaks git --no-banner --redact --log-level warn .; fi
	$(BIN)/pytest --quiet --no-header -p no:cacheprovider $(GENERATED)

test: setup .kgx/.ready ## every test that needs no outside server, with the coverage of orchestration
	rm -f .coverage .coverage.*
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not service and not bench" --cov --cov-report=term $(TESTS)
	@printf 'Coverage of orchestration: '; $(BIN)/coverage report --include='*/orchestration/*' --format=total --fail-under=90

test-services: setup ## the tests that need PostgreSQL, Kafka and S3: those are started on loopback; one that is missing is an error
	MK_REQUIRE_SERVICES=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "service and not bench" $(TESTS)

# The chaos tests in their long form: kills on each database; documents, and seconds without PostgreSQL and Kafka. tests/README.md
# says how to run a part of it again.
test-all: export MK_CHAOS_ROUNDS ?= 200
test-all: export MK_CHAOS_DOCUMENTS ?= 500
test-all: export MK_CHAOS_POSTGRES_SECONDS ?= 20
test-all: export MK_CHAOS_KAFKA_SECONDS ?= 60
test-all: export MK_INDEX_KILLS ?= 500
test-all: export MK_RETRIEVAL_QUALITY ?= 1
test-all: export MK_PDF_QUALITY ?= 1
test-all: export MK_NEO4J_KILLS ?= 10
test-all: export MK_TAGGER_QUALITY ?= 1
test-all: setup .kgx/.ready ## everything, long parts included
	rm -f .coverage .coverage.*
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not bench" --cov=Medical_KG_rev --cov-report=term --cov-report=html

bench: setup ## measures speed and memory; prints tables
	@for script in benchmarks/bench_*.py; do $(BIN)/python "$$script" || exit 1; done

generate: $(VENV)/.ready ## writes the pages that are generated from the models again
	$(BIN)/python -m Medical_KG_rev.orchestration.topology.schema docs
	$(BIN)/python -m Medical_KG_rev.observability.reference docs
	cp src/Medical_KG_rev/orchestration/lineage/facets/*.json docs/reference/openlineage/
	$(BIN)/python -m Medical_KG_rev.error_reference docs
	$(BIN)/python -m Medical_KG_rev.orchestration.events.asyncapi docs

docs: $(VENV)/.ready ## builds the documentation into site/
	$(BIN)/mkdocs build --strict

demo: setup ## ingests the sample corpus, searches it, shows a piece of the graph
	$(BIN)/medkg demo

wheel: $(VENV)/.ready ## builds the wheel into dist/
	$(BIN)/hatchling build -t wheel -d dist

lock: $(UV) ## resolves pyproject.toml into requirements*.txt again (UPGRADE=1: newest versions)
	$(eval LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --universal --python-version 3.11 \
		--no-strip-extras --generate-hashes $(if $(UPGRADE),--upgrade))
	$(LOCK) --all-extras pyproject.toml -o requirements-dev.txt
	cp requirements-dev.txt requirements.txt
	$(subst --upgrade,,$(LOCK)) --extra services --extra pdf --extra ui pyproject.toml -o requirements.txt
	$(LOCK) src/Medical_KG_rev/services/mineru-requirements.in -o src/Medical_KG_rev/services/mineru-requirements.txt
	$(LOCK) --no-deps src/Medical_KG_rev/services/llm-requirements.in -o src/Medical_KG_rev/services/llm-requirements.txt
	$(LOCK) --config-file $(KGX)/uv.toml $(KGX)/requirements.in -o $(KGX)/requirements.txt

clean: ## removes what was built, the environment included; never data
	rm -rf $(VENV) .uv .kgx dist build site htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis

# uv installs the same locked files as pip does, in seconds instead of a minute. It lives apart from what it installs.
$(UV): requirements-uv.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or run make PYTHON=/path/to/python." >&2; exit 2; }
	"$(PYTHON)" -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@touch $@

$(VENV)/.ready: requirements-dev.txt pyproject.toml | $(UV)
	@test -x $(BIN)/python || $(UV) venv --quiet --python "$(PYTHON)" $(VENV)
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# KGX's own validator, which checks what we export in its format. It asks for older libraries than ours, so that it lives apart.
.kgx/.ready: $(KGX)/requirements.txt | $(VENV)/.ready
	@test -x .kgx/bin/python || $(UV) venv --quiet --python $(BIN)/python .kgx
	$(UV) pip sync --quiet --python .kgx/bin/python --require-hashes $(KGX)/requirements.txt
	@touch $@
