# The whole workflow. `make run` and `make test` set up what they need by themselves.
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help setup run test check bench chaos soak evaluate kafka clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Daybook needs Python 3.11 or later; set PYTHON=...")'
	@echo "Installing into $(VENV), once: about a minute."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/python -m streams.kpis.warm
	$(BIN)/python -m detectors.warm
	touch $@

setup: $(STAMP) ## the virtual environment with everything in it

run: $(STAMP) ## a live shop in this terminal: broker, worker, simulator, KPIs
	$(BIN)/daybook run

test: $(STAMP) ## all tests
	$(BIN)/python -m pytest

check: $(STAMP) ## style, types, drift of generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m streams.events.schema check docs/contracts
	$(BIN)/python -m dashboards.grafana check

bench: $(STAMP) ## the live path's figures beside other engines', on Apache Kafka (needs a JVM and Maven)
	$(BIN)/python -m tests.benchmarks

chaos: $(STAMP) ## twenty minutes of killed workers and brokers, then every value checked (needs a JVM and Maven)
	$(BIN)/python -m tests.chaos --publish

soak: $(STAMP) ## recovery after SIGKILL, and memory over ten million events (needs a JVM and Maven)
	$(BIN)/python -m tests.benchmarks.reliability --publish

evaluate: $(STAMP) ## detection on simulated shops, faults and labelled series (needs ../shared/data)
	$(BIN)/python -m tests.evaluation

kafka: $(STAMP) ## Apache Kafka on 127.0.0.1:9092, data in .daybook/kafka (needs a JVM and Maven)
	$(BIN)/daybook kafka

clean: ## what was built, not what was recorded
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis deploy/kafka/target
