"""Make fresh Python environments, install smallpose into them and try it out.

    python tests/fresh/environments.py dist/*.whl

installs a wheel into an environment of each Python that is found and runs the smoke test there.
For Pythons that are not installed, abi3audit checks that the compiled parts use nothing but the
stable ABI of Python 3.11.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMOKE = Path(__file__).with_name("smoke.py")
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")


def find_pythons() -> dict[str, str]:
    """Return the interpreters of this machine by version, such as 3.12: in PATH and from pyenv."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += sorted((Path.home() / ".pyenv" / "versions").glob("*/bin"))
    pythons: dict[str, str] = {}
    for folder in folders:
        for file in sorted(folder.glob("python3.[0-9]*")):
            version = re.fullmatch(r"python(3\.\d+)", file.name)
            if version and _starts(file):
                pythons.setdefault(version[1], str(file))
    return pythons


def _starts(python: Path) -> bool:
    done = subprocess.run([python, "-c", "import venv"], capture_output=True, check=False)
    return done.returncode == 0


class Environment:
    """A fresh virtual environment of one Python."""

    def __init__(self, folder: Path, python: str) -> None:
        subprocess.run([python, "-m", "venv", folder], check=True, capture_output=True)
        self.python = folder / "bin" / "python"

    def run(
        self, *words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python with the given arguments."""
        # PYTHONPATH would hide what is missing; isolated mode (-I) hides the working folder, too.
        settings = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return subprocess.run(
            [str(self.python), *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd or self.python.parents[1],
            env={**settings, **(env or {})},
        )

    def install(
        self, *requirements: object, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `pip install` and return its result, whatever it is."""
        words = ("-m", "pip", "install", "--disable-pip-version-check", *requirements)
        return self.run(*words, env=env)

    def list_packages(self) -> dict[str, str]:
        """Return the installed packages and their versions."""
        listed = self.run("-m", "pip", "list", "--format=freeze", "--disable-pip-version-check")
        lines = [line for line in listed.stdout.splitlines() if "==" in line]
        return dict(line.lower().split("==") for line in lines)


def main(wheels: list[str]) -> int:
    """Install each wheel under every Python that is found, and run the smoke test."""
    pythons = {v: python for v, python in find_pythons().items() if v in SUPPORTED}
    if not pythons or not wheels:
        print("no Python or no wheel: nothing was tested", file=sys.stderr)
        return 1
    for wheel in wheels:
        for version, python in pythons.items():
            folder = Path(tempfile.mkdtemp(prefix="smallpose-wheel-"))
            try:
                environment = Environment(folder, python)
                installed = environment.install("-q", Path(wheel).resolve())
                done = installed if installed.returncode else environment.run(SMOKE, "compiled")
            finally:
                shutil.rmtree(folder)
            if done.returncode:
                print(f"{wheel} failed on Python {version}:\n{done.stderr}", file=sys.stderr)
                return 1
            print(f"{Path(wheel).name}: Python {version}: {done.stdout.strip()}")
    missing = [version for version in SUPPORTED if version not in pythons]
    if missing:
        print(f"not tested, since they are not installed: Python {', '.join(missing)}")
        return audit_abi(wheels, next(iter(pythons.values())))
    return 0


def audit_abi(wheels: list[str], python: str) -> int:
    """Check with abi3audit that wheels use only the stable ABI of the Python in their names."""
    folder = Path(tempfile.mkdtemp(prefix="smallpose-abi3-"))
    try:
        environment = Environment(folder, python)
        installed = environment.install("-q", "abi3audit==0.0.26")
        if installed.returncode:
            print("not audited, since abi3audit cannot be installed: the stable ABI")
            return 0
        paths = [Path(wheel).resolve() for wheel in wheels]
        done = environment.run("-m", "abi3audit", "--strict", "--summary", *paths)
    finally:
        shutil.rmtree(folder)
    # Its line begins with the time and a sign.
    text = " ".join((done.stdout.strip() or done.stderr.strip()).split())
    print(text[text.find("smallpose") :])
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
