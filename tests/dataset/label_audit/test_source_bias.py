"""Tests of `label_audit/source_bias.py`: offsets between the joints of sources are recovered."""

from dataclasses import replace

import numpy as np
import pytest

from smallpose.core.concat_instances import concat_instances
from smallpose.core.errors import InputError
from smallpose.core.instances import SOURCES, Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.dataset.label_audit.source_bias import compute_source_bias

# Each start of a process is a fork.
pytestmark = pytest.mark.usefixtures("warm_executable")

J = {name: n for n, name in enumerate(SMALLPOSE.joints)}
MPII, AIC = SOURCES.index("mpii"), SOURCES.index("aic")


def make_people(n: int, source: int, seed: int) -> Instances:
    """Make people with torsos of any size and rotation, their other joints near usual positions."""
    rng = np.random.default_rng(seed)
    torso = np.zeros((n, 21, 2))
    torso[:, J["left_shoulder"]], torso[:, J["right_shoulder"]] = (0.35, 0), (-0.35, 0)
    torso[:, J["left_hip"]], torso[:, J["right_hip"]] = (0.2, 1), (-0.2, 1)
    torso[:, J["head_bottom"]], torso[:, J["head_top"]] = (0, -0.2), (0, -0.75)
    torso[:, J["left_elbow"]], torso[:, J["right_elbow"]] = (0.5, 0.6), (-0.5, 0.6)
    torso[:, :, 0] *= rng.choice([-1, 1], n)[:, None] * rng.uniform(0.3, 1, n)[:, None]
    torso += rng.normal(0, 0.04, torso.shape)
    angle, size = rng.normal(0, 0.6, n), np.exp(rng.uniform(2, 5, n))
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    xy = np.stack(
        [torso[..., 0] * cos - torso[..., 1] * sin, torso[..., 0] * sin + torso[..., 1] * cos], 2
    )
    keypoints = np.concatenate([xy * size[:, None, None] + 500, np.full((n, 21, 1), 2.0)], axis=2)
    boxes = np.stack([np.full(n, 500.0)] * 2 + [size, size * 2], axis=1)
    images = make_images(np.arange(1, n + 1), [f"{i}.jpg" for i in range(n)])
    return make_instances(SMALLPOSE, images, range(n), boxes, keypoints, source=source)


def move_joint(people: Instances, joint: str, up: float, left: float) -> Instances:
    """Move a joint of all people by an offset in torso lengths."""
    middle = people.keypoints[:, [J["left_shoulder"], J["right_shoulder"]], :2].mean(axis=1)
    hips = people.keypoints[:, [J["left_hip"], J["right_hip"]], :2].mean(axis=1)
    upward = middle - hips
    across = (
        people.keypoints[:, J["left_shoulder"], :2] - people.keypoints[:, J["right_shoulder"], :2]
    )
    leftward = np.stack([-upward[:, 1], upward[:, 0]], axis=1)
    leftward *= np.sign((leftward * across).sum(axis=1))[:, None]
    sign = -1 if joint.startswith("right") else 1
    keypoints = people.keypoints.copy()
    keypoints[:, J[joint], :2] += up * upward + sign * left * leftward
    return replace(people, keypoints=keypoints)


@pytest.mark.parametrize(
    ("joint", "up", "left"),
    [("head_bottom", 0.12, 0.0), ("head_top", -0.05, 0.02), ("right_elbow", 0.0, 0.08)],
)
def test_planted_offsets_are_recovered_to_a_hundredth_of_a_torso(joint, up, left):
    mpii = move_joint(make_people(3000, MPII, 1), joint, up, left)
    bias = compute_source_bias(concat_instances([mpii, make_people(3000, AIC, 2)]), [joint])
    assert len(bias) == 1
    assert (bias[0].joint, bias[0].first, bias[0].second) == (joint, "mpii", "aic")
    assert bias[0].up == pytest.approx(up, abs=0.01)
    assert bias[0].left == pytest.approx(left, abs=0.01)
    assert abs(bias[0].up - up) < 4 * bias[0].error_up < 0.01


def test_differences_between_people_cancel_out_against_one_models_predictions():
    """AI Challenger's people stretch their necks here, which labels alone show as an offset."""
    mpii, aic = (
        make_people(800, MPII, 1),
        move_joint(make_people(800, AIC, 2), "head_bottom", 0.3, 0.0),
    )
    people = concat_instances([mpii, aic])
    rng = np.random.default_rng(3)
    predicted = people.keypoints.copy()
    predicted[:, :, :2] += rng.normal(0, 0.3, predicted[:, :, :2].shape)
    labelled = concat_instances([move_joint(mpii, "head_bottom", 0.05, 0.0), aic])
    without_reference = compute_source_bias(labelled, ["head_bottom"])[0]
    with_reference = compute_source_bias(labelled, ["head_bottom"], predicted)[0]
    assert without_reference.up == pytest.approx(-0.25, abs=0.02)
    assert with_reference.up == pytest.approx(0.05, abs=0.01)


def test_small_sources_are_left_out_and_wrong_references_refused():
    people = concat_instances([make_people(100, MPII, 1), make_people(10, AIC, 2)])
    assert compute_source_bias(people) == []
    with pytest.raises(InputError, match="same order"):
        compute_source_bias(people, reference=people.keypoints[:5])


def test_ai_challengers_neck_is_above_mpiis_upper_neck(real):
    """By some hundredths of a torso; both are between head top and chest."""
    from smallpose.sources import READERS

    parts = [READERS[s](real / s).people for s in ("mpii", "aic")]
    bias = compute_source_bias(concat_instances(parts), ["head_bottom"])
    assert len(bias) == 1
    assert 0.01 < -bias[0].up < 0.05
    assert -bias[0].up > 4 * bias[0].error_up
