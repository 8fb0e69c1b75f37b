"""HRNet (Sun et al. 2019): parallel branches that exchange what they know at every stage.

A stem to stride 4, then three stages (2, 3 and 4) of two, three and four branches at strides 4, 8,
16 and 32; nothing fine is ever given up and won back. Names of the weights are the authors', which
MMPose keeps. HRFormer is the same plan with other blocks and overrides the two `make_` methods.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from smallpose.models.backbones.resnet import BasicBlock, Bottleneck
from smallpose.models.layers import make_conv


@dataclass(frozen=True, kw_only=True)
class HRNetConfig:
    """How wide and how deep; the defaults are W32's.

    Args:
        widths: channels of the branches, finest first; also their number.
        modules: of the stages 2, 3 and 4; the branches exchange at the end of each.
        depth: blocks in each branch of a module.
        stem: channels of the stem's convolutions and width of its bottlenecks.
        first: bottlenecks of `layer1`.
    """

    widths: tuple[int, int, int, int] = (32, 64, 128, 256)
    modules: tuple[int, int, int] = (1, 4, 3)
    depth: int = 4
    stem: int = 64
    first: int = 4


W32 = HRNetConfig()
W8_TINY = HRNetConfig(widths=(8, 16, 32, 64), modules=(1, 1, 1), depth=1, stem=16, first=1)
# For heads on the finest branch alone: their heatmaps are sums of its channels, and 21 do not fit
# into 8.
W16_TINY = HRNetConfig(widths=(16, 32, 64, 128), modules=(1, 1, 1), depth=1, stem=16, first=1)


class HRNet(nn.Module):
    """Pictures to features at stride 4, or at all four strides.

    Args:
        plan: how wide and how deep.
        every_level: whether all four branches come out of the last module, as DEKR and CID need
            them, or only the finest; that decides which weights exist.
    """

    up_mode: Literal["nearest", "bilinear"] = "nearest"

    def __init__(self, plan: HRNetConfig = W32, every_level: bool = False) -> None:
        super().__init__()
        self.plan = plan
        self.out_channels = plan.widths if every_level else plan.widths[:1]
        self.conv1 = make_conv(3, plan.stem, 3, 2)
        self.bn1 = nn.BatchNorm2d(plan.stem)
        self.conv2 = make_conv(plan.stem, plan.stem, 3, 2)
        self.bn2 = nn.BatchNorm2d(plan.stem)
        self.relu = nn.ReLU(inplace=True)
        wide = plan.stem * Bottleneck.expansion
        inputs = [plan.stem, *[wide] * (plan.first - 1)]
        self.layer1 = nn.Sequential(*(Bottleneck(n, plan.stem, 1) for n in inputs))
        self.transition1 = nn.ModuleList(
            [
                _conv_norm_relu(wide, plan.widths[0], 1),
                nn.Sequential(_conv_norm_relu(wide, plan.widths[1], 2)),
            ]
        )
        self.stage2 = self.make_stage(2, every_level=True)
        self.transition2 = self.make_transition(2)
        self.stage3 = self.make_stage(3, every_level=True)
        self.transition3 = self.make_transition(3)
        self.stage4 = self.make_stage(4, every_level)
        init_convolutions(self)

    def make_branch(self, stage: int, module: int, level: int) -> nn.Sequential:
        """The blocks of one branch of one module."""
        width = self.plan.widths[level]
        return nn.Sequential(*(BasicBlock(width, width, 1) for _ in range(self.plan.depth)))

    def make_step(self, in_channels: int, out_channels: int, last: bool) -> nn.Sequential:
        """One halving on the way from a fine branch to a coarse one."""
        layers = [make_conv(in_channels, out_channels, 3, 2), nn.BatchNorm2d(out_channels)]
        return nn.Sequential(*layers, *([] if last else [nn.ReLU(inplace=True)]))

    def make_stage(self, stage: int, every_level: bool) -> nn.Sequential:
        """The modules of a stage; the last one of stage 4 may have the finest output only."""
        count = self.plan.modules[stage - 2]
        modules = []
        for module in range(count):
            branches = [self.make_branch(stage, module, level) for level in range(stage)]
            outputs = stage if every_level or module < count - 1 else 1
            modules.append(HRModule(branches, self._fusion(stage, outputs)))
        return nn.Sequential(*modules)

    def make_transition(self, stage: int) -> nn.ModuleList:
        """What opens a new branch out of the coarsest one of a stage; the others pass."""
        old, new = self.plan.widths[stage - 1 : stage + 1]
        opened = nn.Sequential(_conv_norm_relu(old, new, 2))
        return nn.ModuleList([*(nn.Identity() for _ in range(stage)), opened])

    def _fusion(self, levels: int, outputs: int) -> nn.ModuleList:
        """For each output i and each branch j, what carries j to i."""
        rows = (nn.ModuleList([self._path(j, i) for j in range(levels)]) for i in range(outputs))
        return nn.ModuleList(rows)

    def _path(self, j: int, i: int) -> nn.Module:
        fro, to = self.plan.widths[j], self.plan.widths[i]
        if j == i:
            return nn.Identity()
        if j > i:
            corners = False if self.up_mode == "bilinear" else None
            up = nn.Upsample(scale_factor=2 ** (j - i), mode=self.up_mode, align_corners=corners)
            return nn.Sequential(make_conv(fro, to, 1), nn.BatchNorm2d(to), up)
        # The width changes with the last halving only.
        steps = [self.make_step(fro, fro, last=False) for _ in range(i - j - 1)]
        return nn.Sequential(*steps, self.make_step(fro, to, last=True))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(b, 3, h, w) normalised pictures to features, finest first.

        Returns: (b, widths[0], h / 4, w / 4) alone, or with `every_level` also those of strides 8,
            16 and 32. h and w are multiples of 32.
        """
        return run_stage4(self.transition3, self.stage4, run_to_stage3(self, pictures))


