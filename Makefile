# `make` prints what the targets do. Written for GNU make 3.81, which macOS has, and later.
PY = .venv/bin/python

help:  ## print this list
	@echo 'make <target>, with ARGS="..." for what it runs and PYTHON=... for the Python to set up with:'
	@awk -F ':.*  ## ' '/^[a-z]+:.*  ## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

lab: .venv/.installed  ## open your own copies of the notebooks, in work/, in JupyterLab
	@$(PY) -m tutorial_utils.lab $(ARGS)

test: .venv/.installed  ## run all tests, the notebooks included
	@$(PY) -m pytest $(ARGS)

cover: .venv/.installed  ## measure which lines and branches the unit tests reach, and fail below 95 %
	@$(PY) -m pytest tests tutorial_utils --ignore=tests/test_notebooks.py --cov $(ARGS)

faults: .venv/.installed  ## run the slow tests, and the long ones: kills, a cut network, other languages
	@$(PY) -m pytest -m "slow or long" $(ARGS)

mutate: .venv/.installed-dev  ## change the code in a thousand places, and list what no test notices: 20 minutes
	@$(PY) -m mutmut run
	@$(PY) -m mutmut results

site: .venv/.installed-dev  ## make the course, executed, as web pages in build/site: 2 minutes, then less
	@$(PY) -m docs.execute
	@$(PY) -m sphinx -q -W --keep-going -c docs -d build/doctrees . build/site $(ARGS)
	@echo "The site is in build/site. To look at it: $(PY) -m http.server -d build/site"

slides: .venv/.installed-dev  ## make slides of every notebook in build/slides
	@$(PY) -m docs.slides $(ARGS)

browse: site slides  ## test the site, the slides and JupyterLab in Debian's Chromium (apt install chromium)
	@$(PY) -m pytest tests -m site $(ARGS)

check: .venv/.installed-dev  ## report what ruff finds in code and notebooks, and mypy in types; change nothing
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: .venv/.installed-dev  ## format code and notebooks, and mend what ruff can mend
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: .venv/.installed-dev  ## measure how fast the course is, next to others: the table in the README, 12 minutes
	@$(PY) -m benchmarks.speed $(ARGS)

minutes: .venv/.installed-dev  ## measure what set-up and checks take (ARGS: setup, tests or ci): 15 minutes
	@$(PY) -m benchmarks.minutes $(ARGS)

recipes: .venv/.installed  ## compare what the drawn and the real images teach: 6 minutes
	@$(PY) -m benchmarks.recipes

picture: .venv/.installed  ## make the picture in the README from notebook 00
	@$(PY) .github/picture.py

launch: .venv/.installed  ## write the links to Colab, Kaggle, Binder and Codespaces into the READMEs
	@$(PY) -m docs.launch

release: site slides  ## make a wheel, a source distribution, and ZIP files of the folder and the site in dist/
	@git diff --quiet HEAD || { echo "Commit first: a release holds what is committed."; exit 1; }
	@rm -rf dist
	@$(PY) -m uv build -q --no-build-isolation -o dist
	@git archive --format=zip --prefix=pytorch-course/ -o dist/pytorch-course.zip HEAD
	@cd build && ../$(PY) -m zipfile -c ../dist/site.zip site slides
	@ls dist

COMPILE = $(PY) -m uv pip compile pyproject.toml -q --universal --python-version 3.11 --generate-hashes \
    --no-annotate --no-header

lock: .venv/.installed-dev  ## write requirements.lock, and .txt from it, anew (ARGS=--upgrade: newer versions)
	@$(COMPILE) --all-extras -o requirements.lock $(ARGS)
	@$(COMPILE) --extra test -c requirements.lock -o requirements.txt

clean:  ## remove .venv and all caches; work/, with your answers, stays
	@rm -rf .venv mutants .pytest_cache .ruff_cache build *.egg-info
	@find tutorial_utils tests benchmarks notebooks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# The set-up is done once: again only when a file below changed, or when .venv can no longer be used.
.venv/.installed: requirements.lock requirements.txt pyproject.toml $(shell sh install.sh --sound || echo unsound)
	@sh install.sh

.venv/.installed-dev: .venv/.installed requirements.lock
	@sh install.sh dev

.PHONY: help lab test cover faults mutate site slides browse check format bench minutes recipes picture launch release lock clean unsound
