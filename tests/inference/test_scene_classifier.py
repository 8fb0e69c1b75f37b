"""A Places365 ResNet from a checkpoint to entropies, with random weights in their layout."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError, RefusedError
from smallpose.inference.scene_classifier import (
    MEAN,
    STD,
    predict_scenes,
    prepare_image,
    read_scene_net,
)
from smallpose.models.backbones.resnet import BasicBlock, Bottleneck
from smallpose.models.places365 import SceneNet, create_scene_net
from smallpose.stats.scene_entropy import compute_scene_entropy


def save_checkpoint(path: Path, net: SceneNet, prefix: str = "module.") -> Path:
    """Save a checkpoint as Places365 does: from DataParallel, with text beside the tensors."""
    state = {prefix + name: tensor for name, tensor in net.state_dict().items()}
    torch.save({"epoch": 90, "arch": "resnet18", "state_dict": state, "best_prec1": 54.7}, path)
    return path


@pytest.fixture(scope="module")
def net() -> SceneNet:
    torch.manual_seed(0)
    return SceneNet(BasicBlock, (2, 2, 2, 2)).eval()


@pytest.mark.parametrize(
    ("block", "depths", "parameters"),
    # torchvision's counts of ResNet-18 and ResNet-50, with another classifier.
    [
        (BasicBlock, (2, 2, 2, 2), 11_689_512 - 1000 * 513 + 365 * 513),
        (Bottleneck, (3, 4, 6, 3), 25_557_032 - 1000 * 2049 + 365 * 2049),
    ],
)
def test_networks_have_torchvisions_size_and_are_recognised_by_weight_names(
    block, depths, parameters
):
    net = SceneNet(block, depths)
    assert sum(p.numel() for p in net.parameters()) == parameters
    rebuilt = create_scene_net(net.state_dict(), "here")
    assert all(
        torch.equal(a, b)
        for a, b in zip(net.state_dict().values(), rebuilt.state_dict().values(), strict=True)
    )


def test_a_published_checkpoint_gives_the_same_scores(net: SceneNet, tmp_path: Path):
    read = read_scene_net(save_checkpoint(tmp_path / "resnet18_places365.pth.tar", net)).cpu()
    images = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        assert torch.equal(read(images), net(images))


def test_weights_that_do_not_fit_exactly_are_refused(net: SceneNet, tmp_path: Path):
    state = dict(net.state_dict())
    for change, message in (
        ({"fc.weight": None}, "not a ResNet with a classifier"),
        ({"layer2.0.bn1.weight": None}, "layer2.0.bn1.weight"),
        ({"extra.weight": torch.ones(1)}, "extra.weight"),
        ({"fc.bias": torch.ones(7)}, "fc.bias"),
        ({"bn1.weight": torch.full((64,), float("nan"))}, "bn1.weight"),
    ):
        changed = {k: v for k, v in {**state, **change}.items() if v is not None}
        with pytest.raises(InputError) as caught:
            create_scene_net(changed, "file.pth")
        assert message in str(caught.value)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path):
    class Bad:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "bad.pth.tar"
    path.write_bytes(pickle.dumps({"state_dict": Bad()}))
    with pytest.raises(RefusedError):
        read_scene_net(path)
    assert not (tmp_path / "ran").exists()


def test_the_central_crop_is_taken_at_256_px(tmp_path: Path):
    # A stripe in the middle of a wide image is in the middle of the crop.
    image = np.zeros((256, 512, 3), dtype=np.uint8)
    image[:, 250:262] = 255
    network_input = prepare_image(image)
    assert network_input.shape == (3, 224, 224)
    raw = network_input.numpy().transpose(1, 2, 0) * STD + MEAN
    columns = np.flatnonzero(raw[100, :, 0] > 0.5)
    assert (columns.min(), columns.max()) == (250 - 144, 261 - 144)


def test_images_of_any_shape_are_prepared():
    for shape in ((30, 400), (400, 30), (224, 224), (1, 1)):
        assert prepare_image(np.zeros((*shape, 3), dtype=np.uint8)).shape == (3, 224, 224)


def test_probabilities_are_in_the_order_of_the_readable_images(net: SceneNet):
    rng = np.random.default_rng(0)
    images = {f"{i}.jpg": rng.integers(0, 256, (40, 60, 3), dtype=np.uint8) for i in range(3)}

    def read(name: str) -> np.ndarray:
        if name not in images:
            raise InputError(name, "no such image", "check")
        return images[name]

    rows = predict_scenes(net, ["0.jpg", "gone.jpg", "1.jpg", "2.jpg"], read)
    assert rows.shape == (3, 365)
    assert rows.sum(axis=1) == pytest.approx([1.0] * 3)
    with torch.inference_mode():
        single = torch.softmax(net(prepare_image(images["1.jpg"])[None]).double(), 1)[0].numpy()
    assert rows[1] == pytest.approx(single, abs=1e-6)
    with pytest.raises(InputError, match="none of the images"):
        predict_scenes(net, ["gone.jpg"], read)


def test_stats_makes_table_4_from_weights_and_images(net: SceneNet, tmp_path: Path, capsys):
    from smallpose.cli.main import main
    from smallpose.core.instances import make_images, make_instances
    from smallpose.core.skeleton import COCO17
    from smallpose.io.coco_annotations import write_coco

    images = make_images([1, 2], ["a.png", "b.png"], [60, 60], [40, 40])
    people = make_instances(COCO17, images, [0, 1], [[0, 0, 20, 30]] * 2, np.full((2, 17, 3), 2.0))
    write_coco(people, tmp_path / "mine.json")
    rng = np.random.default_rng(1)
    for name in images.file_names:
        noise = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / name), noise)
    weights = save_checkpoint(tmp_path / "w.pth.tar", net)
    out = tmp_path / "out"
    command = ["stats", str(tmp_path / "mine.json"), "--out", str(out), "--images", str(tmp_path)]
    assert main([*command, "--scene-weights", str(weights)]) == 0
    assert "Table 4" in capsys.readouterr().out
    rows = np.load(out / "scenes_mine.npy")
    table = (out / "table4.csv").read_text().splitlines()
    assert table[-1].startswith(f"mine,ours,2,{round(compute_scene_entropy(rows).mean(), 4):g}")
    # The saved probabilities give the same table without the network.
    first = (out / "table4.md").read_text()
    assert main([*command, "--scenes", f"mine={out / 'scenes_mine.npy'}"]) == 0
    assert (out / "table4.md").read_text() == first
