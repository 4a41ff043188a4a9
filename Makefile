# The recipes of funes, the same for people and for CI. `make help` lists them.
#
#     make test PYTHON=python3.12 VENV=.venvs/3.12     another Python, in an environment of its own
#
# Only what GNU make 3.81 (macOS) and BSD make agree on is used here.

PYTHON ?= python3
VENV ?= .venv

# Puts the environment first for one command. Left-overs of another environment would send the build there.
WITHIN = unset CONDA_PREFIX CONDA_DEFAULT_ENV PYTHONHOME; \
	VIRTUAL_ENV=`cd "$(VENV)" && pwd`; PATH="$$VIRTUAL_ENV/bin:$$PATH"; export VIRTUAL_ENV PATH;

.PHONY: help demo test test-time test-quick test-rust test-python test-faults test-engines test-nfs test-threads test-pythons test-newest test-torch fuzz memcheck lint format \
	docs screenshots bench behaviour wheel wheel-manylinux sdist test-wheel test-sdist build clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1 # \2/p' Makefile | awk -F'#' '{ printf "%-22s%s\n", $$1, $$2 }'

demo: ## set everything up and run the example: a search on a small grid, some minutes the first time
	@sh scripts/check_tools.sh $(PYTHON)
	@MAKE="$(MAKE)" sh scripts/demo.sh $(VENV)

test: test-time test-rust test-python ## set everything up and run all tests: about ten minutes

test-time:
	@echo 'Compiling takes one to three minutes the first time, and the tests about ten minutes on two cores.'

# Two processes, since the machine of a developer has at least two cores.
PYTEST = $(VENV)/bin/python -m pytest -n 2 --no-loadscope-reorder

test-quick: build $(VENV)/.made/test ## the tests that answer within two minutes: without slow ones, faults, engines, sweeps and pages
	$(PYTEST) -q -m 'not slow' tests/call tests/code tests/entries tests/memo tests/results tests/tools tests/values tests/vectors

test-rust: build
	cargo test --quiet

# How long each of the two fuzzers searches, and how long the threads of test-threads call.
SECONDS ?= 60

# The group of packages that the tests get: test-free-threaded without those that need the interpreter lock.
GROUP ?= test

test-python: build $(VENV)/.made/$(GROUP)
	$(PYTEST)

test-faults: build $(VENV)/.made/test ## every fault that the tests know, not a choice: kills, refusals, damage, leaks; minutes
	FUNES_FAULTS=full $(VENV)/bin/python -m pytest tests/faults tests/call/test_call.py

test-engines: build $(VENV)/.made/test ## also Dask apart, Ray, submitit, Slurm and MPI, started on this machine; minutes
	@$(VENV)/bin/python -m pip install --quiet --group engines || echo 'No engine more than is there: see above.'
	$(VENV)/bin/python tests/engines/services.py $(VENV)/bin/python -m pytest tests/engines tests/sweeps/test_executors.py

test-nfs: build $(VENV)/.made/test ## two hosts on an NFS server (3 and 4.2) in User-Mode Linux, on Debian as root; five minutes
	$(VENV)/bin/python tests/nfs/machine.py

test-threads: build ## call functions in 8 threads while what they read changes; SECONDS=60
	$(VENV)/bin/python tests/faults/storm.py $(SECONDS)

test-pythons: ## build and test on every CPython from 3.10 on that this machine has; on Debian also 3.14 and 3.15
	MAKE="$(MAKE)" sh scripts/test_pythons.sh

test-newest: ## on Debian: fetch CPython 3.15, build for it, and run the tests that depend most on the Python version
	MAKE="$(MAKE)" sh scripts/test_newest.sh

test-torch: build $(VENV)/.made/test $(VENV)/.made/torch ## install PyTorch (some GB) and test how its values count and load
	$(VENV)/bin/python -m pytest tests/values/torch_values.py

fuzz: build $(VENV)/.made/fuzz ## search for values that break the encoding or the walk; SECONDS=60 for each
	$(VENV)/bin/python fuzz/walk.py -artifact_prefix=target/ -max_total_time=$(SECONDS)
	cargo +nightly fuzz run --fuzz-dir fuzz encode -- -artifact_prefix=target/ -max_total_time=$(SECONDS)

