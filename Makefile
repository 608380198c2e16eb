# Everything a person types. `make up` and `make test` set up what they need on a machine with Python 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2

.PHONY: up test check format long clean

up: $(READY)
	$(BIN)/meshsec up

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n $(WORKERS)

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

long: $(READY)
	MESHSEC_SEEDS=5000 $(BIN)/python -m pytest -n $(WORKERS) tests/properties/test_consensus.py tests/worlds/test_adversary.py
	PYTHONPATH=tests $(BIN)/python -m soak --actions 1000000
	PYTHONPATH=tests $(BIN)/python -m torture --kills 200
	PYTHONPATH=tests $(BIN)/python -m torture.endurance --minutes 30
	MESHSEC_EXAMPLES=500 $(BIN)/python -m pytest tests/processes/test_openapi.py
	PYTHONPATH=tests $(BIN)/python -m mutations.named
	PYTHONPATH=tests $(BIN)/python -m mutations.score light merkle packet consensus mesh

clean:
	rm -rf $(VENV) .mesh .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "meshsec needs Python 3.11 or newer (set PYTHON=…)"; exit 1; }
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --allow-existing $(VENV) && uv pip install --quiet --compile-bytecode --python $(BIN)/python -e '.[dev]'; \
	else \
	  $(PYTHON) -m venv $(VENV) 2>/dev/null || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'; \
	fi
	@$(BIN)/python -m compileall -q core node relayer tools
	@touch $(READY)
