"""CID's head: global feature decoupling against its definition."""

import pytest
import torch

from smallpose.models.heads.cid import CIDHead, GFDModule


@pytest.mark.parametrize("options", [{}, {"root_unit": 3.0, "has_radius": True}])
def test_people_are_decoupled_by_their_features_and_roots_and_not_by_their_order(options):
    torch.manual_seed(0)
    head = GFDModule(6, 4, 8, **options)
    features = torch.randn(2, 6, 9, 7)
    image_index, roots = torch.tensor([0, 1, 1]), torch.tensor([[1, 2], [3, 4], [6, 8]])
    instances = features[image_index, :, roots[:, 1], roots[:, 0]]
    heatmaps = head(features, image_index, instances, roots)
    assert heatmaps.shape == (3, 4, 9, 7)
    order = torch.tensor([2, 0, 1])
    reordered = head(features, image_index[order], instances[order], roots[order])
    torch.testing.assert_close(reordered, heatmaps[order])
    assert (heatmaps[1] - heatmaps[2]).abs().max() > 1e-4
    first_image = torch.zeros(1, dtype=torch.int64)
    for i, expected in enumerate(heatmaps):
        image = features[image_index[i], None]
        alone = head(image, first_image, instances[i, None], roots[i, None])[0]
        torch.testing.assert_close(alone, expected)
        by_definition = decouple_by_definition(head, image, instances[i], roots[i])
        torch.testing.assert_close(by_definition, expected)


def decouple_by_definition(
    head: GFDModule, features: torch.Tensor, instance: torch.Tensor, root: torch.Tensor
) -> torch.Tensor:
    """Apply both attentions to the features and fuse them (Wang and Zhang, Sec. 3.2)."""
    shared = head.conv_down(features)
    h, w = shared.shape[2:]
    by_channel = shared * head.channel_attention.atn(instance)[None, :, None, None]
    similarity = torch.einsum("bchw,c->bhw", shared, head.spatial_attention.atn(instance))
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    distance = torch.stack([root[0] - x, root[1] - y]) / head.root_unit
    if head.has_radius:
        distance = torch.cat([distance, distance.square().sum(dim=0, keepdim=True)])
    spatial_input = torch.cat([similarity, distance])[None]
    pixel_weights = head.spatial_attention.conv(spatial_input).sigmoid()
    fused = head.fuse_attention(torch.cat([by_channel, shared * pixel_weights], dim=1)).relu()
    return head.heatmap_conv(fused).sigmoid()[0]


def test_with_the_radius_a_person_is_found_around_their_root_where_all_pixels_are_alike():
    torch.manual_seed(0)
    head = GFDModule(6, 4, 8, root_unit=3.0, has_radius=True)
    torch.nn.init.zeros_(head.spatial_attention.conv.weight)
    with torch.no_grad():
        head.spatial_attention.conv.weight[0, 3, 2, 2] = -1.0
    features = torch.randn(1, 6, 1, 1).expand(1, 6, 9, 9)
    index, roots = torch.zeros(1, dtype=torch.int64), torch.tensor([[4, 4]])
    heatmaps = head(features, index, features[:, :, 4, 4], roots)[0]
    # Pixels are taken at their corners, so that four of them are nearest to a root.
    torch.testing.assert_close(heatmaps[:, 3:5, 3], heatmaps[:, 3:5, 4])
    torch.testing.assert_close(heatmaps[:, 3, 0], heatmaps[:, 0, 4])
    assert (heatmaps[:, 3, 3] - heatmaps[:, 3, 8]).abs().max() > 1e-3


def test_published_heads_have_no_radius_and_the_unit_of_their_weights():
    assert CIDHead(6, 4).gfd_module.spatial_attention.conv.in_channels == 3
    assert CIDHead(6, 4).gfd_module.root_unit == 32
