# Reproduce, test, explore. `make` lists what can be done; GNU make 3.81 or newer.
#
#   make reproduce SIZE=full JOBS=4      make run NB=01_two_layer      make why NB=01_two_layer
#
# Every target first brings the environment up to date (tools/bootstrap.py): inside the conda environment `convexnn`
# that one is used, anywhere else .venv is made here.

SIZE   ?= quick
JOBS   ?=
NB     ?=
GRID   ?=
SCHEDULER ?=
A      ?=
B      ?=
PYTHON ?= python3

ifeq ($(OS),Windows_NT)
  CONDA_PY := $(CONDA_PREFIX)/python.exe
  VENV_PY  := .venv/Scripts/python.exe
else
  CONDA_PY := $(CONDA_PREFIX)/bin/python
  VENV_PY  := .venv/bin/python
endif

# The same name as in environment.yml and tools/facts.py; an active `base` or any other environment is left alone.
ifeq ($(notdir $(CONDA_DEFAULT_ENV)),convexnn)
  PY := $(CONDA_PY)
  override PYTHON := $(CONDA_PY)
else
  PY := $(VENV_PY)
endif

# Parallel over notebooks and test files, one thread inside each: two threads in two processes were five times slower.
OMP_NUM_THREADS      ?= 1
OPENBLAS_NUM_THREADS ?= 1
MKL_NUM_THREADS      ?= 1
export OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS

AT_ONCE = $(if $(JOBS),--jobs $(JOBS))

# The longest notebooks are run once in `make test`, by tests/test_references.py, and not again cell by cell;
# `make test NBVAL='notebooks/*.ipynb'` checks all of them.
LONGEST = notebooks/03_vector_output.ipynb notebooks/05_deep_relu.ipynb notebooks/09_batch_norm.ipynb notebooks/13_attention.ipynb
NBVAL  ?= $(filter-out $(LONGEST),$(wildcard notebooks/*.ipynb))

.DEFAULT_GOAL := help
.PHONY: help env reproduce test notebooks bench site paper lab run sweep diff why report list clean distclean lock \
  _needs_nb _needs_a_b _style _types _tests _references

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

env: ## make or complete the environment (nothing to do: a tenth of a second)
	@$(PYTHON) tools/bootstrap.py

reproduce: env ## every notebook, then ledger, site and paper; SIZE=quick (minutes) or full (the paper's), JOBS=n at once
	@$(PY) -m convexnn run --size $(SIZE) $(AT_ONCE); ended=$$?; $(PY) -m convexnn site --size $(SIZE) --if-possible; \
	  $(PY) -m convexnn paper --size $(SIZE) --if-possible; exit $$ended

test: env ## style, types, tests, then the committed notebooks against their stored outputs
	@$(MAKE) --no-print-directory --keep-going _style _types _tests _references

notebooks: env ## write the committed .ipynb references from notebooks/*.py, with quick outputs
	@$(PY) -m convexnn reference $(NB) $(AT_ONCE)
	@mkdir -p docs/figures && cp results/quick/01_two_layer/figures/dual_function.png docs/figures/

bench: env ## goals against stored measurements; TABLE=gated, cone, first-order, network, certificates or uci
	@$(PY) -m benchmarks $(or $(TABLE),goals) $(ARGS)

site: env ## the notebooks, the ledger, benchmarks and the library as a book: site/index.html, opens from disk
	@$(PY) -m convexnn site --size $(SIZE)

paper: env ## theorems, figures, ledger and benchmarks as a PDF: paper/convexnn.pdf (needs LaTeX)
	@$(PY) -m convexnn paper --size $(SIZE)

lab: env ## JupyterLab on notebooks/, each .py paired with its .ipynb
	@$(PY) -m jupyterlab --JupytextConfiguration.formats=ipynb,py:percent notebooks

run: _needs_nb env ## one or more notebooks: NB=01_two_layer, SIZE=quick or full
	@$(PY) -m convexnn run $(NB) --size $(SIZE) $(AT_ONCE)

sweep: _needs_nb env ## NB=01_two_layer at every point of GRID="seed=0:5 beta=0.1,1"; SCHEDULER=tcp://host:8786 for a cluster
	@$(PY) -m convexnn sweep $(NB) --grid "$(GRID)" --size $(SIZE) $(AT_ONCE) $(if $(SCHEDULER),--scheduler $(SCHEDULER))

diff: _needs_a_b env ## results B=results/quick against A=an/older/copy, by claim; fails when one is worse or has moved
	@$(PY) -m convexnn diff "$(A)" "$(B)" $(ARGS)

why: _needs_nb env ## what has changed since the last result of NB=01_two_layer
	@$(PY) -m convexnn why $(NB) --size $(SIZE)

report: env ## ledger and index from the results there are
	@$(PY) -m convexnn report --size $(SIZE)

list: env ## the notebooks and the state of their results
	@$(PY) -m convexnn list --size $(SIZE)

clean: ## remove site, paper, build products and caches; results, data and .venv stay
	rm -rf site paper/*.pdf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find lib tests tools notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

distclean: clean ## remove results and .venv as well; data stay in the user's cache
	rm -rf results .venv lib/*.egg-info

lock: $(PY) ## resolve requirements/constraints.txt anew and rewrite environment.yml
	$(PY) tools/lock.py
	$(PY) tools/environment.py

$(VENV_PY):
	@$(PYTHON) -m venv .venv

_needs_nb:
	@$(if $(NB),:,echo "which notebook? for example: make run NB=01_two_layer (make list names them)" >&2; exit 2)

_needs_a_b:
	@$(if $(and $(A),$(B)),:,echo "which results? for example: make diff A=results/before B=results/quick" >&2; exit 2)

# The parts of `make test`: each runs whatever became of the others, and the last lines name those that failed.

_style:
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

_types:
	$(PY) -m mypy
	$(PY) -m mypy tools

_tests:
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not network" tests

_references:
	@if ls notebooks/*.ipynb >/dev/null 2>&1; then set -x; \
	  $(PY) -m pytest -n 2 --dist loadfile --nbval-lax --nbval-sanitize-with tests/nbval_sanitize.cfg $(NBVAL); \
	else echo "no reference notebooks to check; make notebooks writes them"; fi
