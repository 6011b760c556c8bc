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
NBVAL = $(BIN)/python -m pytest -p tests.conftest -n $(JOBS) --dist loadscope --nbval-lax \
	--nbval-current-env
PYTEST = $(BIN)/python -m pytest -p no:nbval -n $(JOBS) --dist worksteal
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

.PHONY: help lab test lint check execute release constraints check-assignments unit notebooks \
	grading browser chromium bubblewrap

help:
	@echo "make lab      open the course in JupyterLab (installs it into $(VENV) the first time)"
	@echo "make check    lint and run the fast tests on TensorFlow: 60 to 90 seconds on two cores"
	@echo "make test     run everything: lint, all tests, every notebook, every assignment"
	@echo "make test REQUIRE_ALL=1   the same, but a test that would be skipped fails"
	@echo
	@echo "Parts of make test:"
	@echo "make lint     check style and imports, in the notebooks too"
	@echo "make unit     test coursekit, on TensorFlow and on JAX"
	@echo "make notebooks           execute every lecture, and check how it is saved"
	@echo "make check-assignments   verify every assignment: each known mistake gets its own feedback"
	@echo "make grading  test the grader with hostile submissions in its sandbox: 6 to 15 minutes"
	@echo "make browser  test the widgets and the assignments in Chromium"
	@echo
	@echo "make execute NB='notebooks/02*.ipynb'   run notebooks again and save them clean"
	@echo "make release  make the student versions, and a zip of each in dist/assignments"
	@echo "make constraints         update the exact versions in constraints.txt"

lab: $(VENV)/.course
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_OPTIONS) \
		notebooks/00_start_here.ipynb

test: $(VENV)/.test
	$(MAKE) lint unit notebooks check-assignments grading browser

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache

unit: $(VENV)/.test
	$(PYTEST) tests/unit
	$(JAX) $(PYTEST) tests/unit -m "not slow"

notebooks: $(VENV)/.test
	$(BIN)/python -m pytest tests/notebooks
	$(NBVAL) --nbval-cell-timeout=900 --durations=20 $(NB)

# The class of hostile submissions keeps both cores busy by itself, and has time limits.
grading: $(VENV)/.test bubblewrap
	$(BIN)/python -m pytest tests/grader/test_hostile.py
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/grader \
		--ignore=tests/grader/test_hostile.py

browser: $(VENV)/.test chromium
	$(BIN)/python -m pytest tests/browser

check: lint
	$(PYTEST) tests/unit tests/notebooks -m "not slow and not medium"

execute: $(VENV)/.test
	$(BIN)/python -m tools.execute $(NB)

release: $(VENV)/.test
	$(BIN)/python -m grader release

constraints: $(VENV)/.course
	$(BIN)/python -m tools.constraints

check-assignments: $(VENV)/.test
	$(PYTEST) tests/assignments
	$(NBVAL) --nbval-cell-timeout=60 $(ASSIGNMENTS)

# Where one is missing and cannot be installed, its tests are skipped with a reason, unless all are
# required.
chromium bubblewrap: command = $(subst bubblewrap,bwrap,$@)
chromium bubblewrap:
	@command -v $(command) >/dev/null || { \
		command -v apt-get >/dev/null && test "$$(id -u)" = 0 && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $@; } || true
	@case "$(REQUIRE_ALL)" in ""|0) ;; *) command -v $(command) >/dev/null || { \
		echo "make: $@ is missing, and REQUIRE_ALL is set: no test may be skipped." \
			"Install it (Debian, Ubuntu: sudo apt-get install $@)." >&2; exit 1; };; esac

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
