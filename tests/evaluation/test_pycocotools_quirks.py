"""Each row of docs/pycocotools.md: what pycocotools does and what our class does, side by side."""

import contextlib
import copy
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from smallpose import patch_pycocotools
from smallpose.core.skeleton import COCO17


def make_files():
    """Two people in one image of two, detected exactly."""
    people = []
    for number in range(2):
        x = 100.0 + 200 * number
        points = [value for j in range(17) for value in (x + 3 * j, 50.0 + 5 * j, 2)]
        person = {"id": number + 1, "image_id": 1, "category_id": 1, "keypoints": points}
        person |= {"bbox": [x, 50.0, 60.0, 90.0], "area": 2700.0, "iscrowd": 0}
        people.append(person | {"num_keypoints": 17})
    truth = {
        "images": [{"id": 1, "width": 640, "height": 480}, {"id": 2, "width": 640, "height": 480}],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.joints)}],
    }
    results = [
        {"image_id": 1, "category_id": 1, "keypoints": list(p["keypoints"]), "score": 0.9}
        for p in people
    ]
    return truth, results


def score(change, change_params=lambda p: None):
    """AP of the changed files, or the name of the error."""
    truth, results = make_files()
    change(truth["annotations"], results)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        try:
            loaded = coco.loadRes(copy.deepcopy(results)) if results else results
            scorer = COCOeval(coco, loaded, "keypoints")
            change_params(scorer.params)
            scorer.evaluate()
            scorer.accumulate()
            scorer.summarize()
        except Exception as error:
            return type(error).__name__
    return round(float(scorer.stats[0]), 2)


def drop(name):
    def change(people, _):
        for person in people:
            del person[name]

    return change


def set_value(name, value):
    return lambda people, _: people[0].update({name: value})


def set_params(**values):
    def change(p):
        for name, value in values.items():
            setattr(p, name, value)

    return change


def use_nan(_, results):
    """The first pose is NaN and has the highest score; the people are detected once more."""
    results.insert(0, {**results[0], "keypoints": [float("nan")] * 51, "score": 1.0})
    for one in results:
        one["bbox"] = [100.0, 50.0, 60.0, 90.0]


def leave(*_):
    pass


def forget_labels(people, results):
    """One person has no labelled joint, but a count; the pose lies in twice their box."""
    people[0]["keypoints"] = [0] * 51
    results[0]["keypoints"] = [value for j in range(17) for value in (60.0, 20.0 + j, 1)]


ROWS = {
    "num_keypoints": (drop("num_keypoints"), None, "KeyError", 1.0),
    "iscrowd": (drop("iscrowd"), None, "KeyError", 1.0),
    "area": (drop("area"), None, "KeyError", 1.0),
    "id 0": (set_value("id", 0), None, 0.25, 1.0),
    "maxDets": (leave, set_params(maxDets=[100]), -1.0, 1.0),
    "sigmas": (leave, set_params(kpt_oks_sigmas=np.full(5, 0.05)), "ValueError", "InputError"),
    "no results": (lambda _, results: results.clear(), None, "AttributeError", 0.0),
    "useCats": (leave, set_params(useCats=0), 0.0, 1.0),
    "NaN": (use_nan, None, 1.0, 0.67),
    "ignore": (lambda p, r: (p[0].update(ignore=1), r.pop(0)), None, 0.5, 0.5),
    "without labels": (forget_labels, None, 1.0, 1.0),
    "keypoint scores": (
        lambda _, r: [one["keypoints"].__setitem__(slice(2, None, 3), [0] * 17) for one in r],
        None,
        1.0,
        1.0,
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_pycocotools_and_ours_do_what_the_page_says(row):
    change, params, theirs, ours = ROWS[row]
    params = params or leave
    assert score(change, params) == theirs
    with patch_pycocotools():
        assert score(change, params) == ours
