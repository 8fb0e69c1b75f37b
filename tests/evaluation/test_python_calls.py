"""What callers in Python get wrong is answered with what to pass, and results say all they know."""

import json
from dataclasses import replace

import numpy as np
import pytest

import smallpose
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, Skeleton
from smallpose.evaluation.annotators.borrowing import borrow_sigmas


@pytest.fixture(scope="module")
def dataset():
    """Return people in 12 images, and the same people as results."""
    rng = np.random.default_rng(0)
    images = smallpose.make_images(
        range(12), [f"{i}.jpg" for i in range(12)], [640] * 12, [480] * 12
    )
    keypoints = np.concatenate([rng.uniform(100, 160, (12, 17, 2)), np.full((12, 17, 1), 2.0)], 2)
    boxes = np.tile([100.0, 100, 60, 60], (12, 1))
    truth = smallpose.make_instances(COCO17, images, range(12), boxes, keypoints)
    return truth, smallpose.make_predictions(COCO17, images.ids, keypoints, [0.9] * 12)


def test_names_of_files_are_answered_with_their_readers(dataset, tmp_path):
    truth, predictions = dataset
    with pytest.raises(InputError, match=r"pass smallpose.read_coco\('labels.json'\)"):
        smallpose.evaluate("labels.json", predictions)
    with pytest.raises(InputError, match=r"pass smallpose.read_results\('found.json', truth\)"):
        smallpose.evaluate(truth, "found.json")
    with pytest.raises(InputError, match=r"pass smallpose\.read_results"):
        smallpose.compare(truth, {"A": tmp_path / "a.json", "B": predictions})
    with pytest.raises(InputError, match=r'results are a list.* pass a dict: {"A": predictions_a'):
        smallpose.compare(truth, [predictions, predictions])
    with pytest.raises(InputError, match=r"wrong order.*pass the ground truth first"):
        smallpose.evaluate(predictions, truth)
    with pytest.raises(InputError, match=r"wrong order.*pass the ground truth first"):
        smallpose.compare(truth, {"A": truth, "B": predictions})


def test_the_result_that_lacks_a_box_is_named(dataset):
    truth, good = dataset
    boxes = np.tile([100.0, 100, 60, 60], (12, 1))
    boxes[5] = np.nan
    bad = replace(good, boxes_xywh=boxes)
    with pytest.raises(InputError, match=r"weak, entry\[5\]: no bbox, and the first entry has one"):
        smallpose.compare(truth, {"good": good, "weak": bad})


def test_a_protocol_that_was_not_evaluated_is_named_with_those_that_were(dataset):
    result = smallpose.evaluate(*dataset)
    with pytest.raises(KeyError, match=r"owned: not evaluated, only coco; pass protocols=\('coco'"):
        result["owned"]
    with pytest.raises(
        KeyError, match=r"AP: no such protocol; .* coco, .*: result\['coco'\]\['AP'\]"
    ):
        result["AP"]
    assert smallpose.evaluate(*dataset, protocols=("coco", "owned"))["owned"]["AP"] == 1.0


def test_too_few_resamples_are_refused_as_by_the_command(dataset):
    truth, predictions = dataset
    with pytest.raises(InputError, match="num_resamples=3: too few resamples"):
        smallpose.compare(truth, {"A": predictions, "B": predictions}, num_resamples=3)


def test_dicts_have_the_heights_and_comparisons_the_verdicts_that_the_commands_write(dataset):
    truth, predictions = dataset
    result = smallpose.evaluate(truth, predictions)
    half = result.to_dict()["half_detected_px"]
    assert half["people"] == 12
    assert half["sentence"].startswith("In this file no height can be named")
    assert json.loads(result.to_json())["half_detected_px"] == half
    comparison = smallpose.compare(truth, {"A": predictions, "B": predictions}, num_resamples=50)
    assert comparison.to_dict()["verdicts"] == comparison.verdicts
    assert str(comparison).endswith(f"{comparison.verdicts['B']}.")


def test_metrics_at_zero_say_why_they_have_no_interval(dataset):
    truth, predictions = dataset
    far = smallpose.make_predictions(
        COCO17,
        predictions.image_ids,
        predictions.keypoints + np.array([300, 300, 0]),
        predictions.scores,
    )
    notes = smallpose.evaluate(truth, far, intervals=50).notes
    (note,) = [note for note in notes if note.startswith("no interval for AP (coco), ")]
    assert "more: 0 here and in all resamples, which cannot tell how far from it" in note
    assert not [n for n in smallpose.evaluate(truth, far).notes if "no interval" in n]


def test_sigmas_of_unknown_joints_have_a_remedy_that_ends():
    paws = Skeleton("paws", ("near_paw", "far_paw"))
    with pytest.raises(InputError, match=r'--sigmas FILE, as in {"near_paw": 0.05, …}'):
        _ = paws.sigmas
    with pytest.raises(InputError, match=r'by hand into a file for --sigmas, as in {"near_paw"'):
        borrow_sigmas(paws, {})
    with pytest.raises(InputError, match=r"smallpose sigmas TRUTH\.json --out FILE borrows them"):
        _ = Skeleton("mixed", ("nose", "near_paw")).sigmas


def test_results_of_other_joints_are_answered_with_the_option_that_names_them(dataset, tmp_path):
    truth, _ = dataset
    entry = {"image_id": 1, "category_id": 1, "keypoints": [1.0] * 48, "score": 1.0}
    (tmp_path / "found.json").write_text(json.dumps([entry]))
    with pytest.raises(InputError, match="as smallpose predict --own-joints writes them"):
        smallpose.read_results(tmp_path / "found.json", truth)


def test_training_wants_a_configuration():
    pytest.importorskip("torch")
    with pytest.raises(InputError, match=r"pass smallpose.TrainingConfig\(method='coffee'"):
        smallpose.train("coffee")


def test_metrics_that_do_not_exist_are_answered_with_those_that_do(dataset):
    result = smallpose.evaluate(*dataset)
    with pytest.raises(KeyError, match=r"AP_dense: no such metric; there are AP, AP50, AP75, AP_S"):
        result["coco"]["AP_dense"]
    assert json.loads(result.to_json())["protocols"]["coco"] == result["coco"]


def test_calls_with_other_arguments_show_the_call(dataset):
    truth, predictions = dataset
    with pytest.raises(TypeError, match=r"call smallpose\.compare\(truth, predictions\), see help"):
        smallpose.compare(truth, predictions, predictions)
    with pytest.raises(
        TypeError, match=r"missing .*'predictions'; call smallpose\.evaluate\(truth"
    ):
        smallpose.evaluate("labels.json")


def test_content_in_place_of_the_name_of_a_file_is_answered(dataset):
    truth, _ = dataset
    entry = {"image_id": 1, "category_id": 1, "keypoints": [1.0] * 51, "score": 1.0}
    with pytest.raises(
        InputError, match=r'a list: it is no name of a file; .*"memory.json" and data='
    ):
        smallpose.read_results([entry], truth)
    with pytest.raises(InputError, match="a dict: it is no name of a file"):
        smallpose.read_coco({"images": []})
    data = json.dumps([entry]).encode()
    assert len(smallpose.read_results("memory.json", truth, data=data)) == 1
