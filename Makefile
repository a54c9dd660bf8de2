# The doors of the project. `make up` serves, `make test` tests; each installs what it lacks into .venv, from the lock files
# alone and by hash. PYTHON names the interpreter to begin with, WORKERS the test processes, ARGS goes on to the program.
# `make test` takes a few examples of what is generated; `make fuzz` takes FUZZ_EXAMPLES documents, and of everything else
# EXAMPLES times as many.

WORKERS ?= 2
FUZZ_EXAMPLES ?= 2000
EXAMPLES ?= 20
PY := .venv/bin/python
# Without --no-compile, byte code of all that is never imported costs a sixth of the time.
PIP := $(PY) -m pip --disable-pip-version-check install --root-user-action=ignore --no-compile
COMPILE := $(PY) -m uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-strip-extras --custom-compile-command "make lock" --quiet \
	$(if $(UPGRADE),--upgrade)

# Byte code of what was imported is kept, whatever the surroundings say: without it every start compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: up test check schema bench chaos fuzz lock clean coverage

up: .venv/.runtime .venv/.project
	@exec $(PY) -m cityloom up $(ARGS)

test: .venv/.dev .venv/.project
	@exec $(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: .venv/.dev .venv/.project
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/lint-imports --cache-dir var/import-linter
	$(PY) -m mypy

schema: .venv/.runtime .venv/.project
	@exec $(PY) -m cityloom schema $(ARGS)

bench: .venv/.runtime .venv/.project
	@exec $(PY) -m cityloom bench $(NAME) $(ARGS)

chaos: .venv/.dev .venv/.project
	@exec $(PY) ops/chaos $(ARGS)

fuzz: .venv/.dev .venv/.project
	@FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) EXAMPLES=$(EXAMPLES) exec $(PY) -m pytest -m "fuzz or hypothesis" $(ARGS)

coverage: .venv/.dev .venv/.project
	@exec $(PY) -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term $(ARGS)

# Keeps the versions it finds in the lock files; UPGRADE=1 takes the newest that pyproject.toml allows.
lock: .venv/.dev
	$(COMPILE) --group build --output-file requirements.lock
	$(COMPILE) --group build --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@! grep -n '://' requirements.lock requirements-dev.lock

# Keeps what was stored: the data, keys and credentials below var/ stay.
clean:
	rm -rf .venv .hypothesis var/mypy var/pytest var/ruff var/import-linter var/coverage*
	find platform tests migrations ops -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
		if "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			exec "$$python" -m venv .venv; \
		fi; \
	done; \
	echo "Cityloom needs Python 3.11 or newer with venv: install it, or name one by PYTHON=/path/to/python" >&2; exit 1

.venv/.runtime: requirements.lock | $(PY)
	@echo "Installing what Cityloom runs on (once, about a minute) ..."
	@$(PIP) --only-binary :all: --require-hashes --requirement requirements.lock
	@touch $@

.venv/.dev: requirements-dev.lock | $(PY)
	@echo "Installing what the tests need (once, about a minute) ..."
	@$(PIP) --only-binary :all: --require-hashes --requirement requirements-dev.lock
	@touch $@ .venv/.runtime

# The build backend is in both lock files, so that this asks nobody for anything.
.venv/.project: pyproject.toml README.md | $(PY)
	@$(PIP) --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@
