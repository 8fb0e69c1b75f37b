"""People who are labelled twice are found, and two people who stand close are not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from synthetic_people import make_people

from smallpose.core.concat_instances import concat_instances
from smallpose.dataset.label_audit.audit_file import audit_file
from smallpose.dataset.label_audit.repeated_people import find_repeated_people


def test_planted_repetitions_are_found_and_only_they(tmp_path):
    people = make_people(400, 2)
    rng = np.random.default_rng(0)
    again = people.take(np.arange(40))
    size = np.sqrt(again.area)[:, None, None]
    keypoints = again.keypoints.copy()
    keypoints[:, :, :2] += rng.normal(0, 0.01, keypoints[:, :, :2].shape) * size
    keypoints[:, 10:12] = 0
    # Forty others stand beside somebody of their size, a third of a box away.
    beside = people.take(np.arange(40, 80))
    aside = beside.keypoints.copy()
    aside[:, :, 0] += beside.boxes_xywh[:, 2:3] / 3
    extra = [
        replace(again, ids=again.ids + 1000, keypoints=keypoints),
        replace(beside, ids=beside.ids + 2000, keypoints=aside),
    ]
    tables = [people, *extra]
    merged = replace(
        concat_instances(tables, people.skeleton),
        images=people.images,
        image_rows=np.concatenate([table.image_rows for table in tables]),
    )
    nearest = find_repeated_people(merged)
    assert set(np.flatnonzero(nearest.oks > 0.75)) == {*range(40), *range(400, 440)}
    audit = audit_file(Path("own.json"), merged, None)
    pairs = {tuple(pair) for pair in audit.repeated.tolist()}
    assert pairs == {(400 + row, row) for row in range(40)}  # fewer joints first
    assert (audit.similarity > 0.75).all()


def test_people_of_different_images_are_never_compared():
    people = make_people(50, 3)
    twice = replace(
        concat_instances([people, people], people.skeleton),
    )
    assert not find_repeated_people(twice).oks.any()
