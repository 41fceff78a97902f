# Two commands do everything on a fresh machine: `make search` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SPREAD := -n auto --maxprocesses 8 --dist worksteal  # tests side by side, one process per core

.PHONY: search test check audit dashboard picture format clean

search: $(VENV)/installed  ## install, then run the main job on the embedded model and data
	$(BIN)/autoprompt-search run search_spaces/quickstart.yaml

test: $(VENV)/installed-test check  ## install, then every test
	$(BIN)/python -m pytest $(SPREAD) -m "(model or slow) and not ray"
	$(BIN)/python -m pytest -m ray

check: $(VENV)/installed-test  ## what contributors run: style, types, layers, quick tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(SPREAD) -m "not ray and not model and not slow"

audit:  ## known holes in what constraints.txt pins; needs the network
	test -d .audit || $(PYTHON) -m venv .audit
	.audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --timeout 5 --progress-spinner off

picture: $(VENV)/installed  ## the picture in the README, of the result of `make search`; needs Chromium
	chromium --headless --no-sandbox --hide-scrollbars --window-size=1400,960 \
	  --screenshot=docs/quickstart.png file://$(CURDIR)/reports/quickstart/report.html

dashboard: $(VENV)/installed  ## MLflow on the results, on this machine only
	$(BIN)/autoprompt-search dashboard

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .audit build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/installed: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(INSTALL) -e '.[test]'
	touch $@
