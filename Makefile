# One word each: set up and run the demo, set up and pass the tests, check the style.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check setup clean

demo: setup
	$(BIN)/grokputer demo

test: check
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p grokputer  # with its tests

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt scripts/setup.sh
	PYTHON=$(PYTHON) scripts/setup.sh

clean:
	rm -rf .venv build *.egg-info
