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
    with pytest.raises(InputError, match=r"truth is of type str; pass what smallpose\.read_coco"):
        smallpose.read_results("found.json", "labels.json")


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
    with pytest.raises(TypeError, match=r'call smallpose\.compare\(truth, {"A": predictions_a'):
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


def test_other_words_are_refused_with_those_that_there_are(dataset, tmp_path):
    """`unknown_images="ignore"` was taken for "refuse"."""
    truth, predictions = dataset
    smallpose.write_results(predictions, tmp_path / "a.json")
    with pytest.raises(InputError, match=r'unknown_images="ignore": no such choice; use refuse or'):
        smallpose.read_results(tmp_path / "a.json", truth, unknown_images="ignore")
    with pytest.raises(InputError, match=r'protocol="best": no such protocol; choose from coco'):
        smallpose.diagnose(truth, predictions, protocol="best")
    for options, message in (
        (
            {"protocols": "best"},
            r'protocols=\("best",\): no such protocol; choose from coco, owned',
        ),
        ({"max_detections": "all"}, 'max_detections="all": of type str, no whole number; use 1'),
        ({"intervals": 1e3}, "intervals=1000.0: of type float, no whole number; use 0 or more"),
    ):
        with pytest.raises(InputError, match=message):
            smallpose.evaluate(truth, predictions, **options)


def test_scores_of_people_by_another_rule_are_refused_with_the_rules():
    pytest.importorskip("torch")
    from smallpose.inference.options import InferenceOptions

    with pytest.raises(InputError, match="--score-rule best: no such choice; use box_times"):
        InferenceOptions(score_rule="best")


def test_protocols_may_be_one_text(dataset):
    truth, predictions = dataset
    assert list(smallpose.evaluate(truth, predictions, protocols="owned").protocols) == ["owned"]
    both = smallpose.evaluate(truth, predictions, protocols="coco, owned")
    assert (
        both.protocols
        == smallpose.evaluate(truth, predictions, protocols=("coco", "owned")).protocols
    )
    results = {"A": predictions, "B": predictions}
    comparison = smallpose.compare(truth, results, protocols="coco", num_resamples=50)
    assert {one.protocol for one in comparison.differences} == {"coco"}
    evaluator = smallpose.Evaluator(truth, protocols="coco")
    evaluator.add(predictions)
    assert list(evaluator.finish().protocols) == ["coco"]


def test_every_function_that_takes_tables_refuses_other_things(dataset):
    truth, predictions = dataset
    for call in (
        lambda: smallpose.diagnose(truth, "found.json"),
        lambda: smallpose.split_difference(truth, {"A": "found.json", "B": predictions}),
        lambda: smallpose.Evaluator(truth).add("found.json"),
    ):
        with pytest.raises(InputError, match=r"pass smallpose.read_results\('found.json', truth\)"):
            call()
    with pytest.raises(InputError, match=r"pass smallpose.read_coco\('labels.json'\)"):
        smallpose.Evaluator("labels.json")
    with pytest.raises(
        InputError, match=r"results: is of type int, no table; pass smallpose\.read"
    ):
        smallpose.evaluate(truth, 5)
    with pytest.raises(InputError, match=r'split_difference: .* have no names; pass a dict: {"A"'):
        smallpose.split_difference(truth, [predictions, predictions])
    with pytest.raises(InputError, match="check_drops: takes a comparison and the allowed drops"):
        smallpose.check_drops(truth, {"AP_S": 0.01})


def test_columns_that_do_not_fit_are_named_with_the_shape_that_does(dataset):
    truth, predictions = dataset
    points = predictions.keypoints
    with pytest.raises(
        InputError, match=r"skeleton is of type Instances; pass its skeleton, as in"
    ):
        smallpose.make_predictions(truth, predictions.image_ids, points, predictions.scores)
    with pytest.raises(
        InputError, match=r"keypoints: have the shape \(12, 17, 2\), not \(12, 17, 3"
    ):
        smallpose.make_predictions(COCO17, predictions.image_ids, points[:, :, :2], [0.9] * 12)
    with pytest.raises(InputError, match=r"image_ids: are no numbers, .* shape \(12,\)"):
        smallpose.make_predictions(COCO17, ["a.jpg"] * 12, points, [0.9] * 12)
    with pytest.raises(InputError, match=r"images are of type list; pass smallpose\.make_images"):
        smallpose.make_instances(COCO17, ["a.jpg"], [0], [[0, 0, 9, 9]], points[:1])
    with pytest.raises(InputError, match=r"boxes_xywh: have the shape \(1, 2\), not \(1, 4\)"):
        smallpose.make_instances(COCO17, truth.images, [0], [[0, 0]], points[:1])
    with pytest.raises(InputError, match=r"ids: have the shape \(2,\), not \(1,\)"):
        smallpose.make_images([1, 2], ["a.jpg"])
    with pytest.raises(InputError, match="file_names are one name; pass a list"):
        smallpose.make_images([1], "a.jpg")


