# `make demo` and `make test` need Python, make and nothing else: both make .venv first.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: help demo test test-browser test-slurm slurm-installed lint format lock clean

help:
	@echo "make demo          run the demo study: raw text to figures, in results/demo/"
	@echo "make test          run the tests"
	@echo "make test-browser  run those that open the report in Chromium, which root gets installed"
	@echo "make test-slurm    run those on a SLURM that they start here, which root gets installed"
	@echo "make lint          check style and types"
	@echo "make format        put the code into the project's format"
	@echo "make lock          write envs/ anew from pyproject.toml"
	@echo "make clean         remove .venv and the caches of the tools; results/ stays"

demo: $(INSTALLED)
	@start=$$(date +%s) && \
	$(BIN)/snakemake --cores all --configfile config/demo.yaml && \
	end=$$(date +%s) && \
	echo "Done in $$(( (end - start + 30) / 60 )) minutes." && \
	echo "Open results/demo/report.html; figures and tables are in results/demo/figures/ and" && \
	echo "results/demo/tables/, the measured points in results/demo/points.csv."

test: $(INSTALLED)
	$(BIN)/python -m pytest -rs

# Debian's browser and its driver have the same version, as they must.
test-browser: $(INSTALLED)
	@{ command -v chromium && command -v chromedriver; } > /dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get > /dev/null || { \
	    echo "The report's tests need chromium and chromedriver:" \
	         "apt-get install chromium chromium-driver" >&2; exit 1; }; \
	  apt-get update -qq && \
	  apt-get install -qq -y --no-install-recommends chromium chromium-driver; }
	$(BIN)/python -m pytest tests/browser

# The real thing, on one node with fake GPUs. Says why and skips where no SLURM can be started.
test-slurm: $(INSTALLED) slurm-installed
	$(BIN)/python -m pytest -m slurm -rs tests/pipeline/slurm

slurm-installed:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	    && ! { PATH="$$PATH:/usr/sbin" && command -v slurmctld && command -v munged; } >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null \
	  || echo "slurm-wlm and munge could not be installed" >&2; fi

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow/rules

# Not with .venv, which may hold an old lock: pip alone does it.
lock:
	$(PYTHON) envs/lock.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build src/*.egg-info
	find src tests workflow envs -name __pycache__ -prune -exec rm -rf {} +

# Set-up runs once, and again when the lock or the project's metadata change.
$(INSTALLED): envs/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "finescale needs Python 3.11 or newer; '$(PYTHON)' is not." \
	       "Name another one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing the locked packages into .venv; the first time takes minutes."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --no-deps --no-build-isolation --editable .
	@touch $@
