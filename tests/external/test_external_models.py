"""Published models see drawn people: channels in their order, left and right, crops and tiles."""

import json
import pickle
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.external.drawn_people import DrawnPeople, compute_best_oks, draw_people

from smallpose.catalog.method_checks import PUBLISHED_MODULES
from smallpose.cli.main import main
from smallpose.core.errors import SmallposeError
from smallpose.core.skeleton import COCO17
from smallpose.external import EXTERNAL, create_model
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod
from smallpose.system.packages import EXTRAS

ROOT = Path(__file__).resolve().parents[2]
MODELS: dict[str, PoseMethod] = {}
# Where a model mistakes somebody's back for the front, its colours are tested on others.
SEEDS = {"blazepose-full": 3}


@pytest.fixture(scope="session")
def people() -> DrawnPeople:
    return draw_people(seed=0)


@pytest.fixture
def model(request) -> PoseMethod:
    """Return the model of a name, if its package and what runs it can be had."""
    name = request.param
    try:
        if name not in MODELS:
            MODELS[name] = create_model(name)
    except SmallposeError as error:
        pytest.skip(f"no {name}: {error}")
    return MODELS[name]


every_model = pytest.mark.parametrize("model", EXTERNAL, indirect=True)


@every_model
def test_drawn_people_are_seen_in_colour_and_with_their_left_on_the_right_side(model):
    people = draw_people(SEEDS.get(model.name, 0))
    predictions = model.predict([people.image], [people.boxes_xywh])
    oks = compute_best_oks(predictions, people).mean()
    assert oks > 0.85
    assert compute_best_oks(predictions, people.swap_sides()).mean() < oks - 0.4
    blue = people.swap_channels()
    other = compute_best_oks(model.predict([blue.image], [blue.boxes_xywh]), blue).mean()
    assert other < oks - 0.02, "red and blue are exchanged"


@every_model
def test_a_model_is_what_its_record_says(model):
    record = EXTERNAL[model.name]
    assert record.weights.name == model.name
    assert record.needs_boxes is not isinstance(model, FullImageMethod)
    assert record.skeleton.joints == model.skeleton.joints
    assert record.input_wh == model.input_wh


@every_model
def test_the_smallest_images_and_no_people_are_taken(model):
    image = np.full((3, 40, 3), 90, np.uint8)
    predictions = model.predict([image, image], [np.array([[0.0, 0, 2, 2]]), np.empty((0, 4))])
    assert np.isfinite(predictions.keypoints).all()
    if EXTERNAL[model.name].needs_boxes:
        assert predictions.image_ids.tolist() == [0]


@every_model
def test_scores_are_shares_and_order_people(model, people):
    predictions = model.predict([people.image], [people.boxes_xywh])
    scores = predictions.keypoint_scores
    assert (scores >= 0).all() and (scores <= 1).all()
    assert (predictions.scores > 0).all()


@pytest.mark.parametrize("model", ["movenet-lightning", "posenet"], indirect=True)
def test_a_model_goes_to_another_process(model, people):
    copy = pickle.loads(pickle.dumps(model))
    first = model.predict([people.image], [people.boxes_xywh])
    np.testing.assert_array_equal(
        copy.predict([people.image], [people.boxes_xywh]).keypoints, first.keypoints
    )


@pytest.fixture
def folder(people, tmp_path):
    """Return a folder with the drawn image and labels of its people."""
    h, w, _ = people.image.shape
    cv2.imwrite(str(tmp_path / "a.png"), people.image[:, :, ::-1])
    labels = [
        {
            "id": number,
            "image_id": 1,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": box.tolist(),
            "area": float(box[2] * box[3]),
            "num_keypoints": 17,
            "keypoints": np.insert(joints, 2, 2, axis=1).reshape(-1).tolist(),
        }
        for number, (box, joints) in enumerate(
            zip(people.boxes_xywh, people.keypoints, strict=True), start=1
        )
    ]
    truth = {
        "images": [{"id": 1, "file_name": "a.png", "width": w, "height": h}],
        "annotations": labels,
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.joints)}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    return tmp_path


