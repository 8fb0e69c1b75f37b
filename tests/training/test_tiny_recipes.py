"""Quick recipes of full-image tiny variants: test size, dense head, wide assignment, targets."""

import json

import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.dataloading.images import open_set_images
from smallpose.inference import InferenceOptions, predict_people
from smallpose.io.coco_annotations import read_coco
from smallpose.io.coco_results import read_results
from smallpose.methods import METHODS, create_method
from smallpose.methods.full_image import FullImageMethod
from smallpose.methods.rtmo import STAGES_ML, STAGES_S, STAGES_TINY
from smallpose.methods.rtmo_loss import LossWeights
from smallpose.models.codecs.offsets import make_grid_points
from smallpose.models.codecs.sim_ota import CellPredictions, ImageTruth, assign_cells
from smallpose.models.codecs.spr import encode_spr
from smallpose.models.heads.dense_joints import compute_dense_loss, encode_joint_heatmaps
from smallpose.training.run import TrainingConfig, train

TINY = ("rtmo_tiny", "cid_hrnet_w8_tiny", "dekr_hrnet_w8_tiny")


@pytest.fixture(scope="module")
def few(stick_set):
    """Return a set of four people in two images, the same for training and testing."""
    return stick_set((2, 2))


def run(data, out, method="rtmo_tiny", **more):
    overrides = (("steps", "2"), ("batch_size", "2"), ("test_side", "128"), *more.pop("more", ()))
    return train(
        TrainingConfig(
            method=method, data=data, out=out, recipe="quick", overrides=overrides, **more
        )
    )


@pytest.fixture(scope="module")
def finished(few, tmp_path_factory):
    """Return the folder of a run with a dense head, and its result."""
    out = tmp_path_factory.mktemp("tiny") / "run"
    return out, run(few, out)


def test_the_dense_head_is_trained_and_neither_saved_nor_counted(finished):
    out, result = finished
    assert result["recipe"]["dense_weight"] == 3
    state = torch.load(out / "state.pt", weights_only=True)["method"]
    head = {name: weight for name, weight in state.items() if name.startswith("auxiliary.")}
    assert any(weight.abs().sum() for weight in head.values())
    method = create_method("rtmo_tiny", weights=out)
    assert method.auxiliary is None
    assert not any(name.startswith("auxiliary") for name in method.state_dict())
    assert result["parameters"] == method.num_parameters
    assert result["parameters"] == create_method("rtmo_tiny", SMALLPOSE).num_parameters


def test_a_run_with_a_dense_head_resumes(few, finished, tmp_path):
    out, _ = finished
    copy = tmp_path / "run"
    copy.mkdir()
    for file in out.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    result = run(few, copy, more=(("steps", "3"),), resume=True)
    assert result["steps"] == 3


def test_weights_predict_at_the_test_size_of_their_training(few, finished, tmp_path):
    out, _ = finished
    card = json.loads((out / "model.json").read_text())
    assert (card["input_wh"], card["test_side"]) == ([192, 192], 128)
    method = create_method("rtmo_tiny", weights=out)
    assert method.input_wh == (128, 128)
    method.score_threshold = 0.0
    people = read_coco(few / "annotations" / "test.json")
    read = open_set_images(few).read
    saved = predict_people(method, people, None, read)
    options = InferenceOptions(input_side=192)
    larger = predict_people(method, people, None, read, options)
    assert method.test_side == 0  # options last no longer than a prediction
    plain = create_method("rtmo_tiny", SMALLPOSE)
    plain.load_state_dict(method.state_dict())
    plain.score_threshold = 0.0
    np.testing.assert_array_equal(predict_people(plain, people, None, read).scores, larger.scores)
    options = InferenceOptions(input_side=128)
    again = predict_people(plain, people, None, read, options)
    np.testing.assert_array_equal(again.keypoints, saved.keypoints)
    assert not np.array_equal(saved.scores, larger.scores)


def test_the_results_of_a_run_are_those_of_its_weights(few, tmp_path):
    run(few, tmp_path, "cid_hrnet_w8_tiny")
    people = read_coco(few / "annotations" / "test.json")
    method = create_method("cid_hrnet_w8_tiny", weights=tmp_path)
    again = predict_people(method, people, None, open_set_images(few).read)
    written = read_results(tmp_path / "found.json", people)
    assert len(again) == len(written) > 0
    np.testing.assert_allclose(written.scores, again.scores, atol=1e-4)


def test_a_dense_head_is_for_rtmo_alone(few, tmp_path):
    with pytest.raises(InputError, match="is for RTMO, and dekr_hrnet_w8_tiny has no such head"):
        run(few, tmp_path, "dekr_hrnet_w8_tiny", more=(("dense_weight", "1"),))


