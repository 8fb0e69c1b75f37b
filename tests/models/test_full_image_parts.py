"""Parts of RTMO, CID and DEKR: deformable convolution, crowds on maps, assignment, suppression."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from smallpose.methods.cid import encode_decoupled_heatmaps as encode_people
from smallpose.models.codecs import heatmap
from smallpose.models.codecs.center_heatmap import (
    bells,
    compute_person_sigma,
    encode_offsets,
    find_peaks,
    find_roots,
)
from smallpose.models.codecs.nms import box_nms, nearby_joints_nms
from smallpose.models.codecs.offsets import (
    GridPoints,
    decode_boxes,
    decode_keypoints,
    encode_boxes,
    make_grid_points,
)
from smallpose.models.codecs.sim_ota import CellPredictions, assign_cells, compute_oks
from smallpose.models.heads.cid import GFDModule
from smallpose.models.heads.dekr import AdaptiveActivationBlock, deform_conv2d, regular_grid_points
from smallpose.models.heads.rtmo_dcc import DynamicCoordinateClassifier


def moved(offsets: torch.Tensor) -> torch.Tensor:
    """(b, g, 9, 2, h, w) dy and dx in px to the points of a deformable convolution."""
    h, w = offsets.shape[-2:]
    away = offsets.flip(3).transpose(2, 3) * torch.tensor([2 / w, 2 / h]).view(2, 1, 1, 1)
    return regular_grid_points(h, w) + away


def test_a_deformable_convolution_that_is_not_moved_is_a_convolution():
    torch.manual_seed(0)
    x, weight = torch.randn(2, 6, 7, 9), torch.randn(8, 3, 3, 3)
    plain = F.conv2d(x, weight, padding=1, groups=2)
    still = deform_conv2d(x, moved(torch.zeros(2, 2, 9, 2, 7, 9)), weight)
    torch.testing.assert_close(still, plain, atol=1e-5, rtol=1e-5)


def test_moved_by_whole_pixels_it_reads_the_image_there_and_zero_outside():
    x = torch.arange(20.0).reshape(1, 1, 4, 5)
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 1
    offsets = torch.zeros(1, 1, 9, 2, 4, 5)
    offsets[:, :, 4, 0], offsets[:, :, 4, 1] = 1.0, -2.0  # the middle point one down, two left
    wanted = torch.zeros(4, 5)
    wanted[:3, 2:] = x[0, 0, 1:, :3]
    torch.testing.assert_close(
        deform_conv2d(x, moved(offsets), weight)[0, 0], wanted, atol=1e-4, rtol=0
    )
    half = torch.zeros(1, 1, 9, 2, 4, 5)
    half[:, :, 4, 1] = 0.5
    got = deform_conv2d(x, moved(half), weight)[0, 0]
    torch.testing.assert_close(got[:, :4], x[0, 0, :, :4] + 0.5, atol=1e-4, rtol=0)
    torch.testing.assert_close(got[:, 4], x[0, 0, :, 4] / 2, atol=1e-4, rtol=0)


def test_an_adaptive_block_passes_gradients_to_where_its_points_lie():
    block = AdaptiveActivationBlock(2, 3)
    block(torch.randn(2, 6, 8, 8)).square().sum().backward()
    assert block.transform_matrix_conv.weight.grad.abs().sum() > 0


def test_an_adaptive_block_moves_its_points_by_the_map_that_it_computes():
    """The map's first row is dy's, its second dx's, each of a point's y, x and 1."""
    torch.manual_seed(0)
    block = AdaptiveActivationBlock(2, 3).eval()
    torch.nn.init.normal_(block.transform_matrix_conv.bias, std=0.5)
    torch.nn.init.zeros_(block.transform_matrix_conv.weight)  # the same map at every pixel
    x = torch.randn(2, 6, 8, 5)
    dy, dx = block.transform_matrix_conv.bias.view(2, 2, 3).unbind(dim=1)  # of each joint, (2, 3)
    offsets = torch.zeros(2, 2, 9, 2, 8, 5)
    for point in range(9):
        at = torch.tensor([point // 3 - 1.0, point % 3 - 1.0, 1.0])
        offsets[:, :, point, 0] = (dy @ at)[None, :, None, None]
        offsets[:, :, point, 1] = (dx @ at)[None, :, None, None]
    wanted = deform_conv2d(x, moved(offsets), block.adapt_conv.weight)
    torch.testing.assert_close(block(x), F.relu(block.norm(wanted) + x), atol=1e-5, rtol=1e-5)


def test_an_adaptive_block_does_not_mind_how_its_input_lies_in_memory():
    torch.manual_seed(0)
    block = AdaptiveActivationBlock(2, 3)
    torch.nn.init.normal_(block.transform_matrix_conv.weight, std=0.3)
    x = torch.randn(2, 6, 8, 5)
    torch.testing.assert_close(block(x.to(memory_format=torch.channels_last)), block(x))


def test_bells_of_a_whole_reach_are_those_of_the_top_down_codec():
    points = torch.tensor([[[3.2, 4.9], [0.4, 11.6], [15.0, 2.0]], [[8.0, 8.0]] * 3])
    seen = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    maps, weights = bells(points, seen, torch.tensor([2.0, 2.0]), (16, 12))
    wanted, wanted_weights = heatmap.encode_heatmaps(points * 4, seen, (16, 12), 2.0)
    torch.testing.assert_close(maps, wanted)
    torch.testing.assert_close(weights, wanted_weights)


@pytest.mark.parametrize(("sigma", "peak"), [(2.1, 7), (2.2, 8), (2.0, 8)])
def test_a_reach_that_is_not_whole_moves_the_peak_up_and_left_below_a_half(sigma, peak):
    maps, _ = bells(torch.tensor([[[8.0, 8.0]]]), torch.ones(1, 1), torch.tensor([sigma]), (20, 20))
    assert maps[0, 0].argmax() == peak * 20 + peak
    assert maps.max() == 1


def test_a_persons_sigma_grows_with_his_box_and_is_cids():
    corners = torch.tensor([[[0.0, 0.0], [0.0, 20.0], [10.0, 0.0], [10.0, 20.0]]])
    # h + w = 30, w h = 200, overlap 0.7; the third case is the least:
    # (-42 + sqrt(42² + 16 · 0.7 · 0.3 · 200)) / 2 / 3
    wanted = (-42 + (42**2 + 16 * 0.7 * 0.3 * 200) ** 0.5) / 2 / 3
    assert float(compute_person_sigma(corners)) == pytest.approx(wanted, rel=1e-5)
    assert float(compute_person_sigma(2 * corners)) == pytest.approx(2 * wanted, rel=1e-5)


def test_a_root_is_the_mean_of_the_labelled_and_nobody_without_a_label_has_one():
    people = torch.zeros(2, 3, 3)
    people[0] = torch.tensor([[2.0, 2.0, 1.0], [6.0, 8.0, 1.0], [99.0, 99.0, 0.0]])
    roots = find_roots(people)
    assert roots.xy[0].tolist() == [4, 5]
    assert float(roots.diagonal[0]) == pytest.approx((16 + 36) ** 0.5)
    assert roots.there.tolist() == [True, False]


def test_offsets_point_from_every_pixel_around_the_root_to_the_keypoint():
    person = torch.tensor([[[10.0, 10.0, 1.0], [14.5, 20.0, 1.0], [-3.0, 5.0, 1.0]]])
    roots = find_roots(person)
    offsets, weights = encode_offsets(person, roots, roots.there, 4.0, (32, 32))
    rows, columns = torch.nonzero(weights[1], as_tuple=True)
    assert len(rows) == 8 * 8
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        assert offsets[1, :, row, column].tolist() == [14.5 - column, 20 - row]
    assert float(weights[1].max()) == pytest.approx(1 / float(roots.diagonal[0]))
    assert not weights[2].any()  # off the map


def test_where_two_people_cross_the_smaller_one_keeps_his_offsets():
    small = torch.tensor([[10.0, 10.0, 1.0], [14.0, 16.0, 1.0]])
    large = torch.tensor([[2.0, 3.0, 1.0], [24.0, 25.0, 1.0]])
    for people in (torch.stack([small, large]), torch.stack([large, small])):
        roots = find_roots(people)
        offsets, _ = encode_offsets(people, roots, roots.there, 4.0, (32, 32))
        assert offsets[0, :, 13, 12].tolist() == [10 - 12, 10 - 13]


def test_peaks_are_found_in_order_and_no_more_than_asked_for():
    field = torch.zeros(10, 10)
    field[2, 3], field[2, 4], field[7, 7], field[9, 0] = 0.5, 0.4, 0.9, 0.005
    places, values = find_peaks(field, 5, 0.01, None)
    assert places.tolist() == [77, 23]
    assert values.tolist() == pytest.approx([0.9, 0.5])
    assert find_peaks(field, 5, 0.01, 1)[0].tolist() == [77]
    assert len(find_peaks(torch.zeros(4, 4), 3, 0.01, None)[0]) == 0


def test_a_cells_point_is_its_middle_pixel_and_boxes_come_back():
    points = make_grid_points([(2, 3), (1, 2)], (16, 32), torch.zeros(1))
    assert points.xy[:4].tolist() == [[7.5, 7.5], [23.5, 7.5], [39.5, 7.5], [7.5, 23.5]]
    assert points.xy[6].tolist() == [15.5, 15.5]
    boxes = torch.tensor([[1.0, 2.0, 30.0, 50.0]]).expand(8, 4)
    torch.testing.assert_close(decode_boxes(encode_boxes(boxes, points), points), boxes)
    joints = decode_keypoints(torch.tensor([[0.5, -1.0]]), points.take(torch.tensor([7])))
    assert joints.tolist() == [[[47.5 + 16, 15.5 - 32]]]


def _scene() -> tuple[CellPredictions, GridPoints, torch.Tensor, torch.Tensor, torch.Tensor]:
    points = make_grid_points([(8, 8)], (16,), torch.zeros(1))
    boxes = torch.tensor([[10.0, 10.0, 60.0, 60.0], [70.0, 70.0, 120.0, 120.0]])
    joints = torch.stack([boxes[:, :2] + 20, boxes[:, 2:] - 10], dim=1)
    keypoints = torch.cat([joints, torch.ones(2, 2, 1)], dim=2)
    nearest = (points.xy[:, None] - (boxes[None, :, :2] + 25)).norm(dim=-1).argmin(dim=1)
    # A little off, so that a person takes six cells and not ten, which is more than fit in.
    guess = CellPredictions(torch.full((64,), 0.5), boxes[nearest], joints[nearest] + 4)
    return guess, points, boxes, keypoints, torch.tensor([900.0, 900.0])


def test_cells_learn_the_person_they_stand_in_and_no_cell_two():
    guess, points, boxes, keypoints, area = _scene()
    sigmas = torch.tensor([0.1, 0.1])
    cell, whom, oks = assign_cells(guess, points, boxes, keypoints, area, sigmas, True)
    assert len(set(cell.tolist())) == len(cell)
    assert set(whom.tolist()) == {0, 1}
    for c, person in zip(cell.tolist(), whom.tolist(), strict=True):
        assert (points.xy[c] > boxes[person, :2]).all()
        assert (points.xy[c] < boxes[person, 2:]).all()
    wanted = np.exp(-32 / 900 / 0.2**2 / 2)
    torch.testing.assert_close(oks, torch.full((len(cell),), wanted, dtype=torch.float32))
    nobody = assign_cells(guess, points, boxes[:0], keypoints[:0], area[:0], sigmas, True)
    assert [len(column) for column in nobody] == [0, 0, 0]


def test_similarity_is_one_on_the_spot_and_counts_the_labelled_only():
    truth = torch.tensor([[[0.0, 0.0], [5.0, 5.0]]])
    far = truth + torch.tensor([[[0.0, 0.0], [1e6, 0.0]]])
    sigmas, area = torch.tensor([0.1, 0.1]), torch.tensor([100.0])
    assert float(compute_oks(far, truth, torch.tensor([[1.0, 0.0]]), area, sigmas)) == 1
    assert float(compute_oks(far, truth, torch.tensor([[1.0, 1.0]]), area, sigmas)) == 0.5
    assert float(compute_oks(far, truth, torch.zeros(1, 2), area, sigmas)) == 0


def test_of_overlapping_boxes_the_surest_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 5, 10]], float)
    kept = box_nms(boxes, np.array([0.5, 0.9, 0.1, 0.8]), 0.65)
    assert kept.tolist() == [1, 3, 2]
    assert len(box_nms(boxes[:0], np.zeros(0))) == 0


def test_of_close_people_the_best_stays_even_if_all_his_joints_are_on_one_spot():
    rng = np.random.default_rng(0)
    one = rng.uniform(0, 100, (17, 2))
    people = np.stack([one, one + 0.5, one + 60, np.full((17, 2), 7.0)])
    kept = nearby_joints_nms(people, np.array([0.3, 0.6, 0.2, 0.1]))
    assert kept.tolist() == [1, 2, 3]
    assert nearby_joints_nms(people, np.array([0.3, 0.6, 0.2, 0.1]), max_people=1).tolist() == [1]
    assert len(nearby_joints_nms(people[:0], np.zeros(0))) == 0


def test_the_classifier_finds_joints_inside_the_padded_box_and_learns_from_one_person():
    torch.manual_seed(0)
    classifier = DynamicCoordinateClassifier(16, 5, (12, 16), 8)
    center, size = torch.tensor([[50.0, 60.0]]), torch.tensor([[20.0, 40.0]])
    for training in (True, False):
        joints, p_x, p_y = classifier.train(training)(torch.randn(1, 16), center, size, center + 3)
        assert joints.shape == (1, 5, 2)
        assert ((joints - center).abs() <= size / 2 + 1e-3).all()
        torch.testing.assert_close(p_x.sum(-1), torch.ones(1, 5))
        torch.testing.assert_close(p_y.sum(-1), torch.ones(1, 5))
    classifier.train()
    nobody, _, _ = classifier(torch.zeros(0, 16), center[:0], size[:0], center[:0])
    nobody.sum().backward()
    assert all(w.grad is not None for n, w in classifier.named_parameters() if "sigma" not in n)


def test_people_are_decoupled_by_who_and_where_they_are_not_by_their_order():
    torch.manual_seed(0)
    head = GFDModule(6, 4, 8)
    features = torch.randn(2, 6, 9, 7)
    picture, roots = torch.tensor([0, 1, 1]), torch.tensor([[1, 2], [3, 4], [6, 8]])
    person = features[picture, :, roots[:, 1], roots[:, 0]]
    maps = head(features, picture, person, roots)
    assert maps.shape == (3, 4, 9, 7)
    order = torch.tensor([2, 0, 1])
    again = head(features, picture[order], person[order], roots[order])
    torch.testing.assert_close(again, maps[order])
    assert (maps[1] - maps[2]).abs().max() > 1e-4
    none = torch.zeros(1, dtype=torch.int64)
    for i, own in enumerate(maps):  # alone, and by the definition
        one = features[picture[i], None]
        torch.testing.assert_close(head(one, none, person[i, None], roots[i, None])[0], own)
        torch.testing.assert_close(_decoupled(head, one, person[i], roots[i]), own)


def _decoupled(head: GFDModule, features: torch.Tensor, person: torch.Tensor, root: torch.Tensor):
    """One person's maps, each attention laid on the features and both fused (Wang & Zhang, 3.2)."""
    shared = head.conv_down(features)
    h, w = shared.shape[2:]
    by_channel = shared * head.channel_attention.atn(person)[None, :, None, None]
    alike = torch.einsum("bchw,c->bhw", shared, head.spatial_attention.atn(person))
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    away = torch.stack([root[0] - x, root[1] - y]) / 32
    at = head.spatial_attention.conv(torch.cat([alike, away])[None]).sigmoid()
    mixed = head.fuse_attention(torch.cat([by_channel, shared * at], dim=1)).relu()
    return head.heatmap_conv(mixed).sigmoid()[0]


