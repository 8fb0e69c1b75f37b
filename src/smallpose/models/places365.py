"""A ResNet that classifies the scene of an image, for scene entropy (paper, Table 4).

Weight names are torchvision's, so that its checkpoints and Places365's load unchanged.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from smallpose.core.counts import format_count
from smallpose.core.errors import InputError
from smallpose.models.backbones.resnet import BasicBlock, Bottleneck, ResNet


class SceneNet(ResNet):
    """A ResNet with its classifier.

    Args:
        depths: blocks of each stage, (2, 2, 2, 2) for ResNet-18, (3, 4, 6, 3) for 50.
        classes: number of scene classes, 365 for Places365.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        depths: tuple[int, int, int, int],
        classes: int = 365,
    ) -> None:
        super().__init__(block, depths)
        self.fc = nn.Linear(self.out_channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, 224, 224) normalised images to (b, classes) logits."""
        return self.fc(super().forward(images).mean(dim=(2, 3)))


def create_scene_net(tensors: Mapping[str, Tensor], where: str) -> SceneNet:
    """Create the network that these weights belong to and load them.

    The depth is read from the names of the tensors.

    Args:
        tensors: by torchvision's names.
        where: names the weights in messages.

    Raises: InputError when they are not exactly those of a ResNet with a classifier.
    """
    if "fc.weight" not in tensors or "layer4.0.conv1.weight" not in tensors:
        raise InputError(
            where, "not a ResNet with a classifier", "give Places365's ResNet-18 or ResNet-50"
        )
    block = Bottleneck if "layer1.0.conv3.weight" in tensors else BasicBlock
    one, two, three, four = (
        sum(n.startswith(f"layer{stage}.") and n.endswith(".conv1.weight") for n in tensors)
        for stage in (1, 2, 3, 4)
    )
    net = SceneNet(block, (one, two, three, four), tensors["fc.weight"].shape[0])
    expected = net.state_dict()
    misfits = _list_misfits(tensors, expected)
    if misfits:
        raise InputError(
            where,
            f"{format_count(len(misfits), 'tensor does', 'tensors do')} not fit a ResNet, the "
            f"first is {misfits[0]!r}",
            "give a checkpoint of torchvision's ResNet",
        )
    net.load_state_dict(expected | dict(tensors))
    return net.eval()


def _list_misfits(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """List the names that are missing, unknown, of another shape or not finite."""
    required = {name for name in expected if not name.endswith("num_batches_tracked")}
    shared = required & set(tensors)
    misfits = sorted((required - set(tensors)) | (set(tensors) - set(expected)))
    misfits += [n for n in shared if tensors[n].shape != expected[n].shape]
    misfits += [n for n in shared if not torch.isfinite(tensors[n]).all()]
    return misfits
