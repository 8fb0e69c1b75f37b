"""What the study measures with: exchanged sides are refused, prepared images map back."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "bench"))

pytest.importorskip("torch")
pytest.importorskip("cv2")
from smallpose.core.errors import InputError  # noqa: E402
from smallpose.core.predictions import make_predictions  # noqa: E402
from smallpose.io.coco_results import write_results  # noqa: E402
from study import collect, measure, page, people, plan, sides  # noqa: E402


@pytest.fixture(scope="module")
def drawn():
    """Return drawn people, and results with joints near their labels."""
    truth, _ = sides.draw_people()
    rng = np.random.default_rng(0)
    keypoints = truth.keypoints.copy()
    keypoints[:, :, :2] += rng.normal(0, 1.5, keypoints[:, :, :2].shape)
    predictions = make_predictions(
        truth.skeleton, truth.images.ids, keypoints, np.ones(len(truth)), truth.boxes_xywh
    )
    return truth, predictions


def test_a_model_with_exchanged_sides_is_refused(drawn):
    truth, predictions = drawn
    check = sides.check_sides(truth, predictions)
    assert check.oks > 0.8 > 0.6 > check.exchanged and not check.is_refused
    wrong = sides.check_sides(truth, sides.exchange_sides(predictions))
    assert (wrong.oks, wrong.exchanged) == (check.exchanged, check.oks)
    with pytest.raises(InputError, match="left and right are exchanged"):
        sides.refuse_exchanged_sides("p", wrong, "drawn people")


def test_a_model_that_finds_too_few_people_is_not_judged(drawn):
    truth, predictions = drawn
    far = replace(predictions, keypoints=predictions.keypoints + 500)
    check = sides.check_sides(truth, far)
    assert check.found == 0 and not check.is_refused and not check.is_told


@pytest.mark.parametrize("name", ["frame", "native"])
def test_predictions_in_prepared_images_map_back(name):
    """A mark in the image is found at its place, to half a pixel of the smaller image."""
    image = np.zeros((60, 90, 3), dtype=np.uint8)
    image[20:23, 70:73] = 255  # its middle is (71, 21)
    prepared = measure.PREPARE[name](image)
    bright = prepared.pixels[:, :, 0] > 200
    y, x = (places.mean() for places in np.nonzero(bright))
    truth, _ = sides.draw_people()
    images = truth.images.take(np.arange(1))
    keypoints = np.full((1, len(truth.skeleton), 3), [x, y, 1.0])
    predictions = make_predictions(
        truth.skeleton, images.ids, keypoints, np.ones(1), np.array([[x, y, 1, 1]])
    )
    back = measure.map_back(predictions, images, {images.file_names[0]: prepared})
    np.testing.assert_allclose(back.keypoints[0, 0, :2], [71, 21], atol=0.3)


def test_labels_of_lsp_become_people_of_shared_joints(real, tmp_path):
    folder = real / "other" / "lspet400"
    one = people.open_lsp(folder, tmp_path)
    truth = one.truth
    assert truth.skeleton.joints == people.LSP_JOINTS and len(truth) >= 190
    points, is_labelled = truth.keypoints[:, :, :2], truth.keypoints[:, :, 2] > 0
    boxes = truth.boxes_xywh
    inside = (points >= boxes[:, None, :2]) & (points <= (boxes[:, :2] + boxes[:, 2:])[:, None])
    assert inside.all(axis=2)[is_labelled].mean() > 0.99
    np.testing.assert_allclose(truth.file_area, people.LSP_AREA * boxes[:, 2] * boxes[:, 3])


@pytest.fixture
def study_set(real, tmp_path):
    """Return 40 people of LSP-extended."""
    one = people.open_lsp(real / "other" / "lspet400", tmp_path)
    return measure.open_study_set(one, (32, 128), 40, tmp_path)


def test_a_variant_of_fewer_people_is_shown_the_first_of_them(study_set, tmp_path, monkeypatch):
    variant = plan.Variant(model="posenet", max_people=10)
    shown = study_set.select_shown(variant)
    smaller = measure.open_study_set(study_set.people, (32, 128), 10, tmp_path)
    assert study_set.chosen.rows[shown].tolist() == smaller.chosen.rows.tolist()
    given = []
    monkeypatch.setattr(measure, "predict_people", lambda *args: given.append(args[1]))
    model = measure.VariantModel(variant, None, shown, tmp_path)
    (reduced,) = study_set.list_sets(("clean",), (32,))
    model.predict_set(reduced)
    (truth,) = given
    assert truth.images.ids.tolist() == reduced.truth.images.ids[shown].tolist()
    assert (~truth.iscrowd).sum() == 10


def test_models_are_compared_on_the_people_whom_both_were_shown(study_set, monkeypatch):
    """A model is right on the first ten people alone, another is shown those and is right."""
    monkeypatch.setattr(plan, "MODEL_PEOPLE", {"posenet": 10})
    shown = study_set.select_shown(plan.Variant(model="posenet", max_people=10))
    for reduced in study_set.list_sets(("clean",)):
        truth = reduced.truth.take(np.flatnonzero(~reduced.truth.iscrowd))
        wrong = truth.keypoints + np.where(shown[truth.image_rows], 0, 200)[:, None, None]
        for name, rows in (("movenet-thunder", slice(None)), ("posenet", shown)):
            predictions = make_predictions(
                truth.skeleton,
                truth.images.ids[truth.image_rows][rows],
                wrong[rows],
                np.ones(len(truth))[rows],
                truth.boxes_xywh[rows],
            )
            path = study_set.results / name / f"{reduced.name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_results(predictions, path, truth.category_id, keypoint_names=True)
    scored = collect.score_set(study_set, ["movenet-thunder", "posenet"])
    thunder, posenet = (scored["variants"][name] for name in ("movenet-thunder", "posenet"))
    assert (thunder["people"], posenet["people"]) == (40, 10)
    assert thunder["clean"]["AP"][0][0] < 0.5 < posenet["clean"]["AP"][0][0] == 1.0
    assert [row["AP"][0] for row in scored["differences"]] == [0.0, 0.0]


@pytest.mark.long
def test_the_study_measures_collects_and_continues(real, tmp_path):
    """A model on 12 people: numbers, parts of the page, and nothing is measured twice."""
    pytest.importorskip("onnxruntime")
    command = [sys.executable, str(ROOT / "bench" / "study" / "run.py"), "--data", str(real)]
    command += ["--work", str(tmp_path / "work"), "--people", "12", "--models", "movenet-lightning"]
    command += ["--out", str(tmp_path / "study.json")]
    template = (ROOT / "docs" / page.PAGE).read_text()
    (tmp_path / page.PAGE).write_text(template)
    first = subprocess.run(command, capture_output=True, text=True)
    if "cannot be downloaded" in first.stderr:
        pytest.skip("no weights of MoveNet Lightning")
    assert first.returncode == 0, first.stderr
    content = json.loads((tmp_path / "study.json").read_text())
    variants = content["sets"]["lsp"]["variants"]
    assert {"movenet-lightning", "movenet-lightning, cubic"} <= variants.keys()
    assert content["sets"]["lsp"]["people"] == 12 and not content["sets"]["lsp"]["refused"]
    assert variants["movenet-lightning"]["clean"]["AP"][-1][0] > 0.2
    assert "`movenet-lightning`" in (tmp_path / page.PAGE).read_text()
    second = subprocess.run(command, capture_output=True, text=True)
    assert "clean-0016" in first.stdout and "clean-0016" not in second.stdout
    assert json.loads((tmp_path / "study.json").read_text()) == content
