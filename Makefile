# Needs python3 (3.11 or later) with pip, cargo and make; everything else is installed into .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CARGO  ?= cargo

# What the native module and the installed package are made of.
SOURCES := $(shell find rust python configs -type f -not -name '*.pyc' -not -name '*.so') \
           Cargo.toml Cargo.lock pyproject.toml README.md

.PHONY: demo test bench bench-full baseline evidence build test-rust test-python lint format stubs clean

demo: build
	$(BIN)/python examples/memory_budget_example.py

test: lint test-rust test-python
	@echo "all checks passed"

# Minutes; fails if a selection differs, a ratio misses its target or a baseline is void. Both always run.
bench: build baseline $(VENV)/.benches
	@failed=0; \
	$(BIN)/python benches/allocation_speed.py || failed=1; \
	$(BIN)/python benches/compare.py --quick || failed=1; \
	exit $$failed

# Everything, up to 10 million memories, which takes gigabytes. The figures end up in target/benches.
bench-full: build baseline $(VENV)/.benches
	mkdir -p target/benches
	@failed=0; \
	$(BIN)/python benches/allocation_speed.py --json target/benches/allocation_speed.json || failed=1; \
	$(BIN)/python benches/compare.py --json target/benches/compare.json --plot target/benches/compare.png \
		|| failed=1; \
	$(BIN)/python benches/throughput.py --json target/benches/throughput.json || failed=1; \
	$(BIN)/python benches/throughput.py --contention --json target/benches/contention.json || failed=1; \
	$(BIN)/python benches/import_time.py --json target/benches/import_time.json || failed=1; \
	$(CARGO) bench --locked -p memory-budget-core --benches || failed=1; \
	exit $$failed

# The straightforward port that benches/compare.py measures: a crate of its own, no part of the library.
baseline:
	$(CARGO) build --release --locked --manifest-path benches/baseline/Cargo.toml \
		--target-dir benches/baseline/target

# DATA: a folder of conversations as docs/evaluation.md describes; none is part of the repository.
evidence: build
	$(BIN)/memory-budget evaluate $(DATA)

build: $(VENV)/.built

$(VENV)/.environment: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python .ci/requirements.py > $(VENV)/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/requirements.txt
	touch $@

$(VENV)/.benches: $(VENV)/.environment
	$(BIN)/python .ci/requirements.py bench plot > $(VENV)/requirements-benches.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/requirements-benches.txt
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

test-python: build baseline
	$(BIN)/python -m pytest

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(CARGO) fmt --all

clean:
	rm -rf target benches/baseline/target $(VENV) dist
