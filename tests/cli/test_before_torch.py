"""Mistakes that need no PyTorch are answered before it is loaded, which takes seconds."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from smallpose.catalog.early_checks import refuse_missing_device
from smallpose.catalog.method_checks import PUBLISHED, PUBLISHED_FULL_IMAGE
from smallpose.cli.main import main
from smallpose.cli.predict_options import SCORE_RULES
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, SMALLPOSE

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
    "predict dekr_hrnet_w8_tiny photos --out f.json": "dekr_hrnet_w8_tiny: has no weights of its "
    "own; add --weights with a run's folder ('smallpose demo' makes one",
    "predict rtmo_tiny photos --out f.json": "rtmo_tiny: has no weights of its own; 'smallpose "
    "weights train rtmo_tiny' trains it on synthetic people in about 30 CPU minutes, without a ",
    "predict rtmo_tiny photos --weights mmpose --out f.json": "--weights mmpose: there are no "
    "published weights of rtmo_tiny; 'smallpose weights train rtmo_tiny' trains it",
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
    "resolution t.json --images photos --out r thunder": "name a model such as movenet-thunder",
    "resolution t.json movenet --heights 64 32 --images photos --out r": "heights have commas "
    "between them, as in --heights 64,32",
    # Devices.
    "predict run21 good --device gpu --out f.json": "--device gpu: cannot be used (there is no",
    "train simple_baseline_r18_tiny --data set21 --out r --device gpu": "--device gpu: cannot be u",
    "resolution t.json --images photos --out r run21 --device gpu": "--device gpu: cannot be used",
    # Weights of other joints or methods, or damaged.
    "predict run21 good --skeleton coco17 --out f.json": "run21/model.safetensors: head expects 17 "
    "keypoints, file has 21; use --adapt",
    "predict hrnet_w32 good --weights run21 --out f.json": "weights of simple_baseline_r18_tiny, n",
    "predict hrnet_w32 good --weights bad.safetensors --out f.json": "not a valid safetensors file",
    "predict run21 --data set3/annotations/train.json --images set3/images --out f.json": "the "
    "method (smallpose21) lacks joints of the file: a, b, c; add --own-joints",
    "train simple_baseline_r18_tiny --data set21 --out r --weights run17": "--weights run17: has "
    "17 joints (coco17), and 21 are trained; add --adapt",
    "train simple_baseline_r18_tiny --data set21 --out r --weights rtmo": "weights of rtmo_tiny, n",
    "export rtmo_tiny --to onnx --weights run21 --out o": "weights of simple_baseline_r18_tiny, no",
    # Images.
    "predict run21 bad.jpg --out f.json": "bad.jpg: not an image",
    "predict run21 --data set21/annotations/train.json --images empty --out f.json": "1 of 1 "
    "image cannot be read, more than 0.1%: they are not there (first: a.jpg); name the folder",
    # Kinds of methods.
    "predict rtmo good --boxes t.json --out f.json": "detects people itself and takes no boxes",
    "predict openpose-thin good --boxes-from movenet --out f.json": "detects people itself and t",
    "predict movenet-thunder good --tile 100 --out f.json": "is a top-down method; --max-people, -",
    "predict movenet-thunder good --boxes-from blazepose-full --out f.json": "--boxes-from blazepo",
    "predict run21 good --tile 100 --out f.json": "is a top-down method; --max-people, --score-ab",
    "predict run21 good --boxes-from run17 --out f.json": "is a top-down method and needs boxes it",
    # Names.
    "predict run21 good --score-rule best --out f.json": "--score-rule best: no such rule; use box",
    "predict run21 good --skeleton cocoa --out f.json": "skeleton cocoa: no such skeleton; try coc",
    "predict run21 good --swap a:b --out f.json": "--swap: 'a' is no joint of this skeleton",
    "predict run21 good --shards s --part 0/3 --out f.json": "--part 0/3: is not K/N",
    "predict movenet good --skeleton coco17 --out f.json": "movenet has joints of its own",
    "train hrnet_w32 --data set21 --out r --recipe best": "--recipe best: hrnet_w32 has no such re",
    "train hrnet_w32 --data set21 --out r epoch=3": "epoch=3: no such field of a recipe; try epoch",
    "train hrnet_w32 --data set21 --out r --subset gone": "--subset gone: no such file",
    "benchmark --data set21 --out r --methods hrnet": "--methods hrnet: is not known; try hrnet_w",
    "benchmark --data set21 --out r --seeds a": "--seeds a: is not a list of integers",
    "features run21 --data t.json --images gone --out f.png": "--images gone: no such folder",
    "features run21 --data t.json --images good --out f.doc": "--out f.doc: is not a known format",
    "weights get hrnet": "weights hrnet: no such model; try hrnet_w",
    "weights get posenet --package gone.tgz": "--package gone.tgz: no such file; check the path",
    "weights get hrnet_w32 --package t.json": "hrnet_w32 is no model whose weights lie in",
}


def write_set(folder: Path, joints: tuple[str, ...]) -> None:
    k = len(joints)
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81}
    person |= {"keypoints": [5, 6, 2] * k, "num_keypoints": k, "iscrowd": 0}
    images = [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 20}]
    category = {"id": 1, "name": "person", "keypoints": joints, "skeleton": []}
    content = {"images": images, "annotations": [person], "categories": [category]}
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").mkdir()
    (folder / "annotations" / "train.json").write_text(json.dumps(content))


def write_run(folder: Path, method: str, skeleton) -> None:
    """Write what a run's files say, without any weight."""
    record = {"name": skeleton.name, "joints": skeleton.joints, "edges": []}
    card = json.dumps({"method": method, "skeleton": record})
    header = json.dumps({"__metadata__": {"smallpose": card}}).encode()
    folder.mkdir()
    (folder / "model.json").write_text(card)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def test_they_are_answered_without_torch(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("SMALLPOSE_CACHE", str(tmp_path / "cache"))  # without trained weights
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    (tmp_path / "good").mkdir()
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(tmp_path / "good" / "a.png"), np.zeros((20, 20, 3), np.uint8))
    for name in ("bad.jpg", "bad.safetensors", "t.json"):
        (tmp_path / name).write_bytes(b"hello")
    for name, joints in (("set21", SMALLPOSE.joints), ("set3", ("a", "b", "c"))):
        write_set(tmp_path / name, joints)
    write_run(tmp_path / "run21", "simple_baseline_r18_tiny", SMALLPOSE)
    write_run(tmp_path / "run17", "simple_baseline_r18_tiny", COCO17)
    write_run(tmp_path / "rtmo", "rtmo_tiny", SMALLPOSE)
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


