"""OpenPose's maps become people of the image; joints that are missing have score 0."""

import numpy as np
import pytest
from tests.external.photos import compute_mean_oks

from smallpose.core.errors import SmallposeError
from smallpose.core.skeleton import COCO17
from smallpose.external import create_model
from smallpose.external.openpose_thin import JOINTS, LIMBS, _convert_people
from smallpose.external.part_affinity import Peaks, PeoplePeaks


def test_each_channel_of_the_fields_belongs_to_one_limb_and_sides_do_not_mix():
    channels = [channel for limb in LIMBS for channel in limb.channels]
    assert sorted(channels) == list(range(38))
    for limb in LIMBS:
        sides = {JOINTS[joint].split("_")[0] for joint in limb.joints} & {"left", "right"}
        assert len(sides) <= 1


def test_cells_become_px_of_the_image_and_missing_joints_the_middle_with_score_0():
    names = ["neck", "nose", "left_wrist"]
    joints = np.array([JOINTS.index(name) for name in names])
    peaks = Peaks(joints, np.array([[9.0, 9.0], [2.0, 1.0], [4.0, 7.0]]), np.array([1, 0.9, 0.4]))
    rows = np.full((1, 18), -1)
    rows[0, joints] = np.arange(3)
    detections = _convert_people(peaks, PeoplePeaks(rows, np.array([1.6])), np.array([1.5, 2.0]))
    nose, wrist = (COCO17.joints.index(name) for name in ("nose", "left_wrist"))
    points = detections.keypoints[0].numpy()
    assert points[nose].tolist() == [2.5 * 8 * 1.5 - 0.5, 1.5 * 8 * 2 - 0.5]
    assert points[wrist].tolist() == [4.5 * 8 * 1.5 - 0.5, 7.5 * 8 * 2 - 0.5]
    middle = (points[nose] + points[wrist]) / 2
    others = np.delete(points, [nose, wrist], axis=0)
    np.testing.assert_allclose(others, np.tile(middle, (15, 1)))
    scores = detections.keypoint_scores[0].numpy()
    assert (scores[nose], scores[wrist], np.count_nonzero(scores)) == (0.9, 0.4, 2)
    assert detections.scores.tolist() == [0.8]
    corners = detections.boxes_xyxy[0].tolist()
    assert corners == [*points[nose].tolist(), *points[wrist].tolist()], "the neck is no joint"


@pytest.fixture(scope="module")
def model():
    try:
        return create_model("openpose-thin")
    except SmallposeError as error:
        pytest.skip(f"no weights of OpenPose: {error}")


def test_people_of_real_photographs_are_detected(model, real):
    assert compute_mean_oks(model, real / "coco" / "example4") > 0.78


def test_an_image_without_people_has_none(model):
    assert len(model.predict([np.full((90, 120, 3), 128, np.uint8)])) == 0