memcheck: build $(VENV)/.made/test ## hash values under valgrind; fails if a report of it goes through the extension
	PYTHONMALLOC=malloc valgrind --num-callers=40 --log-file=target/memcheck.log $(VENV)/bin/python fuzz/memory.py
	! grep _funes target/memcheck.log

lint: build $(VENV)/.made/test $(VENV)/.made/lint ## check format, lints, types and the stub of the extension
	cargo fmt --all --check
	@$(WITHIN) set -x; cargo clippy --quiet --workspace --all-targets -- -D warnings
	@$(WITHIN) set -x; sh scripts/check_free_threaded.sh
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python scripts/check_house.py
	$(VENV)/bin/mypy
	$(VENV)/bin/stubtest funes._funes
	$(VENV)/bin/zizmor --offline --quiet --pedantic .github/workflows
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

format: $(VENV)/.made/lint ## rewrite the sources in the house's format
	cargo fmt --all
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: build $(VENV)/.made/bench ## measure the core, then funes beside other caches and the floors below them
	cargo bench
	$(VENV)/bin/python benches/hashing.py
	$(VENV)/bin/python benches/definitions.py
	$(VENV)/bin/python benches/store.py --json target/bench-store.json
	$(VENV)/bin/python benches/packed.py --json target/bench-packed.json
	$(VENV)/bin/python benches/short_jobs.py --processes 1000
	$(VENV)/bin/python benches/once.py
	$(VENV)/bin/python benches/threads.py
	$(VENV)/bin/python benches/engines.py
	$(VENV)/bin/python benches/sweeps.py
	$(VENV)/bin/python benches/remote.py --json target/bench-remote.json
	$(VENV)/bin/python benches/results.py
	$(VENV)/bin/python benches/compare.py --json target/bench.json

behaviour: build $(VENV)/.made/bench ## try what funes and other caches do: the table of the README
	$(VENV)/bin/python benches/behaviour.py

docs: build $(VENV)/.made/docs ## build these pages as a site: docs/_build/index.html
	$(VENV)/bin/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env -c docs . docs/_build
	@cp docs/_build/README.html docs/_build/index.html

screenshots: build $(VENV)/.made/screenshots ## make the pictures of the pages anew; needs Chromium and its driver
	$(VENV)/bin/python scripts/screenshots.py

wheel: $(VENV)/.made/build ## build a wheel for this Python into dist/
	@sh scripts/check_tools.sh $(VENV)/bin/python
	@$(WITHIN) set -x; maturin build --release --interpreter python --out dist

wheel-manylinux: $(VENV)/.made/build $(VENV)/.made/manylinux ## the same for any Linux from glibc 2.17 on, linked with zig
	@sh scripts/check_tools.sh $(VENV)/bin/python
	@$(WITHIN) set -x; maturin build --release --interpreter python --out dist --zig --compatibility manylinux2014

sdist: $(VENV)/.made/build ## build the source distribution into dist/
	@$(WITHIN) set -x; maturin sdist --out dist

test-wheel: wheel ## install the wheel into a new environment, without a compiler, and run all tests there
	$(VENV)/bin/python scripts/test_package.py wheel

test-sdist: sdist ## install the source distribution into a new environment, and try it there
	$(VENV)/bin/python scripts/test_package.py sdist --group smoke

build: $(VENV)/.made/build ## build the extension into the environment
	@sh scripts/check_tools.sh $(VENV)/bin/python
	@$(WITHIN) set -x; maturin develop --release

# Remembered results (cache/) are the user's, and stay.
clean: ## remove what the recipes have made
	rm -rf target dist docs/_build .venv .venvs .pytest_cache .mypy_cache .ruff_cache .hypothesis python/funes/_funes*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: what is in the environment, each made anew when the list in pyproject.toml changes.
# `pip install --group` came with pip 25.1.
$(VENV)/.made/pip:
	@sh scripts/check_tools.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@mkdir -p $(VENV)/.made && touch $@

$(VENV)/.made/build $(VENV)/.made/examples $(VENV)/.made/test $(VENV)/.made/test-free-threaded $(VENV)/.made/newest \
$(VENV)/.made/lint $(VENV)/.made/bench \
$(VENV)/.made/docs $(VENV)/.made/screenshots $(VENV)/.made/fuzz $(VENV)/.made/manylinux $(VENV)/.made/torch: $(VENV)/.made/pip pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --group $(@F)
	@touch $@
