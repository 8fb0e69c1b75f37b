"""CID's head: global feature decoupling against its definition."""

import torch

from smallpose.models.heads.cid import GFDModule


def test_people_are_decoupled_by_their_features_and_roots_and_not_by_their_order():
    torch.manual_seed(0)
    head = GFDModule(6, 4, 8)
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
    distance = torch.stack([root[0] - x, root[1] - y]) / 32
    spatial_input = torch.cat([similarity, distance])[None]
    pixel_weights = head.spatial_attention.conv(spatial_input).sigmoid()
    fused = head.fuse_attention(torch.cat([by_channel, shared * pixel_weights], dim=1)).relu()
    return head.heatmap_conv(fused).sigmoid()[0]
