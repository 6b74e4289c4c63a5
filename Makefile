# `make` prints what the targets do. Written for GNU make 3.81, which macOS has, and later.

# Where the course is installed: in .venv, or in an environment of its own, whose name says what is different there.
VENV = .venv$(if $(TORCH),-torch-$(TORCH))
PY = $(VENV)/bin/python

help:  ## print this list
	@echo 'make <target>, with ARGS="..." for what it runs, PYTHON=... for the Python to set up with,'
	@echo 'and TORCH=2.9.1 (or TORCH=nightly) for another PyTorch, in an environment of its own:'
	@awk -F ':.*  ## ' '/^[a-z]+:.*  ## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

lab: $(VENV)/.installed  ## open your own copies of the notebooks, in work/, in JupyterLab
	@$(PY) -m tutorial_utils.lab $(ARGS)

test: $(VENV)/.installed  ## run all tests, the notebooks included
	@$(PY) -m pytest $(ARGS)

lowest:  ## run all tests with the lowest versions that pyproject.toml allows
	@$(MAKE) --no-print-directory test VENV=.venv-lowest

pythons:  ## run all tests in each Python that is here, of those that the course is made for
	@pythons=$$(sh install.sh --pythons) || exit; failed=; for python in $$pythons; do echo "== $$python"; \
	    $(MAKE) --no-print-directory test VENV=.venv-$$python || failed="$$failed $$python"; done; \
	    [ -z "$$failed" ] || { echo "The tests failed in$$failed."; exit 1; }

cover: $(VENV)/.installed  ## measure which lines and branches the unit tests reach, and fail below 95 %
	@$(PY) -m pytest tests tutorial_utils --ignore=tests/test_notebooks.py --cov $(ARGS)

faults: $(VENV)/.installed  ## run the slow tests, and the long ones: kills, a cut network, other languages
	@$(PY) -m pytest -m "slow or long" $(ARGS)

mutate: $(VENV)/.installed-dev  ## change the code in a thousand places, and list what no test notices: 20 minutes
	@$(PY) -m mutmut run
	@$(PY) -m mutmut results

executed: $(VENV)/.installed-dev
	@$(PY) -m docs.execute

site: executed  ## make the course, executed, as web pages in build/site: 2 minutes, then less
	@$(PY) -m sphinx -q -W --keep-going -c docs -d build/doctrees . build/site $(ARGS)
	@echo "The site is in build/site. To look at it: $(PY) -m http.server -d build/site"

slides: executed  ## make slides of every notebook in build/slides
	@$(PY) -m docs.slides $(ARGS)

browse: site slides  ## test the site, the slides and JupyterLab in Debian's Chromium (apt install chromium)
	@$(PY) -m pytest tests/test_site.py tests/test_slides.py -m site $(ARGS)

check: $(VENV)/.installed-dev  ## report what ruff finds in code and notebooks, and mypy in types; change nothing
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: $(VENV)/.installed-dev  ## format code and notebooks, and mend what ruff can mend
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: $(VENV)/.installed-dev  ## measure how fast the course is, next to others: the table in docs/speed.md, 12 minutes
	@$(PY) -m benchmarks.speed $(ARGS)

minutes: $(VENV)/.installed-dev  ## measure what set-up and checks take (ARGS: setup, tests or ci): 15 minutes
	@$(PY) -m benchmarks.minutes $(ARGS)

recipes: $(VENV)/.installed  ## compare what the drawn and the real images teach: 6 minutes
	@$(PY) -m benchmarks.recipes

picture: $(VENV)/.installed  ## make the picture in the READMEs from notebook 01, in Debian's Chromium
	@$(PY) .github/picture.py

launch: $(VENV)/.installed  ## write the links to Colab, Kaggle, Binder and Codespaces into the READMEs
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

lock: $(VENV)/.installed-dev  ## write requirements.lock, and .txt from it, anew (ARGS=--upgrade: newer versions)
	@$(COMPILE) --all-extras -o requirements.lock $(ARGS)
	@$(COMPILE) --extra test -c requirements.lock -o requirements.txt

clean:  ## remove all environments and caches; work/, with your answers, stays
	@rm -rf .venv .venv-* mutants .pytest_cache .ruff_cache build *.egg-info
	@find tutorial_utils tests benchmarks notebooks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# The set-up is done once: again only when a file below changed, or when the environment can no longer be used.
$(VENV)/.installed: requirements.lock requirements.txt pyproject.toml $(shell sh install.sh $(VENV) --sound || echo unsound)
	@sh install.sh $(VENV)

$(VENV)/.installed-dev: $(VENV)/.installed requirements.lock
	@sh install.sh $(VENV) dev

.PHONY: help lab test lowest pythons cover faults mutate executed site slides browse check format bench minutes recipes \
    picture launch release lock clean unsound
