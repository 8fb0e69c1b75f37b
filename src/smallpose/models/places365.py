"""A ResNet that says which scene a picture shows, for scene entropy (paper, Table 4).

Names of the weights are torchvision's, so that its checkpoints and Places365's load as they are.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from smallpose.core.errors import InputError
from smallpose.models.backbones.resnet import BasicBlock, Bottleneck, ResNet


class SceneNet(ResNet):
    """A ResNet with its classifier.

    Args:
        depths: blocks of each stage, (2, 2, 2, 2) for ResNet-18, (3, 4, 6, 3) for 50.
        classes: 365 of Places365.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        depths: tuple[int, int, int, int],
        classes: int = 365,
    ) -> None:
        super().__init__(block, depths)
        self.fc = nn.Linear(self.out_channels, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """(b, 3, 224, 224) normalised pictures to (b, classes) scores before the softmax."""
        return self.fc(super().forward(pictures).mean(dim=(2, 3)))


def create_scene_net(tensors: Mapping[str, Tensor], where: str) -> SceneNet:
    """The network that these weights are of, with them in it; its depth is read from their names.

    Args:
        tensors: by torchvision's names.
        where: names them in messages.

    Raises: InputError when they are not exactly those of a ResNet with a classifier.
    """
    if "fc.weight" not in tensors or "layer4.0.conv1.weight" not in tensors:
        raise InputError(
            where, "no ResNet with a classifier", "give Places365's ResNet-18 or ResNet-50"
        )
    block = Bottleneck if "layer1.0.conv3.weight" in tensors else BasicBlock
    one, two, three, four = (
        sum(n.startswith(f"layer{stage}.") and n.endswith(".conv1.weight") for n in tensors)
        for stage in (1, 2, 3, 4)
    )
    net = SceneNet(block, (one, two, three, four), tensors["fc.weight"].shape[0])
    own = net.state_dict()
    needed = {name for name in own if not name.endswith("num_batches_tracked")}
    odd = sorted((needed - set(tensors)) | (set(tensors) - set(own)))
    odd += [n for n in needed & set(tensors) if tensors[n].shape != own[n].shape]
    odd += [n for n in needed & set(tensors) if not torch.isfinite(tensors[n]).all()]
    if odd:
        raise InputError(
            where,
            f"{len(odd)} tensors do not fit a ResNet, the first {odd[0]!r}",
            "give a checkpoint of torchvision's ResNet",
        )
    net.load_state_dict(own | dict(tensors))
    return net.eval()
