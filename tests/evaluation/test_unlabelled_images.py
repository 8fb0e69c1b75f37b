"""Images that nobody has labelled are told from images without people by confident detections."""

import json

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17


def make_set(num_images, num_labelled, *, confident=True, seed=0):
    """Return people in the first images, and predictions in all: good ones, in the others poor.

    Args:
        confident: whether the scores in images without labels are as those of people.
    """
    rng = np.random.default_rng(seed)
    ids = list(range(1, num_images + 1))
    names = [f"{one}.jpg" for one in ids]
    images = smallpose.make_images(ids, names, [640] * num_images, [480] * num_images)
    rows = np.repeat(np.arange(num_images), 2)
    boxes = np.tile([[50.0, 60, 120, 240], [350, 80, 100, 260]], (num_images, 1))
    xy = boxes[:, None, :2] + boxes[:, None, 2:] * rng.uniform(0, 1, (2 * num_images, 17, 2))
    poses = np.concatenate([xy, np.full((len(rows), 17, 1), 2.0)], axis=2)
    is_labelled = rows < num_labelled
    truth = smallpose.make_instances(
        COCO17, images, rows[is_labelled], boxes[is_labelled], poses[is_labelled]
    )
    noisy = poses + np.concatenate([rng.normal(0, 4, xy.shape), np.zeros((len(rows), 17, 1))], 2)
    scores = rng.uniform(0.5, 1, len(rows))
    if not confident:
        scores[~is_labelled] *= 0.4
    return truth, make_predictions(COCO17, np.array(ids)[rows], noisy, scores, boxes)


def find_note(result):
    notes = [note for note in result.notes if "have no label" in note]
    assert len(notes) <= 1
    return notes[0] if notes else ""


def test_the_note_counts_images_and_names_the_ap_of_the_labelled_ones():
    truth, predictions = make_set(60, 10)
    result = smallpose.evaluate(truth, predictions)
    labelled, all_images = make_set(10, 10)[0], predictions
    kept = all_images.take(np.isin(all_images.image_ids, labelled.images.ids))
    known = truth.take(np.arange(len(truth)))
    images = smallpose.make_images(
        list(range(1, 11)), [f"{i}.jpg" for i in range(1, 11)], [640] * 10, [480] * 10
    )
    alone = smallpose.make_instances(
        COCO17, images, known.image_rows, known.boxes_xywh, known.keypoints
    )
    expected = smallpose.evaluate(alone, kept)["coco"]["AP"]
    assert expected > result["coco"]["AP"] + 0.2
    note = find_note(result)
    assert f"AP would be {expected:.4f} under coco" in note
    assert "--unknown-images drop" in note
    assert " images of 60 have no label" in note
    assert find_note(smallpose.evaluate(alone, kept)) == ""


@pytest.mark.parametrize(
    ("num_images", "num_labelled", "confident"),
    [
        (60, 27, False),  # half of COCO's images have nobody; detections there have low scores
        (60, 10, False),
        (60, 45, True),  # a quarter
        (6, 2, True),  # four images
    ],
)
def test_ordinary_sets_have_no_note(num_images, num_labelled, confident):
    truth, predictions = make_set(num_images, num_labelled, confident=confident)
    assert find_note(smallpose.evaluate(truth, predictions)) == ""


def test_text_and_json_have_the_note(tmp_path, capsys):
    truth, predictions = make_set(60, 10)
    smallpose.write_coco(truth, tmp_path / "truth.json")
    smallpose.write_results(predictions, tmp_path / "results.json")
    files = [str(tmp_path / name) for name in ("truth.json", "results.json")]
    assert main(["evaluate", *files]) == 0
    assert "have no label" in " ".join(capsys.readouterr().out.split())
    assert main(["evaluate", *files, "--json", "-"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert find_note(smallpose.evaluate(truth, predictions)) in notes