class HRModule(nn.Module):
    """A module of HRNet: every branch by itself, then each output is a sum over all of them.

    Args:
        branches: finest first.
        fusion: for each output a list of what carries each branch to it.
    """

    def __init__(self, branches: list[nn.Sequential], fusion: nn.ModuleList) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.fuse_layers = fusion
        self.relu = nn.ReLU(inplace=True)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """One (b, c, h, w) per branch to one per output."""
        levels = [branch(x) for branch, x in zip(self.branches, levels, strict=True)]
        outputs = []
        for paths in self.fuse_layers:
            assert isinstance(paths, nn.ModuleList)
            carried = [path(x) for path, x in zip(paths, levels, strict=True)]
            total = carried[0] + carried[1]
            for more in carried[2:]:
                total = total + more
            outputs.append(self.relu(total))
        return outputs


def run_to_stage3(net: nn.Module, pictures: Tensor) -> list[Tensor]:
    """(b, 3, h, w) pictures to the three outputs of stage 3, strides 4, 8 and 16.

    Args:
        net: an HRNet, or whatever has its parts under the same names (CAL).
    """
    part = net.get_submodule
    x = pictures
    for number in (1, 2):
        x = part("relu")(part(f"bn{number}")(part(f"conv{number}")(x)))
    x = part("layer1")(x)  # (b, 4 stem, h / 4, w / 4)
    levels = [part("transition1.0")(x), part("transition1.1")(x)]
    levels = part("stage2")(levels)
    return part("stage3")([*levels, part("transition2.2")(levels[-1])])


def run_stage4(transition: nn.ModuleList, stage: nn.Module, levels: list[Tensor]) -> list[Tensor]:
    """Stage 4 with its transition, on the outputs of stage 3."""
    return stage([*levels, transition[-1](levels[-1])])


def init_convolutions(module: nn.Module) -> None:
    """Weights of convolutions as training from nothing likes them (He et al. 2015)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def _conv_norm_relu(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        make_conv(in_channels, out_channels, 3, stride),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
