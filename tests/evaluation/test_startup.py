"""`smallpose evaluate` imports nothing that it does not use; `make golden` rewrites the list."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from smoke import write_files

GOLDEN = "evaluate_modules.txt"
# Each takes as long to load as a small evaluation takes to compute, or a tenth of it.
UNUSED = {"rich", "tempfile", "hashlib", "multiprocessing", "concurrent", "subprocess", "logging"}
UNUSED |= {"shutil", "bz2", "lzma"}  # of which argparse would measure the terminal
UNUSED_PARTS = {"numpy.ma", "numpy.random", "numpy.testing", "numpy.fft", "numpy.polynomial"}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> set[str]:
    """The modules that an evaluation of 40 images has loaded at its end."""
    truth, results = write_files(tmp_path_factory.mktemp("small"), num_images=40)
    code = (
        "import sys; from smallpose.cli.main import main\n"
        f"assert main(['evaluate', {str(truth)!r}, {str(results)!r}]) == 0\n"
        "print(*sys.modules, sep=chr(10), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


def test_evaluate_loads_the_modules_of_the_list_and_no_others(loaded, golden):
    ours = sorted(name for name in loaded if name.split(".")[0] == "smallpose")
    golden(GOLDEN, "\n".join(ours) + "\n")


def test_evaluate_loads_no_module_that_it_does_not_use(loaded):
    assert not {name.split(".")[0] for name in loaded} & UNUSED
    assert not loaded & UNUSED_PARTS


def test_evaluate_starts_no_threads_that_it_does_not_use(tmp_path):
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        pytest.skip("the system does not list threads")
    truth, results = write_files(tmp_path, num_images=40)
    code = (
        "import os, sys; from smallpose.cli.main import main\n"
        f"assert main(['evaluate', {str(truth)!r}, {str(results)!r}]) == 0\n"
        "print(len(os.listdir('/proc/self/task')), 'OPENBLAS_NUM_THREADS' in os.environ)"
    )
    environ = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout.splitlines()[-1] == "1 False"
