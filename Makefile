# The book's commands.  Variables reach Python through the environment, so that no shell reads their text.  make itself
# expands what its command line gives, before any recipe: P='$(shell date)' runs date.  Take no P from strangers.
.DEFAULT_GOAL := help
.PHONY: help setup book test lint run params sweep compare record campaign prune assignment answers grade tune new why readme lock open gpu bench lab serve archive pdf clean
.DELETE_ON_ERROR:
export STUDENTS SUBMISSIONS SECRET CLASSROOM ONLY TRUST
export STUDY PRESET P GRID A B RUN SINCE LIST HOURS CORES PROFILE GPUS YES DATA_ROOT ENCODERS BUDGET PARTS OUT COMMIT PROCESSES
export PYTHONPATH := .
export PYTHONUTF8 := 1
export THP_MEM_ALLOC_ENABLE ?= 1
PYTHON ?= python3
PORT ?= 8000
PY := .venv/bin/python
SOURCES := $(wildcard lib/*.py lib/*/*.py lib/*/*/*.py lib/*/*/*/*.py claims/* notebooks/*.py exercises/*.py classroom/*.py benchmarks/* tests/*.py tests/*/*.py presets/*/* book/* book/*/*) \
  Snakefile Makefile pyproject.toml environment.yml _config.yml _toc.yml records.yaml $(wildcard results/recorded/*/*/*)

help:
	@echo 'make book      execute every study with PRESET=quick and build the site'
	@echo 'make test      lint, then the tests (make -B test runs them although nothing changed)'
	@echo 'make run       STUDY=x [PRESET=quick|laptop|paper] [P="ratio=0.05 seed=1"]: one run and its page'
	@echo 'make params    STUDY=x: names, types, defaults, ranges, help'
	@echo 'make sweep     STUDY=x GRID="ratio=0.01,0.05 seed=0..4" [PRESET=p] [P="..."]: a grid, one table and page'
	@echo 'make compare   A=run B=run: two runs side by side'
	@echo 'make record    RUN=run: keep a run in results/recorded'
	@echo 'make open      the claims that no run of record decides: seeds, encoders and hours that would'
	@echo 'make campaign  [LIST=records.yaml] [HOURS=h]: the runs of record of a list; without HOURS what is done'
	@echo 'make prune     remove runs and encoders of older code'
	@echo 'make why       RUN=run [SINCE=commit]: what changed since the run was made, that renames it'
	@echo 'make new       STUDY=name: a new study from the template'
	@echo 'make tune      STUDY=x [PRESET=p] [P="rates=0.05,0.1 seeds=2 epochs=8"]: learning rates by balanced accuracy'
	@echo 'make assignment STUDY=x [STUDENTS=roster.csv SECRET=path] [CLASSROOM=path]: what a class is handed'
	@echo 'make grade     STUDY=x SUBMISSIONS=folder SECRET=path [STUDENTS=roster.csv] [CLASSROOM=path] [ONLY=student]: points and feedback'
	@echo 'make gpu       STUDY=x[,y] [PRESET=gpu] [TRAINERS=n] BUDGET=seconds: check and measure a GPU, and train encoders until then'
	@echo 'make lock      after a change of requirements.txt: pin what it pulls in'
	@echo 'make bench     the benchmarks of the page of that name (about half an hour)'
	@echo 'make lab       open the studies in JupyterLab; STUDY=x STUDENT=yes: an assignment, without its solutions'
	@echo 'make serve     serve the built site at http://localhost:$(PORT)'
	@echo 'make pdf       the book on paper, by LaTeX'
	@echo 'make archive   one file to deposit: sources of the last commit, built site, runs of record, checksums'
	@echo 'make clean     remove everything built, runs included; keeps .venv and data'
	@echo 'PROFILE=slurm  with book, run, sweep, tune: on a cluster (or the path of a Snakemake profile)'
	@echo 'YES=1          with these: start more than a day of work without a question'
	@echo 'STUDY is one of: $(basename $(notdir $(wildcard notebooks/*.py)))'

setup: .venv/core

.venv/core: requirements.txt constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}; choose one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --disable-pip-version-check -q -r requirements.txt -c constraints.txt
	@touch $@

.venv/test: .venv/core pyproject.toml
	$(PY) -m pip install --disable-pip-version-check -q -c requirements.txt -c constraints.txt '.[test]'
	@touch $@

.venv/lab: .venv/core pyproject.toml
	$(PY) -m pip install --disable-pip-version-check -q -c requirements.txt -c constraints.txt '.[lab]'
	@touch $@

.venv/archive: .venv/core pyproject.toml
	$(PY) -m pip install --disable-pip-version-check -q -c requirements.txt -c constraints.txt '.[archive]'
	@touch $@

.venv/cluster: .venv/core pyproject.toml
	$(PY) -m pip install --disable-pip-version-check -q -c requirements.txt -c constraints.txt '.[cluster]'
	@touch $@

book run sweep tune: $(if $(filter slurm,$(PROFILE)),.venv/cluster)

book pdf run params sweep compare record campaign prune assignment answers grade tune new why readme lock open: .venv/core
	@$(PY) -m lib.book.make $@

archive: .venv/core .venv/archive
	@$(PY) -m lib.book.make $@

grade: export OMP_NUM_THREADS := 1# its judges are forked, and threads do not survive that
grade: export OPENBLAS_NUM_THREADS := 1

lint: .venv/test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

test: build/tested
	@echo 'The tests passed, and nothing changed since. To run them again: make -B test'

build/tested: .venv/test $(SOURCES)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -n 3 --dist loadscope --no-loadscope-reorder
	@mkdir -p build && touch $@

gpu: # on a borrowed machine there is no .venv: PYTHON trains there
	@$(if $(wildcard $(PY)),$(PY),$(PYTHON)) -m lib.book.gpu

bench: .venv/test
	$(PY) -m benchmarks

lab: export JUPYTER_CONFIG_DIR := build/jupyter
lab: export PYTHONPATH := $(CURDIR)
lab: .venv/lab
	@.venv/bin/jupytext-config set-default-viewer python
ifeq ($(STUDENT),yes)
	@opened=$$($(PY) -m lib.book.make answers) && $(PY) -m jupyter lab "$$opened"
else
	$(PY) -m jupyter lab --ServerApp.contents_manager_class=lib.book.lab.Studies notebooks
endif

serve: .venv/core
	@echo 'http://localhost:$(PORT)  (Ctrl-C stops)'
	@$(PY) -m http.server $(PORT) --bind 127.0.0.1 --directory build/_build/html

clean:
	rm -rf build results/runs .snakemake
