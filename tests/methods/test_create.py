"""`create_method`: methods by name, for any skeleton, and errors for wrong names."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.core.errors import InputError
from smallpose.core.skeleton import AIC14, COCO17, SMALLPOSE, Skeleton
from smallpose.methods.person_score import SCORE_RULES

TINY = "simple_baseline_r18_tiny"


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(
        InputError, match=r'external import create_model; create_model\("movenet"\)'
    ):
        create_method("movenet")
    with pytest.raises(InputError, match=r"did you mean simple_baseline_r50\?"):
        create_method("simplebaseline_r50")
    with pytest.raises(InputError, match="try coco17"):
        create_method(TINY, "coco")


@pytest.mark.parametrize("skeleton", [COCO17, SMALLPOSE, AIC14, Skeleton("two", ("nose", "tail"))])
def test_a_method_accepts_any_skeleton(skeleton):
    method = create_method(TINY, skeleton)
    images = torch.rand(2, 3, 96, 64)
    heatmaps = method.compute_outputs(images, flip_test=True)
    assert heatmaps.shape == (2, len(skeleton), 24, 16)


# Millions, from the methods' papers and their authors' model zoos, for COCO's 17 joints.
PUBLISHED_PARAMETERS = {
    "simple_baseline_r50": 34.0,
    "hrnet_w32": 28.5,
    "simcc_r50": 36.8,
    "rle_r50": 23.6,
    "hrformer_s": 7.8,
    "dekr_hrnet_w32": 29.6,
    "cid_hrnet_w32": 29.4,
    "rtmo_s": 9.9,
    "rtmo_m": 22.6,
    "rtmo_l": 44.8,
}


@pytest.mark.usefixtures("without_initial_weights")
@pytest.mark.parametrize(("name", "millions"), PUBLISHED_PARAMETERS.items())
def test_a_method_has_the_published_number_of_parameters(name, millions):
    ours = create_method(name, "coco17").num_parameters
    assert ours == pytest.approx(millions * 1e6, rel=0.01)


def test_the_tiny_variant_has_less_than_a_million_parameters():
    assert 0.3e6 < create_method(TINY).num_parameters < 1e6


def test_predictions_contain_the_given_boxes_in_their_order():
    method = create_method(TINY, "smallpose21")
    images = [np.zeros((50, 60, 3), np.uint8), np.zeros((90, 40, 3), np.uint8)]
    boxes = [np.array([[1.0, 2, 30, 40], [5, 5, 10, 20]]), np.array([[0.0, 0, 40, 90]])]
    predictions = method.predict(images, boxes)
    assert predictions.image_ids.tolist() == [0, 0, 1]
    assert (predictions.boxes_xywh == np.concatenate(boxes)).all()
    assert predictions.keypoints.shape == (3, 21, 3)
    assert np.isfinite(predictions.keypoints).all()
    assert len(method.predict([], [])) == 0


def test_score_rules_compute_what_their_names_state():
    box, keypoints = np.array([0.5, 0.5]), np.array([[0.1, 0.3, 0.5], [0.1, 0.2, 0.0]])
    assert SCORE_RULES["box_times_confident_mean"](box, keypoints).tolist() == [0.2, 0]
    assert np.allclose(SCORE_RULES["box_times_mean"](box, keypoints), [0.15, 0.05])
    assert np.allclose(SCORE_RULES["box_plus_mean_plus_best"](box, keypoints), [1.3, 0.8])
    assert SCORE_RULES["box"](box, keypoints).tolist() == [0.5, 0.5]


def test_without_pytorch_the_error_tells_how_to_install_it():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import smallpose\n"
        "try: smallpose.create_method('simple_baseline_r50')\n"
        "except smallpose.core.errors.InputError as e: print(e)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.startswith(
        "smallpose.create_method: PyTorch is not installed; pip install '.[torch]' in your clone"
    )
