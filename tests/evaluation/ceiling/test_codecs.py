"""The codecs in NumPy equal the methods' own: targets are decoded as if a network had made them."""

import numpy as np
import pytest
import torch

import smallpose
from smallpose.core.skeleton import COCO17
from smallpose.dataloading.affine import (
    compute_box_window,
    compute_warp_matrix,
    map_to_image,
    warp_points,
)
from smallpose.dataloading.full_image.letterbox import compute_letterbox
from smallpose.dataloading.full_image.mosaic import compute_box_corners
from smallpose.evaluation.ceiling.method_codecs import METHOD_CODECS, VARIANT_CODECS, MethodCodec
from smallpose.evaluation.ceiling.people import predict_people, scale_people
from smallpose.methods import METHODS, create_method
from smallpose.methods.cid import smooth_heatmaps
from smallpose.methods.full_image import FullImageMethod
from smallpose.models.codecs.cal import decode_cal, encode_cal
from smallpose.models.codecs.center_heatmap import find_peaks, half_map_pixel
from smallpose.models.codecs.coordinates import decode_coordinates, encode_coordinates
from smallpose.models.codecs.decoupled_heatmap import encode_decoupled_heatmaps
from smallpose.models.codecs.expected_oks import (
    decode_expected_oks,
    encode_map_labels,
    find_label_sigmas,
)
from smallpose.models.codecs.heatmap import decode_heatmaps, encode_heatmaps
from smallpose.models.codecs.simcc import decode_simcc, encode_simcc
from smallpose.models.codecs.spr import encode_spr
from smallpose.models.codecs.udp_heatmap import decode_udp_heatmaps, encode_udp_heatmaps

HEIGHTS = (12, 16, 24, 40, 80, 160)


