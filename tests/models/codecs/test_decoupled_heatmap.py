"""CID's codec: sigmas, and people whose roots are close."""

import pytest
import torch

from smallpose.models.codecs.decoupled_heatmap import (
    compute_person_sigma,
    encode_decoupled_heatmaps,
)


def test_a_persons_sigma_grows_with_their_box_and_is_cids():
    corners = torch.tensor([[[0.0, 0.0], [0.0, 20.0], [10.0, 0.0], [10.0, 20.0]]])
    # h + w = 30, w h = 200, overlap 0.7; the third case is the smallest:
    # (-42 + sqrt(42² + 16 · 0.7 · 0.3 · 200)) / 2 / 3
    expected = (-42 + (42**2 + 16 * 0.7 * 0.3 * 200) ** 0.5) / 2 / 3
    assert float(compute_person_sigma(corners)) == pytest.approx(expected, rel=1e-5)
    assert float(compute_person_sigma(2 * corners)) == pytest.approx(2 * expected, rel=1e-5)


def make_person(root: tuple[float, float], reach: float) -> torch.Tensor:
    """Make a person, (2, 3), of two joints `reach` px above and below their mean."""
    x, y = root
    return torch.tensor([[x, y - reach, 1.0], [x, y + reach, 1.0]])


@pytest.mark.parametrize(
    ("roots", "reaches", "kept"),
    [
        # In one pixel but at different points: both are people, the small one first.
        ([(8.25, 8.25), (8.75, 8.25)], [4.0, 2.0], [1, 0]),
        # At one point they are indistinguishable: the small one is kept, in either order.
        ([(8.25, 8.25), (8.25, 8.25)], [4.0, 2.0], [1]),
        ([(8.25, 8.25), (8.25, 8.25)], [2.0, 4.0], [0]),
        # Of people equally large at one point the first one is kept.
        ([(8.25, 8.25), (8.25, 8.25)], [3.0, 3.0], [0]),
        # A difference on one axis is enough.
        ([(8.25, 8.25), (8.25, 8.5), (12.0, 8.25)], [2.0, 3.0, 4.0], [0, 1, 2]),
    ],
)
def test_cid_distinguishes_people_by_the_exact_point_of_their_roots(roots, reaches, kept):
    pairs = zip(roots, reaches, strict=True)
    keypoints = torch.stack([make_person(root, reach) for root, reach in pairs])
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
    heatmaps, instance_heatmaps, weights, pixels = encode_decoupled_heatmaps(
        keypoints, corners, (24, 20), jitter=0
    )
    assert heatmaps.shape == (3, 20, 24)
    assert len(instance_heatmaps) == len(weights) == len(kept)
    assert pixels.tolist() == [[int(v) for v in roots[i]] for i in kept]
    for person, row in enumerate(kept):
        _, (alone,), _, _ = encode_decoupled_heatmaps(
            keypoints[[row]], corners[[row]], (24, 20), jitter=0
        )
        assert torch.equal(instance_heatmaps[person], alone)