@pytest.mark.usefixtures("without_initial_weights")
def test_recipes_of_published_sizes_have_nothing_of_it():
    for name in METHODS:
        method = create_method(name)
        if not isinstance(method, FullImageMethod) or name in TINY:
            continue
        for recipe in method.recipes.values():
            assert (recipe.test_side, recipe.dense_weight) == (0, 0.0)
    for name in TINY:
        recipes = create_method(name).recipes
        assert next(iter(recipes)) == "quick" and recipes["quick"].test_side > 192
        assert all(recipes[other].test_side == 0 for other in ("paper", "mmpose"))
    for stage in (*STAGES_S, *STAGES_ML):
        assert (stage.assign_tolerance, stage.raw_boxes) == (1.0, False)
    assert LossWeights() == STAGES_S[0]
    assert create_method("dekr_hrnet_w32").target_scale == 1
    assert not create_method("cid_hrnet_w32").head.gfd_module.has_radius
    assert all(stage.raw_boxes and stage.assign_tolerance == 4 for stage in STAGES_TINY)


def test_the_terms_of_the_loss_name_the_dense_head_in_training_alone():
    method = create_method("rtmo_tiny", COCO17)
    images = torch.zeros(1, 3, 64, 64)
    method.begin_training(method.recipes["quick"])
    method.train()
    outputs = method(images)
    assert outputs.joint_logits.shape == (1, len(COCO17), 8, 8)
    method.eval()
    assert not hasattr(method(images), "joint_logits")


def test_heatmaps_have_their_peaks_at_the_joints_and_regions_without_labels_do_not_count():
    keypoints = torch.tensor([[[16.0, 40.0, 2.0], [50.0, 9.0, 1.0], [3.0, 3.0, 0.0]]])
    corners = torch.tensor([[[8.0, 4.0], [8.0, 60.0], [56.0, 4.0], [56.0, 60.0]]])
    index = torch.tensor([1])
    maps = encode_joint_heatmaps(keypoints, corners, index, (2, 8, 8))
    assert maps.shape == (2, 3, 8, 8) and not maps[0].any()
    assert torch.nonzero(maps[1, 0] == 1).tolist() == [[5, 2]]
    assert torch.nonzero(maps[1, 1] == 1).tolist() == [[1, 6]]
    assert 0 < float(maps[1, 0, 5, 3]) < 1
    assert not maps[1, 2].any()
    logits = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(2, 16, 16)
    whole = compute_dense_loss(logits, maps, mask)
    mask[:, :, 14:] = 1  # the last column of the maps
    part = compute_dense_loss(logits, maps, mask)
    assert part < whole
    logits[..., 7] += 5
    torch.testing.assert_close(compute_dense_loss(logits, maps, mask), part)


def test_targets_of_dekr_scale_with_the_input():
    generator = torch.Generator().manual_seed(1)
    people = torch.rand(12, 17, 3, generator=generator)
    people[..., :2] = people[..., :2] * 20 + torch.rand(12, 1, 2, generator=generator) * 90 + 8
    people[..., 2] = 1
    large = encode_spr(people, (128, 128))
    for plain, scaled in zip(large, encode_spr(people, (128, 128), 1.0), strict=True):
        assert torch.equal(plain, scaled)
    halved = people.clone()
    halved[..., :2] /= 2
    small = encode_spr(halved, (64, 64), 0.5)
    # Heatmaps cover the same shares of the map, and the same people have a root.
    assert float(small[0][-1].mean()) == pytest.approx(float(large[0][-1].mean()), rel=0.15)
    assert bool((small[3] > 0).any()) and bool((large[3] > 0).any())
    unscaled = encode_spr(halved, (64, 64))
    assert float(unscaled[0][-1].mean()) > 2 * float(small[0][-1].mean())


def test_wide_sigmas_assign_more_cells_to_people_whose_poses_are_far_off():
    generator = torch.Generator().manual_seed(0)
    points = make_grid_points([(12, 12)], (16,), torch.zeros(1, 1, 12, 12))
    boxes = torch.tensor([[40.0, 30.0, 110.0, 170.0]])
    keypoints = torch.rand(1, 17, 3, generator=generator)
    keypoints[..., :2] = keypoints[..., :2] * torch.tensor([70.0, 140.0]) + boxes[:, None, :2]
    keypoints[..., 2] = 1
    truth = ImageTruth(boxes, keypoints, torch.tensor([5000.0]))
    poses = keypoints[..., :2] + 25 * torch.randn(144, 17, 2, generator=generator)
    predictions = CellPredictions(torch.full((144,), 0.1), boxes.expand(144, 4), poses)
    sigmas = torch.tensor(COCO17.sigmas, dtype=torch.float32)
    counts = [
        len(assign_cells(predictions, truth, points, factor * sigmas, True).cells)
        for factor in (1, 4)
    ]
    assert counts[0] <= 2 and counts[1] > 2 * counts[0]