def make_people(rng, count=60):
    """People of several shapes in images of two sizes, some joints outside box and crop."""
    images = smallpose.make_images(
        range(1, count + 1), [""] * count, [640] * count, [480, 360] * (count // 2)
    )
    height = rng.uniform(40, 300, count)
    wh = np.stack([height * rng.uniform(0.2, 1.4, count), height], axis=1)
    corner = rng.uniform(0, 50, (count, 2))
    xy = corner[:, None] + rng.uniform(-0.15, 1.15, (count, 17, 2)) * wh[:, None]
    visible = np.where(rng.random((count, 17, 1)) < 0.8, 2.0, 0.0)
    visible[0, 1:] = 0  # a person of a single joint
    visible[:, 0] = 2
    keypoints = np.concatenate([xy * (visible > 0), visible], axis=2)
    boxes = np.concatenate([corner, wh], axis=1)
    area = wh.prod(axis=1) * 0.6
    return smallpose.make_instances(COCO17, images, range(count), boxes, keypoints, file_area=area)


def decode_crops(people, codec: MethodCodec, code):
    """Pass people through crops of the torch codec."""
    udp = codec.geometry == "udp crop"
    wh = codec.input_wh
    center, scale = compute_box_window(people.boxes_xywh, wh)
    points = np.stack(
        [
            warp_points(xy, compute_warp_matrix(c, s, wh, udp=udp))
            for xy, c, s in zip(people.keypoints[:, :, :2], center, scale, strict=True)
        ]
    )
    decoded, _ = code(torch.from_numpy(points), torch.ones(points.shape[:2]))
    return map_to_image(decoded.double().numpy(), center, scale, wh), np.ones(len(people), bool)


def decode_images(people, codec: MethodCodec, code):
    """Pass people through full images, each alone in its image."""
    decoded, is_detected = np.zeros((len(people), 17, 2)), np.zeros(len(people), bool)
    for i in range(len(people)):
        image = people.image_rows[i]
        size = (int(people.images.width[image]), int(people.images.height[image]))
        box = compute_letterbox(size, codec.input_wh, codec.divisor, codec.geometry)
        points = people.keypoints[i].copy()
        points[:, :2] = warp_points(points[:, :2], box.matrix)
        points[:, 2] = points[:, 2] > 0
        corners = warp_points(compute_box_corners(people.boxes_xywh[i : i + 1]), box.matrix)
        result = code(
            torch.from_numpy(points)[None].float(),
            torch.from_numpy(corners).float(),
            box.size_wh,
        )
        if result is not None:
            window = (box.center[None], box.scale[None], box.size_wh)
            decoded[i] = map_to_image(result.double().numpy()[None], *window)[0]
            is_detected[i] = True
    return decoded, is_detected


def code_cid(keypoints, corners, size_wh):
    map_wh = (size_wh[0] // 4, size_wh[1] // 4)
    on_map = keypoints.clone()
    on_map[..., :2] /= 4
    _, maps, _, _ = encode_decoupled_heatmaps(on_map, corners / 4, map_wh, jitter=0)
    if not len(maps):
        return None
    smooth = smooth_heatmaps(maps.double())
    for one in smooth[0]:
        equalize_neighbours(one)
    points, _ = decode_heatmaps(smooth)
    half = half_map_pixel(map_wh[::-1], size_wh[::-1])
    return points[0] + torch.tensor(half)


def equalize_neighbours(heatmap, tie=5e-6):
    """Make neighbours of the peak equal where they differ by rounding or less than any network."""
    y, x = divmod(int(heatmap.argmax()), heatmap.shape[1])
    if 0 < x < heatmap.shape[1] - 1 and abs(heatmap[y, x + 1] - heatmap[y, x - 1]) < tie:
        heatmap[y, x + 1] = heatmap[y, x - 1]
    if 0 < y < heatmap.shape[0] - 1 and abs(heatmap[y + 1, x] - heatmap[y - 1, x]) < tie:
        heatmap[y + 1, x] = heatmap[y - 1, x]


def code_dekr(keypoints, corners, size_wh):
    map_wh = (size_wh[0] // 4, size_wh[1] // 4)
    on_map = keypoints.clone()
    on_map[..., :2] /= 4
    maps, _, offsets, _ = encode_spr(on_map, map_wh)
    indices = find_peaks(maps[-1], 5, 0.01, None).indices
    if not len(indices):
        return None
    index = indices[0]
    root = torch.stack([index % map_wh[0], index // map_wh[0]])
    return (root + offsets.flatten(1)[:, index].reshape(-1, 2)) * 4


def code_rtmo(keypoints, corners, size_wh):
    """Put the probability on the two bins beside each joint, so that the mean is the joint."""
    low, high = corners[0, 0], corners[0, 3]
    center, size = (low + high) / 2, (high - low) * 1.25
    out = torch.zeros(17, 2)
    for axis, count in enumerate((192, 256)):
        bins = torch.linspace(-0.5, 0.5, count) * size[axis] + center[axis]
        width = bins[1] - bins[0]
        weights = (1 - (keypoints[0, :, axis, None] - bins).abs() / width).clamp(min=0)
        outside = weights.sum(dim=1) < 1e-3
        nearest = (keypoints[0, :, axis, None] - bins).abs().argmin(dim=1)
        weights[outside] = torch.nn.functional.one_hot(nearest, count)[outside].float()
        out[:, axis] = (weights * bins).sum(dim=1) / weights.sum(dim=1)
    return out


def code_expected_oks(points, skeleton, map_wh):
    """Give the network's maps the labels as their probabilities."""
    sigmas = find_label_sigmas(skeleton)
    keypoints = torch.cat([points, torch.full_like(points[..., :1], 2)], dim=-1)
    x_labels, y_labels, _ = encode_map_labels(keypoints, sigmas, map_wh)
    x_logits, y_logits = (labels.clamp(min=1e-30).log() for labels in (x_labels, y_labels))
    return decode_expected_oks(y_logits[..., None] + x_logits[..., None, :], sigmas)


def decode_with_torch(name, people):
    codec = (METHOD_CODECS | VARIANT_CODECS)[name]
    wh = codec.input_wh
    map_wh = (wh[0] // 4, wh[1] // 4)
    crops = {
        "code_heatmaps": lambda p, v: decode_heatmaps(
            encode_heatmaps(p, v, map_wh, codec.sigma)[0]
        ),
        "code_udp_heatmaps": lambda p, v: decode_udp_heatmaps(
            encode_udp_heatmaps(p, v, wh, map_wh, codec.sigma)[0], wh
        ),
        "code_simcc": lambda p, v: decode_simcc(*encode_simcc(p, v, wh, codec.sigma)[:2]),
        "code_offset_heatmaps": lambda p, v: decode_cal(
            *encode_cal(p, v, wh, map_wh, codec.sigma)[:2], wh
        ),
        "code_expected_oks": lambda p, v: code_expected_oks(p, people.skeleton, map_wh),
        "keep_points": lambda p, v: decode_coordinates(encode_coordinates(p, v, wh)[0], None, wh),
    }
    images = {
        "code_person_heatmaps": code_cid,
        "code_root_offsets": code_dekr,
        "code_box_bins": code_rtmo,
    }
    kind = codec.code.__name__
    if kind in crops:
        return decode_crops(people, codec, crops[kind])
    return decode_images(people, codec, images[kind])


@pytest.mark.parametrize(
    "name", [*METHOD_CODECS, "simcc_r18_tiny", "cal_hrnet_w16_tiny", "expected_oks_tiny"]
)
def test_a_codec_at_six_heights_equals_the_method_s_own(name):
    codec = (METHOD_CODECS | VARIANT_CODECS)[name]
    people = make_people(np.random.default_rng(0), 60 if "crop" in codec.geometry else 24)
    for height in HEIGHTS:
        scaled = scale_people(people, height, 1, np.random.default_rng(height))
        points, is_detected = codec.decode(scaled)
        expected, is_expected = decode_with_torch(name, scaled)
        assert np.array_equal(is_detected, is_expected)
        is_compared = is_expected[:, None] & (scaled.keypoints[:, :, 2] > 0)
        # Torch works in single precision; where a joint is at an edge of a pixel, it may fall on
        # the other side of it.
        difference = np.abs(points - expected).max(axis=2)[is_compared] / height
        assert np.mean(difference > 2e-4) < 0.005, np.sort(difference)[-5:]
        scores = []
        for xy, found in ((points, is_detected), (expected, is_expected)):
            predictions = predict_people(scaled, xy, found)
            scores.append(smallpose.evaluate(scaled, predictions)["coco"]["AP"])
        assert scores[0] == pytest.approx(scores[1], abs=2e-3)


def test_every_method_has_a_codec_of_its_own_input_and_geometry():
    assert METHOD_CODECS.keys() | VARIANT_CODECS.keys() == METHODS.keys()
    for name, codec in (METHOD_CODECS | VARIANT_CODECS).items():
        if not name.endswith("tiny"):
            continue
        method = create_method(name, COCO17)
        assert method.input_wh == codec.input_wh
        if isinstance(method, FullImageMethod):
            assert (method.fit_mode, method.size_divisor) == (codec.geometry, codec.divisor)
        else:
            assert method.udp_warp == (codec.geometry == "udp crop")
        sigma = getattr(method, "sigma", None)
        assert sigma is None or sigma == codec.sigma


@pytest.mark.long
def test_the_full_size_methods_have_the_inputs_of_their_codecs():
    for name in METHOD_CODECS:
        method = METHODS[name](COCO17)
        assert method.input_wh == METHOD_CODECS[name].input_wh
        assert getattr(method, "sigma", METHOD_CODECS[name].sigma) == METHOD_CODECS[name].sigma
