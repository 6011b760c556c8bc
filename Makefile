# Two commands do everything: `make lab` to teach or follow, `make test` to see everything tested.

VENV ?= .venv
BIN := $(VENV)/bin
# The first of these that is Python 3.11 to 3.13 is taken; PYTHON=/path/to/python names another.
PYTHON ?= python3 python3.13 python3.12 python3.11 python
# What `make execute` re-runs and `make test` executes.
NB ?= $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))
ASSIGNMENTS = $(sort $(wildcard instructor/[0-9][0-9]_*/*.ipynb))
LAB_OPTIONS ?=
# Processes that tests and notebooks run in; a notebook takes up to 2 GB of memory.
JOBS ?= 2
# A notebook's cells stay together and in order; tests go to whichever process is free.
NBVAL = $(BIN)/python -m pytest -n $(JOBS) --dist loadscope --nbval-lax --nbval-current-env
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist worksteal
# JAX compiles thousands of small functions in the tests, for a few numbers each.
JAX = KERAS_BACKEND=jax JAX_DISABLE_MOST_OPTIMIZATIONS=1

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
INSTALL_FAILED = { echo "make: the installation into $(VENV) failed (see above). Packages are \
downloaded once, so check the network and run the same command again." >&2; exit 1; }

# Jupyter, Matplotlib and Keras keep settings at home; where they may not, they keep them here.
HOME_IS_WRITABLE := $(shell test -w "$$HOME" && echo yes)
ifneq ($(HOME_IS_WRITABLE),yes)
export HOME := $(abspath $(VENV))/home
endif

.PHONY: help lab test check execute release check-assignments unit notebooks \
	grading browser chromium bubblewrap

help:
	@echo "make lab      open the course in JupyterLab (the first time: install it into $(VENV))"
	@echo "make test     run every test and every notebook"
	@echo "make check    lint and the fast tests, on TensorFlow: 60 to 90 seconds on two cores"
	@echo "make execute NB='notebooks/02*.ipynb'   re-run notebooks and save them clean"
	@echo "make release  make the assignments' student versions, and a zip of each in dist/assignments"
	@echo "make check-assignments   prove every assignment: solutions, mistakes, student versions"
	@echo "make grading  test the grader, with hostile submissions in its sandbox: 5 minutes"

lab: $(VENV)/.course
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_OPTIONS) \
		notebooks/00_start_here.ipynb

test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) unit notebooks check-assignments grading browser

unit: $(VENV)/.test
	$(PYTEST) tests/unit
	$(JAX) $(PYTEST) tests/unit -m "not slow"

notebooks: $(VENV)/.test
	$(BIN)/python -m pytest tests/notebooks
	$(NBVAL) --nbval-cell-timeout=300 --durations=20 $(NB)

# The class of hostile submissions keeps both cores busy by itself, and has time limits.
grading: $(VENV)/.test bubblewrap
	$(BIN)/python -m pytest tests/grader/test_hostile.py
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/grader \
		--ignore=tests/grader/test_hostile.py

browser: $(VENV)/.test chromium
	$(BIN)/python -m pytest tests/browser

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PYTEST) tests/unit tests/notebooks -m "not slow"

execute: $(VENV)/.test
	$(BIN)/python -m tools.execute $(NB)

release: $(VENV)/.test
	$(BIN)/python -m grader.release

check-assignments: $(VENV)/.test
	$(PYTEST) tests/assignments
	$(NBVAL) --nbval-cell-timeout=60 $(ASSIGNMENTS)

# Tests in a browser or in a sandbox are skipped, with a reason, where there is none and none may be
# installed.
chromium bubblewrap:
	@command -v $(subst bubblewrap,bwrap,$@) >/dev/null || { \
		command -v apt-get >/dev/null && test "$$(id -u)" = 0 && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $@; } || true

$(VENV)/.course: pyproject.toml constraints.txt
	@chosen=; for candidate in $(PYTHON); do \
		if command -v $$candidate >/dev/null 2>&1 && \
			$$candidate -c '$(SUPPORTED)' 2>/dev/null; then chosen=$$candidate; break; fi; done; \
	if [ -z "$$chosen" ]; then \
		echo "make: Python 3.11, 3.12 or 3.13 is needed and was not found among: $(PYTHON)." \
			"Install one, or name it: make lab PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	echo "Installing the course into $(VENV) with $$($$chosen --version):" \
		"about 3 GB and some minutes, the first time only."; \
	$$chosen -m venv $(VENV) || { echo "make: $$chosen cannot make a virtual environment;" \
		"on Debian or Ubuntu install python3-venv." >&2; exit 1; }
	@mkdir -p $(VENV)/home
	@$(PIP_INSTALL) -e . || $(INSTALL_FAILED)
	@touch $@

$(VENV)/.test: $(VENV)/.course
	@$(PIP_INSTALL) -e '.[test,instructor]' || $(INSTALL_FAILED)
	@touch $@
