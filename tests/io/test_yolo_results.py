"""A folder of Ultralytics' label files gives the table of the results that were written there."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import COCO17, SMALLPOSE, Skeleton
from smallpose.evaluation.evaluate import evaluate
from smallpose.io.coco_annotations import write_coco
from smallpose.io.coco_results import read_results, write_results

SIZES_WH = np.array([[640, 480], [1000, 700], [333, 517]])


def make_truth(skeleton=COCO17, seed=3):
    rng = np.random.default_rng(seed)
    rows = np.repeat([0, 1, 2], 4)
    images = make_images([4, 9, 11], ["a/cat.jpg", "a/0007.jpg", "dog.png"], *SIZES_WH.T)
    corners = rng.uniform(5, 100, (12, 2))
    boxes = np.column_stack([corners, rng.uniform(60, 150, (12, 2))])
    keypoints = rng.uniform(0, 1, (12, len(skeleton), 3))
    keypoints[..., :2] = boxes[:, None, :2] + keypoints[..., :2] * boxes[:, None, 2:]
    keypoints[..., 2] = 2
    return make_instances(skeleton, images, rows, boxes, keypoints)


def make_predictions_for(truth, seed=4):
    """Return detections near the people, with scores, as `read_results` gives them."""
    from smallpose.core.predictions import make_predictions

    rng = np.random.default_rng(seed)
    keypoints = truth.keypoints.copy()
    keypoints[..., :2] += rng.normal(0, 6, keypoints[..., :2].shape)
    keypoints[..., 2] = rng.uniform(0.3, 1, keypoints.shape[:2])
    image_ids = truth.images.ids[truth.image_rows]
    scores = rng.permutation(np.linspace(0.1, 0.9, len(truth)))
    return make_predictions(truth.skeleton, image_ids, keypoints, scores, truth.boxes_xywh)


def write_labels(folder, truth, predictions, *, num_dims=3, conf=True, track=False, classes=None):
    """Write what `Results.save_txt` of Ultralytics writes: %g, no file for an empty image."""
    folder.mkdir(parents=True)
    for image_id in np.unique(predictions.image_ids).tolist():
        row = truth.images.row_of[image_id]
        size = SIZES_WH[row]
        lines = []
        for i in np.flatnonzero(predictions.image_ids == image_id).tolist():
            box = predictions.boxes_xywh[i]
            values = [0 if classes is None else classes[i], *((box[:2] + box[2:] / 2) / size)]
            values += [*(box[2:] / size)]
            points = predictions.keypoints[i].copy()
            points[:, :2] /= size
            values += points[:, :num_dims].ravel().tolist()
            values += [predictions.scores[i]] * conf + [i + 1] * track
            lines.append(("%g " * len(values)).rstrip() % tuple(values))
        stem = truth.images.file_names[row].rpartition("/")[2].rpartition(".")[0]
        (folder / f"{stem}.txt").write_text("\n".join(lines) + "\n")
    return folder


def sort_rows(predictions):
    return predictions.take(np.lexsort([predictions.scores, predictions.image_ids]))


@pytest.mark.parametrize("skeleton", [COCO17, SMALLPOSE, Skeleton("5", ("a", "b", "c", "d", "e"))])
@pytest.mark.parametrize("track", [False, True])
def test_labels_with_scores_are_the_results_they_were_written_from(tmp_path, skeleton, track):
    truth = make_truth(skeleton)
    wanted = make_predictions_for(truth)
    folder = write_labels(tmp_path / "labels", truth, wanted, track=track)
    found = read_results(folder, truth)
    assert found.notes == ()
    assert found.skeleton == skeleton
    a, b = sort_rows(found), sort_rows(wanted)
    assert a.image_ids.tolist() == b.image_ids.tolist()
    np.testing.assert_allclose(a.scores, b.scores, rtol=1e-5)
    np.testing.assert_allclose(a.keypoints, b.keypoints, atol=2e-3)
    np.testing.assert_allclose(a.boxes_xywh, b.boxes_xywh, atol=2e-3)


def test_ap_is_that_of_the_coco_results(tmp_path):
    truth = make_truth()
    wanted = make_predictions_for(truth)
    folder = write_labels(tmp_path / "run" / "labels", truth, wanted)
    (folder / "classes.txt").write_text("person\n")
    (folder / "dog.txt").write_text((folder / "dog.txt").read_text() + "\n")  # an empty line
    found = evaluate(truth, read_results(folder.parent, truth))
    assert 0 < found["coco"]["AP"] < 1
    assert found["coco"]["AP"] == evaluate(truth, wanted)["coco"]["AP"]


@pytest.mark.parametrize("track", [False, True])
def test_without_scores_all_are_1_and_a_note_says_so(tmp_path, track):
    truth = make_truth()
    wanted = make_predictions_for(truth)
    folder = write_labels(tmp_path / "l", truth, wanted, conf=False, track=track, num_dims=2)
    found = read_results(folder, truth)
    assert (found.scores == 1).all()
    assert "write them with save_conf=True" in found.notes[0]
    assert (found.keypoints[..., 2] == 1).all()


def test_coco_joints_are_read_for_a_truth_of_21(tmp_path):
    coco = make_truth()
    folder = write_labels(tmp_path / "l", coco, make_predictions_for(coco))
    assert read_results(folder, make_truth(SMALLPOSE)).skeleton == COCO17


def test_labels_of_other_classes_are_left_out_and_zeroed_joints_counted(tmp_path):
    truth = make_truth()
    wanted = make_predictions_for(truth)
    wanted.keypoints[0, :2, :2] = 0
    folder = write_labels(tmp_path / "l", truth, wanted, classes=[0] * 11 + [2])
    found = read_results(folder, truth)
    assert len(found) == 11
    assert found.notes[0] == "1 label of other classes than 0 left out"
    assert found.notes[1].startswith("2 of 187 keypoints are at 0, 0")
    single = write_labels(tmp_path / "s", truth, wanted, classes=[3] * 12)
    assert len(read_results(single, truth)) == 12


def test_faults_name_the_file_and_the_line(tmp_path):
    truth = make_truth()
    folder = write_labels(tmp_path / "l", truth, make_predictions_for(truth))
    label = (folder / "cat.txt").read_text()
    (folder / "cat.txt").write_text(label + "0 .5 .5 .1 .1 .3\n")
    with pytest.raises(InputError, match=r"cat\.txt, line 5: 6 numbers, and the first label has"):
        read_results(folder, truth)
    (folder / "cat.txt").write_text(label.replace("0.", "x", 1))
    with pytest.raises(InputError, match=r"cat\.txt, line 1: not all values are finite numbers"):
        read_results(folder, truth)
    (folder / "cat.txt").write_text(label)
    (folder / "cow.txt").write_text(label)
    with pytest.raises(InputError, match=r"cow\.txt: image 'cow' is not in the truth"):
        read_results(folder, truth)
    (folder / "cow.txt").unlink()
    with pytest.raises(InputError, match="57 numbers do not fit the 5 joints of the ground truth"):
        read_results(folder, make_truth(Skeleton("5", ("a", "b", "c", "d", "e"))))
    no_size = replace(truth, images=make_images([1, 2, 3], truth.images.file_names))
    with pytest.raises(InputError, match="has no width and height of it; add width and height"):
        read_results(folder, no_size)


def test_every_verb_that_scores_takes_the_folder(tmp_path, capsys):
    truth = make_truth()
    wanted = make_predictions_for(truth)
    folder = str(write_labels(tmp_path / "predict" / "labels", truth, wanted))
    file, results = str(tmp_path / "t.json"), tmp_path / "r.json"
    write_coco(truth, file)
    write_results(wanted, results)
    assert main(["evaluate", file, folder, "--json", "-"]) == 0
    scores = json.loads(capsys.readouterr().out)["protocols"]["coco"]
    assert scores["AP"] == pytest.approx(evaluate(truth, wanted)["coco"]["AP"], abs=1e-9)
    assert main(["compare", file, str(results), folder, "--intervals", "20"]) == 0
    assert main(["check", folder, "--truth", file]) == 0
    assert main(["budget", file, folder, "--joint", "nose", "--within", "9px"]) == 0
    capsys.readouterr()
    assert main(["check", folder]) == 2
    assert "add --truth FILE" in capsys.readouterr().err


@pytest.mark.usefixtures("unrendered_figures")
def test_a_report_calls_the_labels_by_the_folder_above_them(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    truth = make_truth()
    labels = write_labels(tmp_path / "yolo11n" / "labels", truth, make_predictions_for(truth))
    write_coco(truth, tmp_path / "t.json")
    call = ["report", tmp_path / "t.json", labels, "--out", tmp_path / "page"]
    assert main([str(word) for word in call]) == 0
    assert "yolo11n" in (tmp_path / "page" / "index.html").read_text()
    assert "yolo11n" in capsys.readouterr().out
