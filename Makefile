# What a developer does here. Each target sets up what it needs first: only Python 3.11
# or newer, git and make must be there already.

SETUP := @dev/python dev/bootstrap.py
BIN := .venv/bin

.PHONY: run test check fmt clean

run:  ## the add-on and a small Jira, on this machine
	$(SETUP) python node
	@$(BIN)/python dev/run.py

test:  ## every test; `make test ARGS="tests/unit -k qsh"` for some
	$(SETUP) python node browser
	@$(BIN)/pytest $(ARGS)

check:  ## what CI asks: format, lint, types, layers, and every test with coverage
	$(SETUP) python node browser
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --cov --cov-fail-under=95

fmt:  ## let the formatter and the linter repair what they can
	$(SETUP) python
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## everything that can be made again; `var/`, your sandbox's state, stays
	rm -rf .venv node_modules test-results htmlcov .coverage .coverage.* *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
