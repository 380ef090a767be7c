# Two commands on a bare machine with Python 3.11 or newer:
#   make demo                      draw a catalogue, edit a garment, find the matching ones, open the page
#   make demo CATALOGUE=folder     the same with a folder of photos
#   make test                      run the tests; make test-all: all that CI runs
# The environment (.venv) is made on first use, and again when pyproject.toml or constraints.txt change.

PYTHON ?=
VENV ?= .venv
CATALOGUE ?=
REPORTS ?=
EDITOR ?=
COMPARE ?=
DEMO_OUT ?= demo-out
STORE ?= $(DEMO_OUT)/index
COLLECTION ?= demo
WEIGHTS ?= photos
MINUTES ?= 100
DATA ?=
CONFIG ?=
NICE ?= 19
SHIP ?=
ADDRESS ?= localhost
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo ui train-on test test-all test-long lint format types browser

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## make .venv with everything in it
	@:

$(READY): pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/set_up.sh

demo:  ## index, edit, search, save a picture, open the page (DEMO_UI=0: no page); CATALOGUE=folder: your photos
	@test -z "$(CATALOGUE)" || test -d "$(CATALOGUE)" || { \
		echo "There is no folder $(CATALOGUE). Name one with photos of one garment each, or none: make demo" >&2; exit 2; }
	@$(MAKE) --no-print-directory setup
	@$(BIN)/python scripts/demo.py $(if $(CATALOGUE),--catalogue "$(CATALOGUE)") --out "$(DEMO_OUT)"
	@if [ "$(DEMO_UI)" != "0" ]; then $(MAKE) --no-print-directory ui STORE="$(DEMO_OUT)/index" COLLECTION=demo; fi

# WEIGHTS has a default for train-on, which is not to stand for the weights that an index names.
ui: $(READY)  ## the page, on the demo's index, or STORE=folder-or-URL COLLECTION=name; ADDRESS=0.0.0.0 lets others in
	@case "$(STORE)" in *://*) ;; *) test -d "$(STORE)" || { \
		echo "There is no index $(STORE). Make one: make demo. Or name one: make ui STORE=... COLLECTION=..." >&2; \
		exit 2; }; esac
	@case "$(ADDRESS)" in localhost|127.*|::1) \
		echo "The page is for this machine alone. ADDRESS=0.0.0.0 lets all in who can reach it." ;; \
	*) echo "Whoever can reach this machine on $(ADDRESS) can open the page, without a password: they see the catalogue's" \
		"photos, and can upload their own." ;; esac
	@$(BIN)/python -m streamlit run ui/app.py --server.address "$(ADDRESS)" --server.showEmailPrompt false \
		--browser.gatherUsageStats false \
		-- --store "$(STORE)" --collection "$(COLLECTION)" $(if $(REPORTS),--reports "$(REPORTS)") \
		$(if $(filter file,$(origin WEIGHTS)),,--weights "$(WEIGHTS)") $(if $(EDITOR),--editor "$(EDITOR)") \
		$(if $(CATALOGUE),--catalogue "$(CATALOGUE)") $(foreach e,$(COMPARE),--compare "$(e)")

train-on: $(READY)  ## WEIGHTS=synthetic MINUTES=100: go on training shipped weights in the background; then SHIP=1
	@$(BIN)/python scripts/train_on.py $(if $(SHIP),ship,start) --weights "$(WEIGHTS)" \
		$(if $(SHIP),,--minutes $(MINUTES) --nice $(NICE) $(if $(DATA),--data "$(DATA)") $(foreach s,$(CONFIG),-c $(s)))

test: $(READY) browser  ## the tests: six minutes on two quiet cores
	@$(TEST) -m "not slow and not thorough"

test-all: $(READY) browser  ## with trainings, whole commands and killed processes: a quarter of an hour; what CI runs
	@$(TEST) -m "not slow"

test-long: $(READY) browser  ## fault, load and endurance runs
	@$(BIN)/python -m pytest -m slow

lint: $(READY)  ## ruff and the import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

format: $(READY)  ## let ruff rewrite the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(READY)  ## the type checker
	@$(BIN)/pyrefly check

browser:  ## Chromium and axe-core for the browser tests, installed where that is possible
	@sh scripts/get_browser.sh
	@VENV="$(VENV)" sh scripts/get_axe.sh
