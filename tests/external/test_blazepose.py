"""BlazePose's landmarks become COCO's joints by name, in px of the crop and then of the image."""

import numpy as np
import pytest
from tests.external.photos import compute_mean_oks

from smallpose.core.errors import SmallposeError
from smallpose.core.skeleton import COCO17
from smallpose.external import create_model
from smallpose.external.blazepose import LANDMARKS, NUM_LANDMARKS, decode_landmarks

# Of MediaPipe's documented list of 33 landmarks, in the order of COCO's joints.
DOCUMENTED = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]


def test_joints_are_taken_by_name_as_documented():
    assert [LANDMARKS.index(name) for name in COCO17.joints] == DOCUMENTED
    assert len(set(LANDMARKS)) == 33


def test_landmarks_become_px_and_scores_are_presence_times_confidence():
    landmarks = np.zeros((NUM_LANDMARKS, 5), np.float32)
    landmarks[:, 0] = 3 * np.arange(NUM_LANDMARKS)
    landmarks[:, 1] = 5 * np.arange(NUM_LANDMARKS)
    landmarks[:, 3] = -20  # a hidden joint may be present
    landmarks[DOCUMENTED, 4] = np.log(np.arange(1, 18))  # logits
    points, scores = decode_landmarks(landmarks.reshape(1, 195), np.array([[0.5]]))
    expected = np.outer(DOCUMENTED, [3.0, 5.0]) - 0.5
    np.testing.assert_allclose(points, expected)
    ranks = np.arange(1, 18)
    np.testing.assert_allclose(scores, 0.5 * ranks / (ranks + 1), rtol=1e-6)


@pytest.mark.parametrize(("size", "lowest"), [("lite", 0.62), ("heavy", 0.74)])
def test_people_of_real_photographs_are_seen(size, lowest, real):
    pytest.importorskip("ai_edge_litert")
    try:
        model = create_model(f"blazepose-{size}")
    except SmallposeError as error:
        pytest.skip(f"no weights of BlazePose: {error}")
    assert compute_mean_oks(model, real / "coco" / "example4") > lowest
