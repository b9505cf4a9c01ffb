# make run    set up and run SCAI:  make run PORT=5055 HOST=0.0.0.0 RUNNINGMODE=job
# make test   set up and run every check and test
# make quick  the tests that take less than a minute
# make check  formatting, lint, types, import directions; of the pages' scripts, too
# make bench  set up and measure how fast SCAI is here (2 h; benchmarks/README.md)
# make screenshots  photograph every page anew for docs/portal.md
# make crash  kill, stop and continue every process under load for an hour:  make crash MINUTES=5
# make fuzz   mutate pictures and files of strangers for an hour:  make fuzz MINUTES=5
# make lowest run every test with the oldest releases that pyproject.toml allows
# make lock   pin the newest and the oldest packages anew (needs uv and .venv)

PYTHON ?=
export PYTHON
BIN := .venv/bin
coverage := .cache/coverage
lowest := .cache/lowest
# A file's tests stay together: they share servers.
side_by_side := -n auto --maxprocesses 4 --dist loadfile

# What is not given here comes from SCAI_... in the environment, usr/scai.config or the defaults.
given = $(if $(filter command,$(firstword $(origin $(1)))),--$(2) "$($(1))")

.PHONY: run test quick check bench screenshots crash fuzz lowest setup setup-dev lock clean

run: setup
	@exec $(BIN)/scai up $(call given,HOST,host) $(call given,PORT,port) \
		$(call given,RUNNINGMODE,runningmode)

test: setup-dev check
	@sh requirements/browser.sh
	@mkdir -p $(dir $(coverage))
	@COVERAGE_FILE=$(coverage) $(BIN)/python -m pytest $(side_by_side) --cov --cov-report=
	@printf "Lines covered by the tests' own processes, in percent: "
	@COVERAGE_FILE=$(coverage) $(BIN)/coverage report --format=total

quick: setup-dev
	@$(BIN)/python -m pytest -m "not slow" -q $(side_by_side)

check: setup-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@sh requirements/js/check.sh

bench: setup
	@$(BIN)/scai bench all

screenshots: setup-dev
	@sh requirements/browser.sh
	@$(BIN)/python -m tools.artwork.screenshots

crash: setup-dev
	@CRASH_SECONDS=$$(( $(or $(MINUTES),60) * 60 )) CRASH_SEED="$(SEED)" \
		$(BIN)/python -m pytest -q -s tests/crash

# Each of the seven targets gets its share of the time.
fuzz: setup-dev
	@FUZZ_SECONDS=$$(( $(or $(MINUTES),60) * 60 / 7 )) FUZZ_SEED="$(SEED)" \
		$(BIN)/python -m pytest -q -s tests/fuzz

setup:
	@sh requirements/install.sh runtime

setup-dev:
	@sh requirements/install.sh dev
	@sh requirements/js/install.sh

lowest:
	@$(or $(PYTHON),python3) -m venv $(lowest)
	@for set in dev lowest; do \
		$(lowest)/bin/python -m pip --quiet install --require-hashes --no-deps \
			-r requirements/$$set.txt || exit 1; \
	done
	@sh requirements/browser.sh
	@$(lowest)/bin/python -m pytest -q $(side_by_side)

pin := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade

lock:
	@for set in runtime dev; do \
		$(pin) requirements/$$set.in -o requirements/$$set.txt; \
	done
	@$(pin) --resolution lowest-direct requirements/runtime.in -o requirements/lowest.txt
	@sh requirements/js/npm.sh --prefix requirements/js install --silent --package-lock-only \
		--save-dev oxlint@latest typescript@latest

clean:
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
