"""Full-image prediction: letterboxing, batches, duplicates and unreadable images."""

import numpy as np
import pytest
import torch

from smallpose.core.errors import InputError
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.dataloading.affine import warp_points
from smallpose.dataloading.full_image.letterbox import apply_letterbox, compute_letterbox
from smallpose.inference import InferenceOptions, predict_people
from smallpose.inference.full_image import predict_full_images, suppress_duplicates
from smallpose.methods.full_image import (
    Detections,
    FullImageMethod,
    collect_predictions,
    detections_to_image,
)


class SpotMethod(FullImageMethod):
    """Predicts one person, with all joints on the brightest pixel."""

    name, fit_mode, size_divisor, pad_value = "spots", "inside", 32, 7

    def __init__(self) -> None:
        super().__init__(COCO17, (64, 64))
        self.sizes: list[tuple[int, ...]] = []

    def prepare(self, crops):
        return crops.float().permute(0, 3, 1, 2)

    def targets(self, keypoints):
        return keypoints

    def loss(self, outputs, targets):
        return {}

    def detect(self, images, flip_test):
        self.sizes.append(tuple(images.shape))
        detections = []
        for image in images[:, 0]:
            position = int(image.flatten().argmax())
            spot = torch.tensor([position % 64, position // 64]).float()
            joints = spot.expand(1, 17, 2)
            box = torch.cat([spot - 1, spot + 1])[None]
            detections.append(Detections(joints, torch.ones(1, 17), torch.ones(1), box))
        return detections


def draw_spot(size_wh: tuple[int, int], xy: tuple[int, int]) -> np.ndarray:
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    image[xy[1] - 1 : xy[1] + 2, xy[0] - 1 : xy[0] + 2] = 100
    image[xy[1], xy[0]] = 255
    return image


SIZES = [(128, 64), (64, 128), (256, 256)]
POSITIONS = [(100, 20), (40, 84), (80, 200)]


def make_table(sizes: list[tuple[int, int]]) -> Instances:
    names = [f"{n}.png" for n in range(len(sizes))]
    images = make_images(
        range(11, 11 + len(sizes)), names, [w for w, _ in sizes], [h for _, h in sizes]
    )
    return make_instances(COCO17, images, [], np.zeros((0, 4)), [])


@pytest.mark.parametrize("mode", ["inside", "cover"])
@pytest.mark.parametrize("size", [(640, 425), (425, 640), (333, 333), (1920, 40)])
def test_a_letterboxed_image_keeps_its_shape_and_is_mapped_back(size, mode):
    letterbox = compute_letterbox(size, (512, 512), 64, mode)
    assert all(side % 64 == 0 for side in letterbox.size_wh)
    corners = np.array([[[0.0, 0.0], [size[0], size[1]]]])
    in_network = warp_points(corners, letterbox.matrix)
    sides = in_network[0, 1] - in_network[0, 0]
    assert sides[0] / sides[1] == pytest.approx(size[0] / size[1])
    assert (in_network > -1e-6).all() and (in_network <= np.array(letterbox.size_wh) + 1e-6).all()
    assert (max if mode == "inside" else min)(sides) == pytest.approx(512)
    detections = Detections(
        torch.from_numpy(in_network),
        torch.ones(1, 2),
        torch.ones(1),
        torch.from_numpy(in_network.reshape(1, 4)),
    )
    back = detections_to_image(detections, letterbox)
    np.testing.assert_allclose(back.keypoints.numpy(), corners, atol=1e-9)
    np.testing.assert_allclose(back.boxes_xyxy.numpy(), corners.reshape(1, 4), atol=1e-9)


def test_the_input_is_padded_beside_the_image():
    letterbox = compute_letterbox((64, 32), (64, 64), 32, "inside")
    in_network = apply_letterbox(np.full((32, 64, 3), 200, np.uint8), letterbox, 114)
    assert in_network.shape == (64, 64, 3)
    assert (in_network[:15] == 114).all() and (in_network[17:47] == 200).all()


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_people_are_predicted_where_they_are_for_any_batch_size(batch_size):
    images = [draw_spot(s, p) for s, p in zip(SIZES, POSITIONS, strict=True)]
    method = SpotMethod().train()
    people = make_table(SIZES)
    read = {f"{n}.png": image for n, image in enumerate(images)}
    predictions = predict_full_images(
        method, people, read.__getitem__, InferenceOptions(batch_size=batch_size)
    )
    assert method.training
    assert predictions.image_ids.tolist() == [11, 12, 13]
    for row, (size, position) in enumerate(zip(SIZES, POSITIONS, strict=True)):
        # One network px is several image px.
        assert np.abs(predictions.keypoints[row, :, :2] - position).max() <= max(size) / 64
    assert predictions.has_boxes
    assert max(shape[0] for shape in method.sizes) <= batch_size
    by_method = method.predict(images)
    np.testing.assert_array_equal(by_method.keypoints, predictions.keypoints)
    assert by_method.image_ids.tolist() == [0, 1, 2]


def test_an_unreadable_image_is_noted_and_too_many_stop_the_prediction():
    def read(name: str) -> np.ndarray:
        if name == "1.png":
            raise InputError(name, "not an image", "fetch it by_method")
        return draw_spot(SIZES[int(name[0])], POSITIONS[int(name[0])])

    predictions = predict_full_images(
        SpotMethod(), make_table(SIZES), read, InferenceOptions(max_unreadable=0.5)
    )
    assert predictions.image_ids.tolist() == [11, 13]
    assert "1.png" in predictions.notes[0]
    with pytest.raises(InputError, match=r"1 of 3 images"):
        predict_full_images(SpotMethod(), make_table(SIZES), read)


def test_an_image_of_another_size_than_annotated_is_refused():
    with pytest.raises(InputError, match="annotations say"):
        predict_full_images(
            SpotMethod(), make_table([(64, 64)]), lambda name: draw_spot((32, 32), (5, 5))
        )


def test_no_people_and_no_images_give_tables_without_rows():
    assert len(collect_predictions(SMALLPOSE, [], [])) == 0
    assert collect_predictions(SMALLPOSE, [], []).keypoints.shape == (0, 21, 3)
    read = lambda name: np.zeros((1, 1, 3), np.uint8)  # noqa: E731
    assert len(predict_full_images(SpotMethod(), make_table([]), read)) == 0


def test_duplicates_are_suppressed_in_each_image():
    rng = np.random.default_rng(0)
    one = np.concatenate([rng.uniform(0, 100, (17, 2)), np.ones((17, 1))], axis=1)
    near = one + np.array([0.1, 0, 0])
    far = one + np.array([200.0, 0, 0])
    predictions = make_predictions(
        COCO17, [3, 3, 3, 5], np.stack([one, near, far, one]), [0.5, 0.9, 0.4, 0.2]
    )
    kept = suppress_duplicates(predictions, 0.8)
    assert kept.scores.tolist() == [0.9, 0.4, 0.2]
    assert kept.image_ids.tolist() == [3, 3, 5]
    assert suppress_duplicates(predictions, 1.0) is predictions


class CrowdMethod(SpotMethod):
    """Predicts fifty people with falling scores along a diagonal."""

    score_threshold, max_people = 0.0, None

    def detect(self, images, flip_test):
        offsets = torch.arange(50.0)
        joints = (offsets[:, None, None] + torch.linspace(0, 9, 34).reshape(17, 2)).contiguous()
        scores = torch.linspace(0.9, 0.1, 50)
        rows = torch.nonzero(scores > self.score_threshold)[: self.max_people, 0]
        box = torch.cat([joints.amin(1), joints.amax(1)], dim=1)
        keypoint_scores = scores[:, None].expand(50, 17)
        detections = Detections(
            *(column[rows] for column in (joints, keypoint_scores, scores, box))
        )
        return [detections] * len(images)


def test_options_limit_the_people_of_a_full_image_method():
    people = make_table([(64, 64)])
    read = lambda name: np.zeros((64, 64, 3), np.uint8)  # noqa: E731
    method = CrowdMethod()

    def count(**options) -> int:
        return len(predict_people(method, people, None, read, InferenceOptions(**options)))

    assert count() == 50
    assert count(max_people=7) == 7
    assert count(score_threshold=0.5) == 25
    assert count(oks_threshold=0.05) < 50
    assert (method.max_people, method.score_threshold) == (None, 0.0)
    by_rule = predict_people(
        method, people, None, read, InferenceOptions(score_rule="box_times_mean")
    )
    np.testing.assert_allclose(by_rule.scores, np.linspace(0.9, 0.1, 50) ** 2, atol=1e-6)


def test_the_methods_predict_gives_the_predictions_of_the_command():
    people = make_table([(64, 64)])
    image = np.zeros((64, 64, 3), np.uint8)
    method = CrowdMethod()
    method.oks_threshold = 0.05
    predictions = predict_people(method, people, None, lambda name: image)
    assert 1 < len(predictions) < 50
    for images in ([image], image):
        np.testing.assert_array_equal(method.predict(images).keypoints, predictions.keypoints)


class LimitedMethod(CrowdMethod):
    """Predicts fifty people in bright images and five in dark ones, thirty at most."""

    max_people = 30

    def detect(self, images, flip_test):
        (everyone,) = super().detect(images[:1], flip_test)
        counts = [50 if image.mean() > 0 else 5 for image in images]
        detections = []
        for count in counts:
            self.count_candidates(count)
            rows = slice(min(count, 50 if self.max_people is None else self.max_people))
            detections.append(Detections(*(column[rows] for column in everyone)))
        return detections


def test_a_note_says_in_how_many_images_the_limit_of_people_was_reached():
    people = make_table([(64, 64)] * 4)
    bright = people.images.file_names[1:]
    read = lambda name: np.full((64, 64, 3), 255 * (name in bright), np.uint8)  # noqa: E731
    method = LimitedMethod()
    method.name = "limited"
    for options, num_people, note in (
        ({}, 5 + 3 * 30, "limited: the limit of 30 people was reached in 3 images;"),
        ({"max_people": 4}, 4 * 4, "the limit of 4 people was reached in 4 images;"),
        ({"max_people": 0}, 5 + 3 * 50, None),
        ({"max_people": 50}, 5 + 3 * 50, None),
    ):
        predictions = predict_people(method, people, None, read, InferenceOptions(**options))
        assert len(predictions) == num_people
        assert len(predictions.notes) == bool(note)
        assert note is None or note in predictions.notes[0]
        assert method.max_people == 30
    images = [read(name) for name in people.images.file_names]
    assert "in 3 images" in method.predict(images).notes[0]
    assert "in 1 image;" in method.predict(images[:2]).notes[0]
    assert method.predict(images[:1]).notes == ()


def test_a_limit_counts_in_each_tile_unless_it_is_given():
    """Without it, an image of many tiles may have more people than a method finds in one."""
    people = make_table([(256, 64)])
    read = lambda name: np.full((64, 256, 3), 255, np.uint8)  # noqa: E731
    method = LimitedMethod()
    counts = {}
    for max_people in (None, 30):
        options = InferenceOptions(tile=64, tile_overlap=0, max_people=max_people)
        predictions = predict_people(method, people, None, read, options)
        counts[max_people] = len(predictions)
        assert "in 1 image;" in predictions.notes[0]
    assert counts[30] == 30 < counts[None]
