"""Grid points, and boxes and keypoints as offsets from them."""

import torch

from smallpose.models.codecs.offsets import (
    decode_boxes,
    decode_keypoints,
    encode_boxes,
    make_grid_points,
)


def test_a_grid_point_is_the_middle_pixel_of_its_cell_and_boxes_are_decoded_as_encoded():
    points = make_grid_points([(2, 3), (1, 2)], (16, 32), torch.zeros(1))
    assert points.xy[:4].tolist() == [[7.5, 7.5], [23.5, 7.5], [39.5, 7.5], [7.5, 23.5]]
    assert points.xy[6].tolist() == [15.5, 15.5]
    boxes = torch.tensor([[1.0, 2.0, 30.0, 50.0]]).expand(8, 4)
    torch.testing.assert_close(decode_boxes(encode_boxes(boxes, points), points), boxes)
    joints = decode_keypoints(torch.tensor([[0.5, -1.0]]), points.take(torch.tensor([7])))
    assert joints.tolist() == [[[47.5 + 16, 15.5 - 32]]]