def _standing(root: tuple[float, float], reach: float) -> torch.Tensor:
    """(2, 3) two joints `reach` px up and down of their mean."""
    x, y = root
    return torch.tensor([[x, y - reach, 1.0], [x, y + reach, 1.0]])


@pytest.mark.parametrize(
    ("roots", "reaches", "kept"),
    [
        # In one pixel and yet not on one spot: both are people, the small one first.
        ([(8.25, 8.25), (8.75, 8.25)], [4.0, 2.0], [1, 0]),
        # On one spot they cannot be told apart: the small one stays, whoever was named first.
        ([(8.25, 8.25), (8.25, 8.25)], [4.0, 2.0], [1]),
        ([(8.25, 8.25), (8.25, 8.25)], [2.0, 4.0], [0]),
        # Of people equally large on one spot the first one stays.
        ([(8.25, 8.25), (8.25, 8.25)], [3.0, 3.0], [0]),
        # One axis alone tells people apart, too.
        ([(8.25, 8.25), (8.25, 8.5), (12.0, 8.25)], [2.0, 3.0, 4.0], [0, 1, 2]),
    ],
)
def test_cid_tells_people_apart_by_the_exact_spot_of_their_roots(roots, reaches, kept):
    pairs = zip(roots, reaches, strict=True)
    keypoints = torch.stack([_standing(root, reach) for root, reach in pairs])
    low, high = keypoints[..., :2].amin(dim=1) - 3, keypoints[..., :2].amax(dim=1) + 3
    corners = torch.stack(
        [
            low,
            torch.stack([low[:, 0], high[:, 1]], 1),
            torch.stack([high[:, 0], low[:, 1]], 1),
            high,
        ],
        dim=1,
    )
    maps, own, weights, places = encode_people(keypoints, corners, (24, 20), jitter=0)
    assert maps.shape == (3, 20, 24)
    assert len(own) == len(weights) == len(kept)
    assert places.tolist() == [[int(v) for v in roots[i]] for i in kept]
    alone = [encode_people(keypoints[[i]], corners[[i]], (24, 20), jitter=0)[1][0] for i in kept]
    for mine, wanted in zip(own, alone, strict=True):
        assert torch.equal(mine, wanted)
