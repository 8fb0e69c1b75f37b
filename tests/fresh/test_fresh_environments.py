"""What a stranger installs: fresh environments of every Python that this machine has."""

import functools
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from environments import ROOT, SMOKE, SUPPORTED, Environment, find_pythons

pytestmark = pytest.mark.long
list_pythons = functools.cache(find_pythons)  # not when tests are collected: it starts each


def get_python(version: str) -> str:
    if version not in list_pythons():
        pytest.skip(f"Python {version} is not installed on this machine")
    return list_pythons()[version]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The source archive and the wheel."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (archive,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return archive, wheel


def hash_module(environment: Environment, module: str) -> dict[str, str]:
    """Return the hash of every file of an installed module."""
    found = environment.run("-c", f"import {module}; print({module}.__file__)")
    assert found.returncode == 0, found.stderr
    files = Path(found.stdout.strip()).parent.rglob("*")
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_the_wheel_serves_every_python_from_3_11_on(built):
    assert re.search(r"-cp311-abi3-", built[1].name)


@pytest.mark.parametrize("version", SUPPORTED)
def test_the_base_install_scores_with_three_packages_and_what_they_need(version, built, tmp_path):
    environment = Environment(tmp_path, get_python(version))
    before = set(environment.list_packages())
    done = environment.install(built[1])
    assert done.returncode == 0, done.stderr
    done = environment.run(SMOKE, "compiled")
    assert done.returncode == 0, done.stderr
    new = set(environment.list_packages()) - before
    needed = {"markdown-it-py", "mdurl", "pygments", "typing_extensions"}
    assert {"smallpose", "numpy", "msgspec", "rich"} <= new
    assert new <= {"smallpose", "numpy", "msgspec", "rich"} | needed


def test_an_environment_with_numpy_1_and_opencv_is_left_as_it_was(built, tmp_path):
    environment = Environment(tmp_path, get_python("3.11"))
    assert environment.install("numpy==1.26.4", "opencv-python==4.10.0.84").returncode == 0
    before = hash_module(environment, "cv2") | hash_module(environment, "numpy")
    # The command of the README for environments that have an OpenCV.
    assert environment.install(built[1]).returncode == 0
    assert environment.install("pillow", "scipy<1.16").returncode == 0
    assert hash_module(environment, "cv2") | hash_module(environment, "numpy") == before
    packages = environment.list_packages()
    assert packages["numpy"] == "1.26.4"
    assert packages["opencv-python"] == "4.10.0.84"
    assert "opencv-python-headless" not in packages
    assert environment.run("-m", "pip", "check").returncode == 0
    done = environment.run(SMOKE, "compiled")
    assert done.returncode == 0, done.stderr
    # Images and sources work with that OpenCV, and with NumPy 1.26.
    commands = [["synth", "syn", "--size", "tiny"], ["build", "set", "--mpii", "syn/mpii"]]
    commands += [["check", "set"]]
    for words in commands:
        done = environment.run("-m", "smallpose", *words)
        assert done.returncode == 0, done.stderr


def test_without_a_compiler_it_installs_and_says_once_how_much_slower_it_is(built, tmp_path):
    environment = Environment(tmp_path, get_python("3.11"))
    done = environment.install(built[0], env={"CC": "/bin/false", "CXX": "/bin/false"})
    assert done.returncode == 0, done.stderr
    done = environment.run(SMOKE, "plain")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("takes about 5 times as long") == 1


def test_python_3_10_is_refused_by_name(built, tmp_path):
    environment = Environment(tmp_path, get_python("3.10"))
    # A wheel of another Python is "not supported"; what users install is the clone.
    done = environment.install(built[0])
    assert done.returncode == 1
    assert "requires a different Python: 3.10" in done.stderr
    assert ">=3.11" in done.stderr
    make = ["make", "-s", "install", f"PY={environment.python}", f"V={tmp_path / 'none'}"]
    made = subprocess.run(make, capture_output=True, text=True, check=False, cwd=ROOT)
    assert made.returncode == 2
    assert "needs Python 3.11 or newer" in made.stderr
    assert "is 3.10" in made.stderr


@pytest.mark.parametrize("extra", ["images", "build", "plots", "torch", "parquet", "polars", "all"])
def test_the_command_of_every_hint_can_be_carried_out(extra, tmp_path):
    """pip resolves the extra from a clone; nothing is installed."""
    environment = Environment(tmp_path, get_python("3.11"))
    pinned = {"PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PATH": os.environ["PATH"]}
    done = environment.run("-m", "pip", "install", "--dry-run", f".[{extra}]", cwd=ROOT, env=pinned)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "does not provide the extra" not in done.stderr
    line = next(x for x in done.stdout.splitlines() if x.startswith("Would install"))
    wanted = {"images": "opencv", "build": "scipy", "plots": "matplotlib", "parquet": "pyarrow"}
    assert (wanted | {"all": "ray"}).get(extra, extra) in line
