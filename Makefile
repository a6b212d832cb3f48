# Needs python3 (3.11 or later) with pip, cargo and make; everything else is installed into .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CARGO  ?= cargo
MODELS := --locked -p memory-budget-core

# What the native module and the installed package are made of.
SOURCES := $(shell find rust python configs -type f -not -name '*.pyc' -not -name '*.so') \
           Cargo.toml Cargo.lock pyproject.toml README.md

# What `make verify` runs, each by itself as well. In this order two at a time end together: in a fresh clone
# those that wait for the build come last, verify-supply beside verify-python, which take about as long.
PROOFS := verify-supply verify-fuzz verify-python verify-models verify-mutations verify-schedules verify-sanitizer

.PHONY: demo test bench bench-full baseline evidence build test-rust test-python lint format stubs clean verify $(PROOFS)

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
	$(BIN)/python benches/evidence.py --json target/benches/evidence.json || failed=1; \
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

# Everything that is proved rather than tested, two proofs at a time: docs/reliability.md.
verify:
	rm -rf target/proofs
	@failed=0; started=$$(date +%s); \
	$(MAKE) --no-print-directory --jobs 2 --keep-going $(PROOFS) || failed=1; \
	$(PYTHON) .ci/proof.py || failed=1; \
	echo "$$(($$(date +%s) - started)) seconds in all, with what had to be built"; \
	exit $$failed

# Lock-free structures in every interleaving, threads being interrupted more often than in `make test`.
verify-models:
	MODELS=thorough RUSTFLAGS="--cfg loom" $(PYTHON) .ci/proof.py models \
		$(CARGO) test --profile models $(MODELS) --test loom --target-dir target/loom -- --nocapture --test-threads 1

# Whole allocations in random schedules.
verify-schedules:
	SCHEDULES=20000 RUSTFLAGS="--cfg shuttle" $(PYTHON) .ci/proof.py schedules \
		$(CARGO) test --profile models $(MODELS) --test shuttle --target-dir target/shuttle -- --nocapture --test-threads 1

# Each lock-free structure broken on purpose; waits for the models, whose libraries it shares.
verify-mutations: verify-models
	$(PYTHON) .ci/proof.py mutations $(PYTHON) tests/core/models/mutations.py

verify-sanitizer:
	$(PYTHON) .ci/proof.py sanitizer tests/core/stress/thread-sanitizer

verify-fuzz:
	$(PYTHON) .ci/proof.py fuzz fuzz/run 45

# Wheels of the tree and of the source distribution, and the tests on every interpreter there is.
verify-supply: build baseline
	$(PYTHON) .ci/proof.py supply $(BIN)/python tests/wheels.py

# The longer Python tests, and the whole suite once more with every test in several threads.
verify-python: build baseline
	$(PYTHON) .ci/proof.py python .ci/verify-python $(BIN)

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
	.ci/cargo-if-installed fmt --manifest-path fuzz/Cargo.toml --check
	.ci/cargo-if-installed clippy --all-targets --locked -- -D warnings
	RUSTFLAGS="--cfg loom" .ci/cargo-if-installed clippy $(MODELS) --test loom --target-dir target/loom -- -D warnings
	RUSTFLAGS="--cfg shuttle" .ci/cargo-if-installed clippy $(MODELS) --test shuttle --target-dir target/shuttle -- -D warnings

test-rust:
	$(CARGO) test --workspace --locked
	# The lock-free structures under every interleaving loom can find.
	RUSTFLAGS="--cfg loom" $(CARGO) test --profile models $(MODELS) --test loom --target-dir target/loom
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
