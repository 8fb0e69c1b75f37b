"""Crops enlarged bicubically or to more px: as OpenCV has them, same poses, one refusal."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from smallpose import create_method
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.dataloading.affine import compute_box_window, compute_warp_matrix
from smallpose.dataloading.images import ImageReader
from smallpose.dataloading.top_down.crop_options import CropOptions
from smallpose.dataloading.top_down.crops import CropDataset, cut_boxes
from smallpose.inference import InferenceOptions, predict_people, select_true_boxes
from smallpose.methods.checkpoints.read import read_weights
from smallpose.synthetic.scenes.sample import draw_scene
from smallpose.training.checkpoint import save_model

TOP_DOWN = (
    "simple_baseline_r18_tiny",
    "hrnet_w16_tiny",
    "cal_hrnet_w16_tiny",
    "hrformer_tiny",
    "vitpose_tiny",
    "rle_r18_tiny",
    "vitpose_rle_tiny",
)


@pytest.fixture(scope="module")
def people_in_image(tmp_path_factory):
    """A synthetic image and its people."""
    from smallpose.core.instances import make_images, make_instances
    from smallpose.core.skeleton import COCO17, SMALLPOSE, map_joints

    folder = tmp_path_factory.mktemp("crops")
    image, keypoints, boxes = draw_scene(3)
    cv2.imwrite(str(folder / "a.png"), image[:, :, ::-1])
    images = make_images([1], ["a.png"], [image.shape[1]], [image.shape[0]])
    keypoints = map_joints(keypoints, SMALLPOSE, COCO17)
    people = make_instances(COCO17, images, [0] * len(boxes), boxes, keypoints)
    return image, people, ImageReader(folder)


def test_cubic_crops_are_those_of_opencv(people_in_image):
    image, people, _ = people_in_image
    box = people.boxes_xywh[:1]
    crops, _, _ = cut_boxes(image, box, (48, 64), interpolation="cubic")
    last = np.array([image.shape[1] - 1, image.shape[0] - 1])
    high = np.minimum(box[:, :2] + box[:, 2:], last)
    center, scale = compute_box_window(np.concatenate([box[:, :2], high - box[:, :2]], 1), (48, 64))
    matrix = compute_warp_matrix(center[0], scale[0], (48, 64))
    expected = cv2.warpAffine(image, matrix, (48, 64), flags=cv2.INTER_CUBIC)
    assert np.array_equal(crops[0], expected)
    assert not np.array_equal(crops, cut_boxes(image, box, (48, 64))[0])


def test_training_and_prediction_cut_the_same_cubic_crops(people_in_image):
    image, people, reader = people_in_image
    rows = np.arange(len(people))
    dataset = CropDataset(people, rows, reader, (48, 64), None, 0, interpolation="cubic")
    crops, _ = dataset.cut(0, rows)
    expected = cut_boxes(image, people.boxes_xywh, (48, 64), interpolation="cubic")[0]
    assert np.array_equal(crops, expected)


def test_a_cached_window_holds_every_pixel_that_a_cubic_crop_reads(people_in_image, tmp_path):
    """JPEG changes values a little; a missing row would change them by the whole contrast."""
    _, people, reader = people_in_image
    rows = np.arange(len(people))
    plain = CropDataset(people, rows, reader, (48, 64), None, 0, interpolation="cubic")
    cached = CropDataset(people, rows, reader, (48, 64), None, 0, interpolation="cubic")
    cached.open_cache(tmp_path / "cache")
    difference = np.abs(plain.cut(0, rows)[0].astype(int) - cached.cut(0, rows)[0])
    assert difference.mean() < 3


@pytest.mark.parametrize("name", TOP_DOWN)
def test_zoomed_crops_keep_the_frame_of_the_image(name, people_in_image):
    """Whatever the network answers, its middle is the middle of the window, at every zoom."""
    _, people, reader = people_in_image
    torch.manual_seed(0)
    method = create_method(name)
    size = method.input_wh
    predictions = {}
    for zoom in (1, 2):
        options = InferenceOptions(zoom=zoom, flip_test=False)
        predictions[zoom] = predict_people(
            method, people, select_true_boxes(people), reader.read, options
        )
    assert method.input_wh == size
    boxes = people.boxes_xywh
    for one in predictions.values():
        offset = one.keypoints[:, :, :2] - (boxes[:, :2] + boxes[:, 2:] / 2)[:, None]
        reach = np.maximum(boxes[:, 2:].max(axis=1), 20)[:, None, None]
        if "rle" not in name:  # an untrained regression may leave the crop
            assert (np.abs(offset) <= reach).all()
    assert not np.allclose(predictions[1].keypoints, predictions[2].keypoints)


def test_a_zoomed_network_is_fed_exactly_what_a_larger_network_would_get(people_in_image):
    """A heatmap network at zoom 2 equals the same weights in a network made for twice the size."""
    from smallpose.methods.simple_baseline import SimpleBaseline, create_resnet18_stride16

    _, people, reader = people_in_image
    torch.manual_seed(0)
    method = create_method("simple_baseline_r18_tiny")
    torch.nn.init.normal_(method.head.final_layer.weight, std=0.3)
    w, h = method.input_wh
    larger = SimpleBaseline(
        method.skeleton, create_resnet18_stride16(), (32, 32), (2 * w, 2 * h), method.sigma
    ).eval()
    larger.load_state_dict(method.state_dict())
    expected = predict_people(larger, people, None, reader.read)
    zoomed = predict_people(method, people, None, reader.read, InferenceOptions(zoom=2))
    assert np.array_equal(zoomed.keypoints, expected.keypoints)


def test_simcc_and_full_image_methods_refuse_zoom_in_one_line(people_in_image):
    _, people, reader = people_in_image
    for name, words in (
        ("simcc_r18_tiny", "one size"),
        ("rtmpose_tiny", "one size"),
        ("rtmo_tiny", "takes full images"),
    ):
        with pytest.raises(InputError, match=words):
            predict_people(create_method(name), people, None, reader.read, InferenceOptions(zoom=2))
    with pytest.raises(InputError, match="use linear or cubic"):
        CropOptions(interpolation="nearest")


def test_weights_remember_how_their_crops_were_cut(tmp_path):
    method = create_method("vitpose_tiny")
    w, h = method.input_wh
    method.set_crop_options(CropOptions(interpolation="cubic", zoom=2))
    save_model(method, tmp_path, method.recipes["quick"])
    again = create_method("vitpose_tiny", weights=tmp_path)
    assert again.crop_options == CropOptions(interpolation="cubic", zoom=2)
    assert again.input_wh == (2 * w, 2 * h)
    assert read_weights(tmp_path).metadata["crop"] == {"interpolation": "cubic", "zoom": 2}
    again.set_crop_options(replace(again.crop_options, zoom=1))
    assert again.input_wh == (w, h)


def test_help_names_both_options(capsys):
    for verb in ("predict", "train"):
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        text = capsys.readouterr().out
        assert "--crop-interpolation" in text and "--zoom" in text
