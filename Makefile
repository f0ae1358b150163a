# Commands for contributors. Each target installs what it needs, once. `make clean` removes everything except the peers,
# which are in ~/.cache/imagesig-peers (IMAGESIG_PEERS names another folder).

# The newest supported Python on PATH; `make PYTHON=/path/to/python3 …` chooses another.
PYTHON ?= $(shell for python in python3.15 python3.14 python3.13 python3.12 python3.11 python3; do \
    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)
PIP = .venv/bin/python -m pip --quiet --disable-pip-version-check
PYTEST = .venv/bin/python -m pytest
# Each worker starts its own servers, so a large machine does not get one worker per core.
PARALLEL ?= -n auto --maxprocesses 8 --dist loadfile

ifneq ($(wildcard ../shared/vectors),)
export IMAGESIG_VECTORS ?= $(abspath ../shared/vectors)
endif

.PHONY: demo test unit check differential properties matrix mutations fuzz mutants soak campaign bench docs registries peers venv clean help

help:
	@echo 'make demo    install imagesig into .venv, sign an image, verify it, reject a forgery'
	@echo 'make test    every test, beside the real tools (the first run installs them: about 10 minutes)'
	@echo 'make unit    the tests that need no other tool'
	@echo 'make differential N=…   read N generated documents with each of Go'"'"'s readers and with ours (1000000)'
	@echo 'make properties  the property tests with new examples (`make test` makes the same ones each time)'
	@echo 'make matrix  try every cell of the matrix of attestations and blobs, write docs/compatibility.md (20 minutes)'
	@echo 'make mutations change one thing in each of many signed and attested images, compare with the real tools: COUNT=NUMBER (2000), SEED=NUMBER'
	@echo 'make check   ruff, mypy --strict, import floors'
	@echo 'make fuzz    coverage-guided fuzzing of every parser: TIME=SECONDS (in total), TARGET=NAME for one parser'
	@echo 'make mutants change the deciding code, one operator at a time, and run its tests: SAMPLE=NUMBER, ONLY=TEXT'
	@echo 'make soak    sign and verify for SECONDS=NUMBER (300) while servers restart and tokens expire'
	@echo 'make campaign  install the optional peers (twenty minutes once on two cores, needs Rust) and run their tests'
	@echo 'make bench   measure imagesig and its peers; with BASE=COMMIT, imagesig and an older version'
	@echo 'make docs    build the documentation into docs/_build/html'
	@echo 'make registries  write docs/registries.md: what works at which kind of registry'

demo: .venv/.package
	.venv/bin/imagesig demo

test: .venv/.development peers
	$(PYTEST) $(PARALLEL)

unit: .venv/.development
	$(PYTEST) $(PARALLEL) -m 'not interop'

# N documents for each reader; `make test` reads 20,000.
differential: .venv/.development peers
	IMAGESIG_DIFFERENTIAL=$(or $(N),1000000) $(PYTEST) $(PARALLEL) tests/differential

# `make test` makes the same examples each time.
properties: .venv/.development peers
	IMAGESIG_NEW_EXAMPLES=1 $(PYTEST) $(PARALLEL) -m hypothesis

# `make test` tries each pair of values.
matrix: .venv/.development peers
	IMAGESIG_MATRIX=1 $(PYTEST) tests/interop/test_matrix.py tests/interop/test_attestation_matrix.py

# `make test` tries 200, and 150 of attestations.
COUNT ?= 2000
SEED ?= 20261127
mutations: .venv/.development peers
	.venv/bin/python -m tests.mutations --count $(COUNT) --seed $(SEED) $(if $(KEEP),--keep $(KEEP))
	.venv/bin/python -m tests.mutations --attestations --count $(COUNT) --seed $(SEED) $(if $(KEEP),--keep $(KEEP))

check: .venv/.development
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	$(PYTEST) -q tests/test_floors.py

TIME ?= 600
fuzz: .venv/.development
	.venv/bin/python -m tests.fuzz --seconds $(TIME) $(if $(TARGET),--target $(TARGET))

SAMPLE ?= 600
mutants: .venv/.development
	.venv/bin/python -m tests.mutants --fresh --sample $(SAMPLE) $(if $(ONLY),--only $(ONLY))

SECONDS ?= 300
soak: .venv/.development peers
	.venv/bin/python -m tests.soak --seconds $(SECONDS)

# `make peers` leaves these out.
OPTIONAL_PEERS = openbao kryoptic policy-tester kyverno
campaign: .venv/.development peers
	.venv/bin/python -m tests.peers.install $(OPTIONAL_PEERS)
	$(PYTEST) -m campaign

bench: .venv/.bench peers
	.venv/bin/python -m $(if $(BASE),benchmarks.versions $(BASE),benchmarks)

docs: .venv/.docs
	.venv/bin/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

registries: .venv/.development
	.venv/bin/python -m tests.testing.registries

peers: .venv/.development
	.venv/bin/python -m tests.peers.install

venv: .venv/.development

clean:
	rm -rf .venv build dist docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# venv writes pip last: if pip is missing, the environment is incomplete.
.venv/bin/pip:
	@package=$$($(or $(PYTHON),false) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2]); \
	    sys.exit(sys.version_info < (3, 11))') || { \
	    echo 'make: no python3 >= 3.11 found on PATH: install one, or name it with PYTHON=' >&2; exit 1; }; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	        echo "make: $(PYTHON) cannot make virtual environments: install $$package" >&2; exit 1; fi; \
	    apt-get update -qq; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$package"; }
	$(PYTHON) -m venv --clear .venv

# As a user installs it. An existing development install has the same code and stays.
.venv/.package: pyproject.toml $(shell find imagesig -name '*.py' 2>/dev/null) | .venv/bin/pip
	test -e .venv/.development || $(PIP) install .
	touch $@

.venv/.development: pyproject.toml | .venv/bin/pip
	$(PIP) install --upgrade 'pip>=25.1'
	$(PIP) install --editable '.[pkcs11,vault,aws,cel]' --group check --group test
	touch $@

.venv/.bench: .venv/.development
	$(PIP) install --group bench
	touch $@

.venv/.docs: .venv/.development
	$(PIP) install --group docs
	touch $@
