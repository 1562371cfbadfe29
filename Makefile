# What a developer does here. Each target sets up what it needs first: only Python 3.11
# or newer, git and make must be there already.

SETUP := @dev/python dev/bootstrap.py
BIN := .venv/bin
# Tests in several processes, each with databases of its own; `ARGS="-n 0"` for one.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal
# Tests start many processes, and none shall compile what another one has: some images
# of Python say otherwise.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run cli test check faults bench mutants forge fmt clean

run:  ## the add-on and a small Jira, on this machine
	$(SETUP) python node forge
	@$(BIN)/python dev/run.py

cli:  ## a command of countersign on what `make run` runs; `make cli ARGS=doctor`
	$(SETUP) python
	@$(BIN)/python dev/run.py $(or $(ARGS),--help)

test:  ## every test; `make test ARGS="tests/unit -k qsh"` for some
	$(SETUP) python node forge browser proxy
	@$(BIN)/pytest $(PARALLEL) $(ARGS)

check:  ## what CI asks: format, lint, types, layers, and every test with coverage
	$(SETUP) python node forge browser proxy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(PARALLEL) --cov --cov-fail-under=95

faults:  ## kills, full disks, wrong clocks, cut wires; `make faults ARGS="--rounds 20"`
	$(SETUP) python proxy
	$(BIN)/pytest -x tests/faults $(ARGS)

bench:  ## what we claim about speed; `make bench ARGS=hooks` for one part of it
	$(SETUP) python node bench
	$(BIN)/python -m bench $(ARGS)

mutants:  ## which small faults our tests notice; `make mutants ARGS=tokens` for one room
	$(SETUP) python
	@nice -n 15 $(BIN)/python dev/mutants.py $(ARGS)

forge:  ## the pages that `forge deploy` uploads, in forge/static
	$(SETUP) python node forge

fmt:  ## let the formatter and the linter repair what they can
	$(SETUP) python
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## everything that can be made again; `var/`, your sandbox's state, stays
	rm -rf .venv node_modules forge/static test-results htmlcov .coverage .coverage.* *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