def test_a_single_image_that_is_refused_exits_with_3(tmp_path, capsys):
    pytest.importorskip("cv2")
    write_run(tmp_path / "run", "simple_baseline_r18_tiny", COCO17)
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    words = [str(tmp_path / "run"), str(tmp_path / "a.jpg"), "--out", str(tmp_path / "f.json")]
    assert main(["predict", *words]) == 3
    assert "a.jpg" in capsys.readouterr().err


def test_the_rules_of_scores_are_those_of_the_methods():
    pytest.importorskip("torch")
    from smallpose.methods import person_score

    assert tuple(person_score.SCORE_RULES) == SCORE_RULES


@pytest.mark.parametrize("name", ["", "cpu", "mps", "xpu:0"])
def test_devices_that_only_torch_can_judge_are_left_to_it(name):
    refuse_missing_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda0", "cuda:", "CPU", "0"])
def test_a_device_of_no_kind_is_refused(name):
    with pytest.raises(InputError, match="there is no such kind"):
        refuse_missing_device(name)


def test_published_models_are_those_that_bring_their_weights():
    external = pytest.importorskip("smallpose.external")
    assert set(PUBLISHED) == set(external.EXTERNAL)
    registry = pytest.importorskip("smallpose.external.registry")
    full_image = {name for name, model in registry.MODELS.items() if not model.needs_boxes}
    assert set(PUBLISHED_FULL_IMAGE) == full_image


def test_a_device_that_is_not_there_is_never_the_remedy():
    torch = pytest.importorskip("torch")
    from smallpose.methods.base import find_device

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for name in ("cuda", "cuda:1", "gpu"):
        with pytest.raises(InputError, match=f"--device {name}: cannot be used") as caught:
            find_device(name)
        assert "cuda" not in caught.value.remedy.lower()
        assert caught.value.remedy.startswith("use cpu; ")