def test_tables_and_results_are_one_line_in_a_notebook(dataset):
    """Their columns filled hundreds of lines."""
    truth, predictions = dataset
    results = {"A": predictions, "B": predictions}
    comparison = smallpose.compare(truth, results, num_resamples=50)
    evaluation = smallpose.evaluate(truth, predictions)
    for value, text in (
        (truth, "Instances(12 people in 12 images, skeleton coco17)"),
        (truth.images, "Images(12 images: 0.jpg, 1.jpg, 2.jpg, …)"),
        (predictions, "Predictions(12 detections in 12 images, skeleton coco17)"),
        (COCO17, "Skeleton('coco17', 17 joints: nose, left_eye, right_eye, …)"),
        (evaluation, "Evaluation(coco AP 1.0000, 12 people, 2 notes; print shows all)"),
        (comparison, "Comparison(of A, B; print shows all)"),
        (smallpose.diagnose(truth, predictions), "Diagnosis(coco; print shows all)"),
        (smallpose.split_difference(truth, results), "DifferenceSplit(B against A; print shows"),
        (smallpose.check_drops(comparison, {"AP": 0.5}), "Gate(cannot be told, 1 check; print"),
    ):
        assert repr(value).startswith(text)
        assert "\n" not in repr(value)
    ignored = replace(truth, iscrowd=np.arange(12) < 2, notes=("a note",))
    assert repr(ignored) == (
        "Instances(10 people and 2 to ignore in 12 images, skeleton coco17, 1 note)"
    )


def test_other_values_are_answered_with_what_to_pass(dataset):
    truth, predictions = dataset
    for options, message in (
        ({"size_limits": 5}, "size limits 5: are no two numbers; give the end of small"),
        ({"sigmas": "sigmas.json"}, 'sigmas="sigmas.json": the name of a file, not what is in'),
        ({"seed": "x"}, 'seed="x": of type str, no whole number'),
    ):
        with pytest.raises(InputError, match=message):
            smallpose.evaluate(truth, predictions, **options)
    with pytest.raises(
        InputError, match=r"is of type Instances, no results; .*smallpose\.write_coco"
    ):
        smallpose.write_results(truth, "x.json")
    with pytest.raises(InputError, match=r"no ground truth; .*smallpose\.write_results"):
        smallpose.write_coco(predictions, "x.json")
    with pytest.raises(InputError, match="joints are one text; pass a tuple of names"):
        Skeleton("one", "nose")
    assert Skeleton("two", ["nose", "tail"]) == Skeleton("two", ("nose", "tail"))


def test_options_that_are_passed_on_are_listed_where_one_does_not_exist(dataset):
    truth, predictions = dataset
    with pytest.raises(
        TypeError, match=r"smallpose\.compare: .*'oks'; options are protocols, num_"
    ):
        smallpose.compare(truth, {"A": predictions, "B": predictions}, oks="box")
    with pytest.raises(
        TypeError, match=r"smallpose\.Evaluator: .* options are protocols, oks_area"
    ):
        smallpose.Evaluator(truth, oks="box")


def test_sigmas_are_taken_by_name_of_joint(dataset):
    """As a file may have them; a dict was answered by NumPy's TypeError."""
    truth, predictions = dataset
    values = np.linspace(0.03, 0.11, len(truth.skeleton))
    named = dict(zip(truth.skeleton.joints, values.tolist(), strict=True))
    backwards = dict(reversed(named.items()))
    expected = smallpose.evaluate(truth, predictions, sigmas=values)
    named_result = smallpose.evaluate(truth, predictions, sigmas=backwards)
    assert named_result.protocols == expected.protocols
    del named["nose"]
    with pytest.raises(InputError, match="nose"):
        smallpose.evaluate(truth, predictions, sigmas=named)
    with pytest.raises(InputError, match=r'values that are no numbers; write {"nose": 0\.026, …}'):
        smallpose.evaluate(truth, predictions, sigmas={"nose": [1, 2]})


def test_keypoints_without_a_third_number_are_told_what_it_is(dataset):
    truth, predictions = dataset
    without = predictions.keypoints[:, :, :2]
    with pytest.raises(InputError, match="pass x, y and a score for each joint"):
        smallpose.make_predictions(
            truth.skeleton, predictions.image_ids, without, predictions.scores
        )
    with pytest.raises(InputError, match=r"pass x, y and a visibility \(0 to 2\) for each joint"):
        smallpose.make_instances(
            truth.skeleton,
            truth.images,
            truth.image_rows,
            truth.boxes_xywh,
            truth.keypoints[:, :, :2],
        )
