"""Whole-image inference: fitting and back, batches, people found twice, pictures that are bad."""

import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.dataloading.affine import warp_points
from smallpose.dataloading.full_image.letterbox import fit_whole, show_whole
from smallpose.inference import Options, find
from smallpose.inference.full_image import find_everybody, once_each
from smallpose.methods.full_image import Found, WholeImageMethod, gather, to_picture


class Spots(WholeImageMethod):
    """Finds a person of bright pixels: all joints on the brightest one."""

    name, fitting, multiple, pad = "spots", "inside", 32, 7

    def __init__(self) -> None:
        super().__init__(COCO17, (64, 64))
        self.sizes: list[tuple[int, ...]] = []

    def prepare(self, crops):
        return crops.float().permute(0, 3, 1, 2)

    def targets(self, keypoints):
        return keypoints

    def loss(self, outputs, targets):
        return {}

    def find(self, pictures, flip_test):
        self.sizes.append(tuple(pictures.shape))
        found = []
        for picture in pictures[:, 0]:
            place = int(picture.flatten().argmax())
            spot = torch.tensor([place % 64, place // 64]).float()
            joints = spot.expand(1, 17, 2)
            box = torch.cat([spot - 1, spot + 1])[None]
            found.append(Found(joints, torch.ones(1, 17), torch.ones(1), box))
        return found


def spotted(size_wh: tuple[int, int], at: tuple[int, int]) -> np.ndarray:
    picture = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    picture[at[1] - 1 : at[1] + 2, at[0] - 1 : at[0] + 2] = 100
    picture[at[1], at[0]] = 255
    return picture


SIZES = [(128, 64), (64, 128), (256, 256)]
PLACES = [(100, 20), (40, 84), (80, 200)]


def table(sizes: list[tuple[int, int]]) -> Instances:
    names = [f"{n}.png" for n in range(len(sizes))]
    images = make_images(
        range(11, 11 + len(sizes)), names, [w for w, _ in sizes], [h for _, h in sizes]
    )
    return make_instances(COCO17, images, [], np.zeros((0, 4)), [])


@pytest.mark.parametrize("how", ["inside", "cover"])
@pytest.mark.parametrize("size", [(640, 425), (425, 640), (333, 333), (1920, 40)])
def test_a_fitted_image_keeps_its_shape_and_comes_back(size, how):
    fitting = fit_whole(size, (512, 512), 64, how)
    assert all(side % 64 == 0 for side in fitting.size_wh)
    corners = np.array([[[0.0, 0.0], [size[0], size[1]]]])
    shown = warp_points(corners, fitting.matrix)
    sides = shown[0, 1] - shown[0, 0]
    assert sides[0] / sides[1] == pytest.approx(size[0] / size[1])
    assert (shown > -1e-6).all() and (shown <= np.array(fitting.size_wh) + 1e-6).all()
    assert (max if how == "inside" else min)(sides) == pytest.approx(512)
    found = Found(
        torch.from_numpy(shown),
        torch.ones(1, 2),
        torch.ones(1),
        torch.from_numpy(shown.reshape(1, 4)),
    )
    back = to_picture(found, fitting)
    np.testing.assert_allclose(back.keypoints.numpy(), corners, atol=1e-9)
    np.testing.assert_allclose(back.boxes_xyxy.numpy(), corners.reshape(1, 4), atol=1e-9)


def test_what_lies_beside_the_image_is_padded():
    fitting = fit_whole((64, 32), (64, 64), 32, "inside")
    shown = show_whole(np.full((32, 64, 3), 200, np.uint8), fitting, 114)
    assert shown.shape == (64, 64, 3)
    assert (shown[:15] == 114).all() and (shown[17:47] == 200).all()


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_people_are_found_where_they_stand_whatever_the_batch(batch_size):
    pictures = [spotted(s, p) for s, p in zip(SIZES, PLACES, strict=True)]
    method = Spots().train()
    people = table(SIZES)
    read = {f"{n}.png": picture for n, picture in enumerate(pictures)}
    found = find_everybody(method, people, read.__getitem__, Options(batch_size=batch_size))
    assert method.training
    assert found.image_ids.tolist() == [11, 12, 13]
    for row, (size, place) in enumerate(zip(SIZES, PLACES, strict=True)):
        # A network px is as many px of the picture as it was made smaller by.
        assert np.abs(found.keypoints[row, :, :2] - place).max() <= max(size) / 64
    assert found.has_boxes
    assert max(shape[0] for shape in method.sizes) <= batch_size
    again = method.predict(pictures)
    np.testing.assert_array_equal(again.keypoints, found.keypoints)
    assert again.image_ids.tolist() == [0, 1, 2]


def test_a_image_that_cannot_be_read_is_named_and_too_many_stop_the_run():
    def read(name: str) -> np.ndarray:
        if name == "1.png":
            raise InputError(name, "not an image", "fetch it again")
        return spotted(SIZES[int(name[0])], PLACES[int(name[0])])

    found = find_everybody(Spots(), table(SIZES), read, Options(most_bad=0.5))
    assert found.image_ids.tolist() == [11, 13]
    assert "1.png" in found.notes[0]
    with pytest.raises(InputError, match=r"1 of 3 pictures"):
        find_everybody(Spots(), table(SIZES), read)


def test_a_image_of_another_size_than_annotated_is_refused():
    with pytest.raises(InputError, match="annotations say"):
        find_everybody(Spots(), table([(64, 64)]), lambda name: spotted((32, 32), (5, 5)))


def test_nobody_and_no_images_are_tables_without_rows():
    assert len(gather(SMALLPOSE, [], [])) == 0
    assert gather(SMALLPOSE, [], []).keypoints.shape == (0, 21, 3)
    assert len(find_everybody(Spots(), table([]), lambda name: np.zeros((1, 1, 3), np.uint8))) == 0


def test_people_found_twice_stay_once_in_each_image():
    rng = np.random.default_rng(0)
    one = np.concatenate([rng.uniform(0, 100, (17, 2)), np.ones((17, 1))], axis=1)
    near, far = one + np.array([0.1, 0, 0]), one + np.array([200.0, 0, 0])
    found = make_predictions(
        COCO17, [3, 3, 3, 5], np.stack([one, near, far, one]), [0.5, 0.9, 0.4, 0.2]
    )
    kept = once_each(found, 0.8)
    assert kept.scores.tolist() == [0.9, 0.4, 0.2]
    assert kept.image_ids.tolist() == [3, 3, 5]
    assert once_each(found, 1.0) is found


class Crowd(Spots):
    """Fifty people of falling scores along a diagonal."""

    score_above, most = 0.0, None

    def find(self, pictures, flip_test):
        places = torch.arange(50.0)
        joints = (places[:, None, None] + torch.linspace(0, 9, 34).reshape(17, 2)).contiguous()
        scores = torch.linspace(0.9, 0.1, 50)
        rows = torch.nonzero(scores > self.score_above)[: self.most, 0]
        box = torch.cat([joints.amin(1), joints.amax(1)], dim=1)
        sure = scores[:, None].expand(50, 17)
        found = Found(*(column[rows] for column in (joints, sure, scores, box)))
        return [found] * len(pictures)


def test_one_door_takes_both_kinds_and_caps_are_asked_for():
    people, read = table([(64, 64)]), lambda name: np.zeros((64, 64, 3), np.uint8)
    method = Crowd()
    count = lambda **options: len(find(method, people, None, read, Options(**options)))  # noqa: E731
    assert count() == 50
    assert count(most=7) == 7
    assert count(score_above=0.5) == 25
    assert count(nms_above=0.05) < 50
    assert (method.most, method.score_above) == (None, 0.0)
    by_rule = find(method, people, None, read, Options(score_rule="box_times_mean"))
    np.testing.assert_allclose(by_rule.scores, np.linspace(0.9, 0.1, 50) ** 2, atol=1e-6)


def test_the_python_door_gives_what_the_command_finds_also_for_one_image_alone():
    people = table([(64, 64)])
    picture = np.zeros((64, 64, 3), np.uint8)
    method = Crowd()
    method.nms_above = 0.05
    found = find(method, people, None, lambda name: picture)
    assert 1 < len(found) < 50
    for images in ([picture], picture):
        np.testing.assert_array_equal(method.predict(images).keypoints, found.keypoints)
