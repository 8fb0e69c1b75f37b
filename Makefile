# make demo, test, install, weights, bench, docs, wheel: each works in a fresh clone with nothing else installed.
# TORCH_INDEX=<a PyTorch wheel index> installs another build of torch (cpu, cu126, rocm, ...).
PY ?= python3
V := .venv/bin
# Processes of the tests.
WORKERS ?= 2
# Two OpenMP threads on two busy cores are slower than one; processes are used instead.
export OMP_NUM_THREADS ?= 1
# Where Python is told to write no bytecode, each of some hundred processes of the tests compiles
# PyTorch again, 1.4 of its 2.7 s. Theirs is kept in the environment, which `make install` makes.
ifdef PYTHONDONTWRITEBYTECODE
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/.venv/bytecode
endif

demo: install
	$(V)/smallpose demo --out runs/demo

# Types are checked while the tests start; a fault of either fails the target.
test: lint
	@$(MAKE) --no-print-directory -j 2 pytest types

pytest: install
	$(V)/python -m pytest -q -n $(WORKERS) --dist worksteal

check: install
	$(V)/ruff format src tests bench examples
	$(V)/ruff check --fix src tests bench examples
	$(V)/mypy
	$(V)/python -m pytest -q -n 2 -m "not slow and not gpu"

# Large fuzz and simulation counts, mutation runs and fresh environments: hours on two cores.
check-long: install
	$(V)/python -m pytest -q --long -n 2 --dist worksteal --timeout 7200

# Tests of the report page run in Chromium and are skipped without it; this installs it, given root.
chromium:
	@for name in chromium-headless-shell chromium chromium-browser google-chrome; do \
	  command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing Chromium for the tests of the page"; apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    chromium-headless-shell >/dev/null || \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else echo "Chromium is missing and this is not root on Debian; install it, or tests of the page are skipped"; fi

lint: install
	$(V)/ruff format --check src tests bench examples
	$(V)/ruff check src tests bench examples

types: install
	$(V)/python .ci/check_types.py

bench: install
	$(V)/python bench/run.py

# The study of docs/which-model.md: make study DATA=… LSP=… COCO=/path/to/val2017 (each is optional,
# one is needed), PEOPLE=1000, MODELS=movenet-thunder,posenet, JOBS=1, WORK=runs/study. Run it again
# to continue.
study: install
	$(V)/python bench/study/run.py $(if $(DATA),--data $(DATA)) $(if $(LSP),--lsp $(LSP)) \
	  $(if $(COCO),--coco $(COCO)) $(if $(PEOPLE),--people $(PEOPLE)) $(if $(JOBS),--jobs $(JOBS)) \
	  $(if $(MODELS),--models $(MODELS)) $(if $(WORK),--work $(WORK))

# Weights of rtmo_tiny, trained on synthetic people: `smallpose predict rtmo_tiny photos` finds them
# in the cache afterwards. About 30 CPU minutes; run it again to continue.
weights: install
	env -u OMP_NUM_THREADS $(V)/smallpose weights train rtmo_tiny

# A wheel for this kind of machine and every Python from 3.11 on, tried in a fresh environment of
# each that is found. It is built from the source archive, so that nothing of this folder slips in.
wheel: install
	rm -rf dist
	$(V)/python -m build --outdir dist
	$(V)/python tests/fresh/environments.py dist/*.whl

golden: install
	$(V)/python -m pytest -q tests --golden

install: $(V)/.ready

$(V)/.ready: pyproject.toml constraints.txt setup.py $(wildcard src/smallpose/*/*.[ch] src/smallpose/*/*/*.[ch])
	@$(PY) -c 'import sys; v = sys.version.split()[0]; sys.version_info >= (3, 11) or sys.exit( \
	  f"smallpose: needs Python 3.11 or newer, $(PY) is {v}; name another one: make PY=python3.12")'
	$(PY) -m venv .venv
	@$(MAKE) --no-print-directory -j 2 packages package
	touch $@

# What the package needs is unpacked on one core while it is compiled itself on another.
PIP = $(V)/python -m pip install -q --no-compile --disable-pip-version-check -c constraints.txt \
  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
EXTRAS := build plots video large torch onnx openvino movenet polars torchmetrics dev

packages:
	$(V)/python .ci/requirements.py $(EXTRAS) >.venv/requirements.txt
	$(PIP) -r .venv/requirements.txt

package:
	$(PIP) --no-deps -e .

# Builds docs/ and an API reference as static HTML, which opens from disk.
docs: install
	$(V)/python docs/site/build.py --out build/docs

.PHONY: demo test pytest check-long chromium docs check lint types bench study weights golden wheel install packages \
  package
