"""People with none of the kept joints are counted in a note."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import Skeleton
from smallpose.dataset.docs.data_card import _format_sources
from smallpose.sources.tools.joint_map import keep_joints


@pytest.mark.parametrize(
    ("num_snouts", "notes"),
    [
        (0, []),
        (1, ["1 person has none of the kept joints"]),
        (4, ["4 people have none of the kept joints"]),
    ],
)
def test_people_with_only_left_out_joints_are_counted(num_snouts, notes):
    keypoints = np.full((6, 2, 3), 2.0)
    keypoints[:num_snouts, 0] = 0
    images = make_images([1], ["a.png"], [10], [10])
    people = make_instances(
        Skeleton("own", ("nose", "snout")), images, [0] * 6, [[0, 0, 9, 9]] * 6, keypoints
    )
    unlabelled = replace(people, num_keypoints=np.array([2] * 5 + [0]))
    kept, given = keep_joints(unlabelled, [0], ["nose"])
    assert np.count_nonzero(kept.num_keypoints) == 5 - num_snouts
    assert given[0] == "joints left out: snout"
    assert [note.partition(",")[0] for note in given[1:]] == notes
    assert all("--map FILE.json" in note for note in given[1:])


def test_the_data_card_says_which_images_it_counts():
    counts = {"images_read": 80, "people_read": 239, "images": 80, "people": 239, "notes": []}
    card = _format_sources({"sources": {"own": counts}})
    assert "Images included are all images of the set" in card
