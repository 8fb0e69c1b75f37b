"""RTMPose: Halpe's joints, weights without decay, milder augmentation in the last epochs."""

import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17, HALPE26, SMALLPOSE
from smallpose.dataloading.pixel_augmentation import PixelAugmentation
from smallpose.methods import METHODS
from smallpose.training.recipe_overrides import choose_recipe

TINY = "rtmpose_tiny"


@pytest.fixture
def halpe_file(tmp_path):
    """Return a checkpoint as MMPose saves it, of a network for Halpe's 26 joints."""
    torch.manual_seed(3)
    method = create_method(TINY, HALPE26)
    path = tmp_path / "halpe26.pth"
    torch.save({"meta": {}, "state_dict": dict(method.state_dict())}, path)
    return path, method


def test_a_checkpoint_of_26_joints_tells_its_skeleton(halpe_file):
    path, expected = halpe_file
    method = create_method(TINY, weights=path)
    assert method.skeleton == HALPE26
    images = torch.randn(1, 3, 96, 64)
    for ours, theirs in zip(method(images), expected(images), strict=True):
        assert torch.equal(ours, theirs)


def test_the_26_joints_become_the_21_by_name(halpe_file):
    path, halpe = halpe_file
    with pytest.raises(InputError, match="adapt=True"):
        create_method(TINY, SMALLPOSE, path)
    method = create_method(TINY, SMALLPOSE, path, adapt=True)
    ours, theirs = (m.head.final_layer.weight for m in (method, halpe))
    same = {
        joint: [int(i) for i in range(26) if torch.equal(ours[row], theirs[i])]
        for row, joint in enumerate(SMALLPOSE.joints)
    }
    file_names = dict(zip(HALPE26.joints, HALPE26.file_joints, strict=True))
    assert file_names["head_top"] == "head" and file_names["head_bottom"] == "neck"
    assert file_names["pelvis"] == "hip"
    assert same.pop("chest") == []  # Halpe has none: it keeps its initial weights
    assert all(rows == [HALPE26.joints.index(joint)] for joint, rows in same.items())
    shared = [name for name in method.state_dict() if "final_layer" not in name]
    assert all(torch.equal(method.state_dict()[n], halpe.state_dict()[n]) for n in shared)


def test_batch_norms_and_biases_have_no_decay_and_scales_do_as_in_mmengine():
    method = create_method(TINY, COCO17)
    recipe = method.recipes["mmpose"]
    decays = {
        name: method.param_group_factors(name, weight, recipe)[1]
        for name, weight in method.named_parameters()
    }
    assert not any(decays[name] for name in decays if name.endswith(".bias") or ".bn." in name)
    assert decays["head.mlp.0.g"] == decays["head.gau.res_scale.scale"] == 1
    assert decays["head.gau.gamma"] == decays["head.gau.beta"] == 1
    assert decays["backbone.stage1.1.attention.fc.weight"] == 1


@pytest.mark.parametrize(("size", "decay", "average"), [("t", 0, 0), ("s", 0, 1), ("m", 0.05, 1)])
def test_the_recipe_is_mmposes(size, decay, average, monkeypatch):
    monkeypatch.setattr(torch.nn.init, "normal_", lambda tensor, *_, **__: tensor)
    recipe = METHODS[f"rtmpose_{size}"](COCO17).recipes["mmpose"]
    assert (recipe.optimizer, recipe.learning_rate, recipe.epochs) == ("adamw", 4e-3, 420)
    assert recipe.weight_decay == decay
    assert recipe.ema == ((2e-4, 2000) if average else (0, 0))
    augmentation = recipe.augment
    assert isinstance(augmentation, PixelAugmentation)
    assert (augmentation.shift, augmentation.scale, augmentation.rotate_deg) == (0.16, 0.4, 80)
    last = augmentation.to_closing()
    assert (last.shift, last.scale, last.rotate_deg, last.erase) == (0, 0.25, 60, 0.5)
    assert (augmentation.erase, augmentation.closing) == (1, 30)


def test_a_shorter_run_has_fewer_closing_epochs_and_falls_from_its_middle():
    recipe = choose_recipe(create_method(TINY), "mmpose", {"epochs": 42})[1]
    assert (recipe.decay_at, recipe.augment.closing) == ((21,), 3)


def test_labels_are_sharper_along_x_and_have_a_peak_of_1():
    method = create_method(TINY, COCO17)
    keypoints = torch.tensor([20.0, 30.0, 2.0]).expand(1, 17, 3)
    x, y, weights = method.targets(keypoints)
    assert x[0, 0, 40] == y[0, 0, 60] == 1
    # At a distance of two sigma: exp(-2).
    assert x[0, 0, 40 + 5] == pytest.approx(np.exp(-(5**2) / (2 * 2.83**2)))
    assert y[0, 0, 60 + 5] == pytest.approx(np.exp(-(5**2) / (2 * 3.46**2)))
    assert weights.all()
