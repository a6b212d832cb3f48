# Needs python3 (3.11 or later) with pip, cargo and make; everything else is installed into .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CARGO  ?= cargo

# What the native module and the installed package are made of.
SOURCES := $(shell find rust python configs -type f -not -name '*.pyc' -not -name '*.so') \
           Cargo.toml Cargo.lock pyproject.toml README.md

.PHONY: demo test bench evidence build test-rust test-python lint format stubs clean

demo: build
	$(BIN)/python examples/memory_budget_example.py

test: lint test-rust test-python
	@echo "all checks passed"

bench: build
	$(BIN)/python benches/allocation_speed.py

# DATA: a folder of conversations as benches/README.md describes; none is part of the repository.
evidence: build
	$(BIN)/python benches/evidence_recall.py $(DATA)

build: $(VENV)/.built

$(VENV)/.environment: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python .ci/requirements.py > $(VENV)/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/requirements.txt
	touch $@

# An optimised wheel, installed as a user gets it.
$(VENV)/.built: $(VENV)/.environment $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps .
	touch $@

lint: build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/python -m mypy.stubtest memory_budget_allocator._core --allowlist tests/stubtest-allowlist.txt
	.ci/cargo-if-installed fmt --all --check
	.ci/cargo-if-installed clippy --all-targets --locked -- -D warnings

test-rust:
	$(CARGO) test --workspace --locked
	# The lock-free structures under every interleaving loom can find.
	RUSTFLAGS="--cfg loom" $(CARGO) test --locked --release -p memory-budget-core --test loom --target-dir target/loom
	# The bindings compile for a free-threaded interpreter, which need not be present.
	PYO3_CONFIG_FILE=$(CURDIR)/rust/bindings/free-threaded.pyo3.txt \
		$(CARGO) check --locked -p memory-budget-bindings --target-dir target/free-threaded

test-python: build
	$(BIN)/python -m pytest

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(CARGO) fmt --all

clean:
	rm -rf target $(VENV) dist
