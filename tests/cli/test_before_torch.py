"""Mistakes that need no PyTorch are answered before it is loaded, which takes seconds."""

import subprocess
import sys

import pytest

from smallpose.catalog.method_checks import PUBLISHED

SCRIPT = """
import contextlib, io, sys
from smallpose.cli.main import main
for line in sys.stdin.read().splitlines():
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        code = main(line.split())
    print(code, "torch" in sys.modules, err.getvalue().strip().splitlines()[-1])
"""
CALLS = {
    "predict hrnet_w32 photos --out f.json": "hrnet_w32: has no weights of its own; add --weights "
    "mmpose for the published ones ('smallpose weights get hrnet_w32' downloads them)",
    "predict rtmo_tiny photos --out f.json": "rtmo_tiny: has no weights of its own; add --weights "
    "with a run's folder ('smallpose demo' makes one",
    "predict rtmo_tiny photos --weights mmpose --out f.json": "--weights mmpose: there are no "
    "published weights of rtmo_tiny; add --weights with a run's folder",
    "predict hrnet_w32 photos --weights gone.pth --out f.json": "gone.pth: no such file; check --w",
    "predict hrnet_w23 photos --weights gone.pth --out f.json": "no such method; did you mean hrn",
    "predict movenet empty --out f.json": "empty: the folder has no images; name one with files",
    "predict movenet --data gone.json --images photos --out f.json": "--data gone.json: no such fi",
    "predict own.py:x photos --out f.json": "own.py:x: no file own.py",
    "train hrnet_w32 --out run": "smallpose train: --data SET is missing; as in: smallpose train",
    "train hrnet_w32 --data empty --out run": "has no empty/annotations/train.json; name a set of",
    "train hrnet --data empty --out run": "method hrnet: no such method; did you mean hrnet_w",
    "train photos --data empty --out run": "is a folder and not a method; name the method, and",
    "benchmark --data empty --out run": "--data empty: has no empty/annotations/train.json",
    "resolution t.json --images photos --out r hrnet_w32": "hrnet_w32: has no weights of its own",
    "resolution t.json --images photos --out r gone": "gone: is neither the folder of a run nor",
}


def test_they_are_answered_without_torch(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input="\n".join(CALLS),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    lines = result.stdout.splitlines()
    assert len(lines) == len(CALLS)
    for line, (call, message) in zip(lines, CALLS.items(), strict=True):
        assert line.startswith("2 False ") and message in line, (call, line)


def test_published_models_are_those_that_bring_their_weights():
    external = pytest.importorskip("smallpose.external")
    assert set(PUBLISHED) == set(external.EXTERNAL)


def test_a_device_that_is_not_there_is_never_the_remedy():
    torch = pytest.importorskip("torch")
    from smallpose.core.errors import InputError
    from smallpose.methods.base import find_device

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for name in ("cuda", "cuda:1", "gpu"):
        with pytest.raises(InputError, match=f"--device {name}: cannot be used") as caught:
            find_device(name)
        assert "cuda" not in caught.value.remedy.lower()
        assert caught.value.remedy.startswith("use cpu; ")
