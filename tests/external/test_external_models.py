"""Published models see drawn people: channels in their order, left and right, crops and tiles."""

import json
import pickle

import cv2
import numpy as np
import pytest
from tests.external.drawn_people import DrawnPeople, compute_best_oks, draw_people

from smallpose.cli.main import main
from smallpose.core.errors import SmallposeError
from smallpose.external import EXTERNAL, create_model
from smallpose.methods.base import PoseMethod
from smallpose.methods.full_image import FullImageMethod

MODELS: dict[str, PoseMethod] = {}


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
def test_drawn_people_are_seen_in_colour_and_with_their_left_on_the_right_side(model, people):
    oks = compute_best_oks(model.predict([people.image], [people.boxes_xywh]), people)
    assert oks.min() > 0.8
    exchanged = people.swap_sides()
    assert compute_best_oks(
        model.predict([people.image], [people.boxes_xywh]), exchanged
    ).mean() < (oks.mean() - 0.3)
    blue = people.swap_channels()
    other = compute_best_oks(model.predict([blue.image], [blue.boxes_xywh]), blue)
    assert other.mean() < oks.mean() - 0.03, "red and blue are exchanged"


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
    """Return a folder with the drawn image and boxes of its people."""
    cv2.imwrite(str(tmp_path / "a.png"), people.image[:, :, ::-1])
    boxes = [
        {"image_id": 1, "category_id": 1, "bbox": box.tolist(), "score": 1.0}
        for box in people.boxes_xywh
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    return tmp_path


@pytest.mark.parametrize("model", ["movenet-lightning"], indirect=True)
def test_a_model_that_needs_boxes_is_given_them(model, folder, people):
    image = str(folder / "a.png")
    out = folder / "p.json"
    call = ["predict", model.name, image, "--boxes", str(folder / "boxes.json"), "--out", str(out)]
    assert main(call) == 0
    poses = json.loads(out.read_text())
    nearest = model.predict([people.image], [people.boxes_xywh]).keypoints[0]
    np.testing.assert_allclose(np.array(poses[0]["keypoints"]).reshape(17, 3), nearest, atol=1e-2)
    environment = json.loads((folder / "p.environment.json").read_text())
    assert environment["engine"] == "onnxruntime"
    assert main([*call, "--overwrite", "--crop-interpolation", "cubic"]) == 0
    assert json.loads(out.read_text())[0]["keypoints"] != poses[0]["keypoints"]
    assert main([*call, "--overwrite", "--zoom", "2"]) == 2


@pytest.mark.parametrize("model", ["posenet"], indirect=True)
def test_tiles_find_people_who_are_too_small_for_the_full_image(model, people, tmp_path):
    image = np.full((1600, 1600, 3), 128, np.uint8)
    small = cv2.resize(people.image, (256, 192), interpolation=cv2.INTER_AREA)
    image[700:892, 900:1156] = small
    cv2.imwrite(str(tmp_path / "a.png"), image[:, :, ::-1])
    counts = []
    for tiles in ([], ["--tile", "400"]):
        out = tmp_path / "p.json"
        call = ["predict", model.name, str(tmp_path / "a.png"), "--out", str(out), "--overwrite"]
        assert main([*call, "--score-above", "0.5", *tiles]) == 0
        counts.append(len(json.loads(out.read_text())))
    assert counts == [0, 3]
