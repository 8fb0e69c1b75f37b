"""The columns of the person browser agree with the evaluation."""

import base64
from dataclasses import replace

import numpy as np
import pytest

from smallpose.evaluation.evaluate import evaluate
from smallpose.report.inputs.false_positives import find_false_positives
from smallpose.report.inputs.person_matching import RunPredictions, match_people
from smallpose.report.page.person_browser import build_browser_data


@pytest.fixture(scope="module")
def browser(crowded):
    truth, predictions = crowded
    results = [RunPredictions("run", predictions, match_people(truth, predictions))]
    return build_browser_data(truth, results, read=None)


def decode(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


@pytest.mark.parametrize("protocol", ["owned", "recall"])
def test_as_many_people_are_matched_as_the_evaluation_counts(crowded, browser, protocol):
    counts = evaluate(*crowded, protocols=(protocol,)).match_counts
    expected = np.count_nonzero(counts.true_positives[0] & 1)
    if protocol == "recall":
        assert counts.num_matched[:, 0, 0].sum() == expected
    assert decode(browser.data["runs"][0]["matched"], "u1").sum() == expected
    assert browser.num_people == browser.num_scored == counts.num_people[:, 0].sum()


def test_people_come_first_and_false_positives_follow(crowded, browser):
    truth, predictions = crowded
    false = find_false_positives(truth, predictions, match_people(truth, predictions))
    run = browser.data["runs"][0]["false_positives"]
    assert (run["start"], run["n"]) == (browser.num_people, len(false))
    assert browser.data["num_items"] == browser.num_people + len(false)
    ids = decode(browser.data["id"], "<f8")
    assert (ids[: browser.num_people] > 0).all()
    assert ids[browser.num_people :].tolist() == (-1 - false.rows).tolist()


def test_joints_are_named_as_the_labels_spell_them(crowded):
    truth, predictions = crowded
    spelled = tuple(f"my_{joint}" for joint in truth.skeleton.joints)
    truth = replace(truth, skeleton=replace(truth.skeleton, file_joints=spelled))
    results = [RunPredictions("run", predictions, match_people(truth, predictions))]
    names = build_browser_data(truth, results, read=None).data["joints"]
    assert names == [joint.replace("_", " ") for joint in spelled]