@pytest.mark.parametrize("model", ["movenet-lightning"], indirect=True)
def test_a_model_that_needs_boxes_is_given_them(model, folder, people):
    call = ["predict", model.name, "--data", str(folder / "truth.json"), "--images", str(folder)]
    assert main([*call, "--out", str(folder / "p.json")]) == 0
    poses = [np.array(p["keypoints"]) for p in json.loads((folder / "p.json").read_text())]
    expected = model.predict([people.image], [people.boxes_xywh]).keypoints
    np.testing.assert_allclose(np.reshape(poses, expected.shape), expected, atol=1e-2)
    environment = json.loads((folder / "p.environment.json").read_text())
    assert environment["engine"] == "onnxruntime"
    cubic = ["--crop-interpolation", "cubic", "--out", str(folder / "cubic.json")]
    assert main([*call, *cubic]) == 0
    other = [np.array(p["keypoints"]) for p in json.loads((folder / "cubic.json").read_text())]
    difference = np.abs(np.subtract(other, poses)).max()
    assert 0 < difference < 5, "the same people, other pixels"
    assert main([*call, "--zoom", "2", "--out", str(folder / "zoom.json")]) == 2


@pytest.mark.parametrize("model", ["efficientpose"], indirect=True)
def test_joints_of_another_skeleton_are_scored_by_name(model, folder):
    call = ["predict", model.name, "--data", str(folder / "truth.json"), "--images", str(folder)]
    assert main([*call, "--own-joints", "--out", str(folder / "p.json")]) == 0
    result = json.loads((folder / "p.json").read_text())
    assert result["keypoint_names"] == list(model.skeleton.joints)


@pytest.mark.parametrize("model", ["posenet"], indirect=True)
def test_tiles_make_people_sure_who_are_small_in_the_full_image(model, people, tmp_path):
    image = np.full((800, 800, 3), 128, np.uint8)
    small = cv2.resize(people.image, (160, 64), interpolation=cv2.INTER_AREA)
    image[300:364, 350:510] = small
    cv2.imwrite(str(tmp_path / "a.png"), image[:, :, ::-1])
    counts = []
    for name, tiles in (("full", []), ("tiles", ["--tile", "300"])):
        out = tmp_path / f"{name}.json"
        call = ["predict", model.name, str(tmp_path / "a.png"), "--out", str(out)]
        assert main([*call, "--score-above", "0.6", *tiles]) == 0
        counts.append(len(json.loads(out.read_text())))
    assert counts == [0, 3]


def test_the_modules_of_a_published_model_are_those_of_its_extra():
    assert set(PUBLISHED_MODULES) == set(EXTERNAL)
    for name, modules in PUBLISHED_MODULES.items():
        needed = {EXTRAS[module][1] for module in modules} or {"images"}
        assert needed == {EXTERNAL[name].extra}, name


def test_the_registry_needs_no_package_of_another_extra():
    """`predict movenet` asked for ONNX, which its extra does not install: others' files read it."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = extras["optional-dependencies"]
    ours = {
        re.split(r"[\s<>=\[;]", requirement)[0].replace("-", "_")
        for extra in ("build", "plots", "video", "onnx", "openvino", "movenet", "polars", "large")
        for requirement in extras[extra]
    }
    allowed = {re.split(r"[\s<>=\[;]", r)[0].replace("-", "_") for r in extras["torch"]}
    blocked = ours - allowed - {"smallpose"}
    assert {"onnx", "onnxruntime", "ai_edge_litert", "openvino"} <= blocked
    program = (
        "import sys\n"
        f"for name in {sorted(blocked)!r}: sys.modules[name] = None\n"
        "from smallpose.external import EXTERNAL\n"
        "print(*EXTERNAL)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-400:]
    assert "movenet" in result.stdout.split()
