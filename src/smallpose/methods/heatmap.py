"""What SimpleBaseline, HRNet, HRFormer and ViTPose share: a backbone, a heatmap head, MSE loss."""

from torch import Tensor, nn

from smallpose.core.skeleton import Skeleton
from smallpose.methods.base import PoseMethod, SplitNetwork
from smallpose.models.codecs.heatmap import STRIDE
from smallpose.models.codecs.heatmap_coding import HeatmapCoding
from smallpose.models.heads.deconv import HeatmapHead
from smallpose.models.losses import heatmap_mse_loss


class HeatmapMethod(PoseMethod):
    """A backbone and a head that brings its features to heatmaps at stride 4.

    Args:
        channels: of the backbone's features.
        head_widths: channels of the head's transposed convolutions.
        sigma: of the heatmaps, map px.
    """

    heatmap_coding: HeatmapCoding | None = HeatmapCoding()

    def __init__(
        self,
        skeleton: Skeleton,
        backbone: nn.Module,
        channels: int,
        head_widths: tuple[int, ...],
        input_wh: tuple[int, int],
        sigma: float = 2.0,
    ) -> None:
        super().__init__(skeleton, input_wh)
        self.backbone = backbone
        self.head = HeatmapHead(channels, head_widths, len(skeleton))
        self.sigma = sigma

    @property
    def map_wh(self) -> tuple[int, int]:
        """Return the size of the heatmaps."""
        return self.input_wh[0] // STRIDE, self.input_wh[1] // STRIDE

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) normalised images to (b, k, h / 4, w / 4) heatmaps."""
        return self.head(self.backbone(images))

    def split_network(self) -> SplitNetwork | None:
        """Return the network up to the heatmaps' 1×1 convolution, and that convolution."""
        layers = nn.Sequential(self.backbone, self.head.deconv_layers)
        return SplitNetwork(layers, self.head.final_layer)

    def targets(self, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (b, k, 3) keypoints as (b, k, h / 4, w / 4) heatmaps and (b, k) weights."""
        visible = keypoints[..., 2].clamp(max=1)
        return self._coding.encode(keypoints[..., :2], visible, self.map_wh, self.sigma)

    def loss(self, outputs: Tensor, targets: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Compute the mean squared error of the heatmaps; unlabelled joints have no weight."""
        return {"heatmap": heatmap_mse_loss(outputs, *targets)}

    def flip_back(self, outputs: Tensor) -> Tensor:
        """Flip heatmaps back: left and right swapped; unless symmetric, a column to the right."""
        return self._coding.flip_back(outputs, self._flip_indices)

    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Decode each map's maximum with a quarter shift, or as the coding says."""
        return self._coding.decode(outputs, self.sigma)

    @property
    def _coding(self) -> HeatmapCoding:
        return self.heatmap_coding or HeatmapCoding()
