# Everything lives in .venv at the root; nothing needs activating. `make rehearse` and `make test` set themselves up.
PYTHON ?= python3
BIN := .venv/bin
RUNBOOK_READY := .venv/.runbook-ready
BOTS_READY := .venv/freqtrade/.ready
PREVIOUS_READY := .venv/freqtrade-previous/.ready
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: rehearse test sweep outages compare check notebooks lab lock clean

rehearse: $(RUNBOOK_READY) $(BOTS_READY)  ## the whole migration on real freqtrade, in the lab
	@$(BIN)/runbook rehearse $(ARGS)

test: check $(BOTS_READY) $(PREVIOUS_READY)  ## everything that must hold before a change lands
	@$(BIN)/pytest -n 4 --dist loadgroup --no-loadscope-reorder $(ARGS)

sweep: $(RUNBOOK_READY) $(BOTS_READY)  ## a change struck down at every event in every way; `make test` does it in one way each
	@$(BIN)/pytest -n 2 --dist loadgroup tests/sweep tests/end_to_end/test_struck_down.py --whole-sweep $(ARGS)

compare: $(RUNBOOK_READY) $(BOTS_READY)  ## the feed beside a caching proxy and a plain fleet: requests, age, cost, outages
	@$(BIN)/python tests/comparison/compare.py $(ARGS)

outages: $(RUNBOOK_READY) $(BOTS_READY)  ## real bots: a producer lost in seven ways, a power cut; three quarters of an hour, `make test` does one way
	@$(BIN)/pytest -s tests/freqtrade/feed/test_feed_real_outages.py tests/freqtrade/feed/test_feed_real_start.py --whole-sweep $(ARGS)

check: $(RUNBOOK_READY)  ## style, types, architecture, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/runbook generate --check

notebooks: $(RUNBOOK_READY)  ## notebooks/*.ipynb and params/schema.json from their sources
	@$(BIN)/runbook generate

SITE := params/lab.yaml
CHANGE := by-hand-$(shell date -u +%Y%m%d-%H%M%S)
JUPYTER := $(BIN)/jupyter lab --notebook-dir=. $(if $(filter 0,$(shell id -u)),--allow-root) \
  --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate

lab: $(RUNBOOK_READY) $(BOTS_READY)  ## the lab alone, and JupyterLab to step through the notebooks by hand
	@trap : INT TERM; $(BIN)/runbook lab up --site $(SITE) && { \
	  $(BIN)/runbook open --site $(SITE) --change $(CHANGE) && \
	  $(JUPYTER) --LabApp.default_url=/lab/tree/outputs/$(CHANGE)/notebooks/10_preflight.ipynb $(ARGS); \
	  $(BIN)/runbook lab down --site $(SITE); }

lock:  ## new hashes after a pin was changed
	@uv pip compile -q pyproject.toml --extra dev --python-version 3.11 --universal --generate-hashes \
	  --no-emit-index-url --no-header -o requirements/runbook.lock
	@uv pip compile -q requirements/freqtrade.in --python-version 3.11 --universal --generate-hashes \
	  --no-emit-index-url --no-header -o requirements/freqtrade.lock
	@uv pip compile -q requirements/freqtrade-previous.in --python-version 3.11 --universal --generate-hashes \
	  --no-emit-index-url --no-header -o requirements/freqtrade-previous.lock

clean:
	rm -rf .venv

$(RUNBOOK_READY): requirements/runbook.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed -> name one: make PYTHON=python3.12 ..."; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "Python's venv is missing -> install it: apt-get install python3-venv"; exit 2; }
	@echo "setting up .venv (once, about a minute) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/runbook.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# freqtrade in an environment of its own, as on hosts: .venv/NAME of requirements/NAME.lock
.venv/%/.ready: requirements/%.lock | $(RUNBOOK_READY)
	@echo "setting up freqtrade in .venv/$* (once, about a minute) ..."
	@$(PYTHON) -m venv .venv/$*
	@.venv/$*/bin/python -m pip install --quiet --require-hashes -r requirements/$*.lock
	@touch $@
