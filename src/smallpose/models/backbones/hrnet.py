"""HRNet (Sun et al. 2019): parallel branches of four resolutions that are fused at every stage.

A stem to stride 4, then stages 2, 3 and 4 of two, three and four branches at strides 4, 8, 16 and
32, so that high resolution is kept throughout. Weight names are the authors', which MMPose keeps.
HRFormer has the same structure with other blocks and overrides the two `make_` methods.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from smallpose.models.backbones.resnet import BasicBlock, Bottleneck
from smallpose.models.layers import init_convolutions, make_conv


@dataclass(frozen=True, kw_only=True)
class HRNetConfig:
    """Width and depth of an HRNet; the defaults are W32's.

    Args:
        widths: channels of the branches, finest first; also their number.
        modules: number of modules in the stages 2, 3 and 4; each ends with a fusion.
        depth: blocks in each branch of a module.
        stem: channels of the stem's convolutions and width of its bottlenecks.
        stem_depth: bottlenecks of `layer1`.
    """

    widths: tuple[int, int, int, int] = (32, 64, 128, 256)
    modules: tuple[int, int, int] = (1, 4, 3)
    depth: int = 4
    stem: int = 64
    stem_depth: int = 4


W32 = HRNetConfig()
W48 = HRNetConfig(widths=(48, 96, 192, 384))
W8_TINY = HRNetConfig(widths=(8, 16, 32, 64), modules=(1, 1, 1), depth=1, stem=16, stem_depth=1)
# For heads on the finest branch alone: heatmaps are sums of its channels, and 21 joints do not fit
# into 8 channels.
W16_TINY = HRNetConfig(widths=(16, 32, 64, 128), modules=(1, 1, 1), depth=1, stem=16, stem_depth=1)


class HRNet(nn.Module):
    """Images to features at stride 4, or at all four strides.

    Args:
        every_level: whether the last module outputs all four branches, as DEKR and CID need them,
            or only the finest; that decides which weights exist.
    """

    up_mode: Literal["nearest", "bilinear"] = "nearest"

    def __init__(self, config: HRNetConfig = W32, every_level: bool = False) -> None:
        super().__init__()
        self.config = config
        self.out_channels = config.widths if every_level else config.widths[:1]
        self.conv1 = make_conv(3, config.stem, 3, 2)
        self.bn1 = nn.BatchNorm2d(config.stem)
        self.conv2 = make_conv(config.stem, config.stem, 3, 2)
        self.bn2 = nn.BatchNorm2d(config.stem)
        self.relu = nn.ReLU(inplace=True)
        stem_out = config.stem * Bottleneck.expansion
        inputs = [config.stem, *[stem_out] * (config.stem_depth - 1)]
        self.layer1 = nn.Sequential(*(Bottleneck(n, config.stem, 1) for n in inputs))
        self.transition1 = nn.ModuleList(
            [
                _make_conv_norm_relu(stem_out, config.widths[0], 1),
                nn.Sequential(_make_conv_norm_relu(stem_out, config.widths[1], 2)),
            ]
        )
        self.stage2 = self.make_stage(2, every_level=True)
        self.transition2 = self.make_transition(2)
        self.stage3 = self.make_stage(3, every_level=True)
        self.transition3 = self.make_transition(3)
        self.stage4 = self.make_stage(4, every_level)
        init_convolutions(self)

    def make_branch(self, stage: int, module: int, level: int) -> nn.Sequential:
        """Create the blocks of one branch of one module."""
        width = self.config.widths[level]
        return nn.Sequential(*(BasicBlock(width, width, 1) for _ in range(self.config.depth)))

    def make_downsampling(
        self, in_channels: int, out_channels: int, is_last: bool
    ) -> nn.Sequential:
        """Create one halving on the way from a fine branch to a coarse one."""
        layers = [make_conv(in_channels, out_channels, 3, 2), nn.BatchNorm2d(out_channels)]
        return nn.Sequential(*layers, *([] if is_last else [nn.ReLU(inplace=True)]))

    def make_stage(self, stage: int, every_level: bool) -> nn.Sequential:
        """Create the modules of a stage; the last one of stage 4 may output the finest only."""
        num_modules = self.config.modules[stage - 2]
        modules = []
        for module in range(num_modules):
            branches = [self.make_branch(stage, module, level) for level in range(stage)]
            num_outputs = stage if every_level or module < num_modules - 1 else 1
            modules.append(HRModule(branches, self._make_fuse_layers(stage, num_outputs)))
        return nn.Sequential(*modules)

    def make_transition(self, stage: int) -> nn.ModuleList:
        """Create the transition that opens a coarser branch; the other branches pass unchanged."""
        old, new = self.config.widths[stage - 1 : stage + 1]
        new_branch = nn.Sequential(_make_conv_norm_relu(old, new, 2))
        return nn.ModuleList([*(nn.Identity() for _ in range(stage)), new_branch])

    def _make_fuse_layers(self, num_levels: int, num_outputs: int) -> nn.ModuleList:
        """Create, for each output i and each branch j, the path from j to i."""
        rows = (
            nn.ModuleList([self._make_fuse_path(j, i) for j in range(num_levels)])
            for i in range(num_outputs)
        )
        return nn.ModuleList(rows)

    def _make_fuse_path(self, j: int, i: int) -> nn.Module:
        in_channels, out_channels = self.config.widths[j], self.config.widths[i]
        if j == i:
            return nn.Identity()
        if j > i:
            align_corners = False if self.up_mode == "bilinear" else None
            upsample = nn.Upsample(
                scale_factor=2 ** (j - i), mode=self.up_mode, align_corners=align_corners
            )
            return nn.Sequential(
                make_conv(in_channels, out_channels, 1), nn.BatchNorm2d(out_channels), upsample
            )
        # The width changes with the last halving only.
        steps = [
            self.make_downsampling(in_channels, in_channels, is_last=False)
            for _ in range(i - j - 1)
        ]
        return nn.Sequential(
            *steps, self.make_downsampling(in_channels, out_channels, is_last=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (b, 3, h, w) normalised images to features, finest first.

        Returns: (b, widths[0], h / 4, w / 4) alone, or with `every_level` also those of strides 8,
            16 and 32. h and w are multiples of 32.
        """
        return run_stage4(self.transition3, self.stage4, run_to_stage3(self, images))


class HRModule(nn.Module):
    """One module of HRNet: every branch by itself, then each output is a sum over all branches.

    Args:
        branches: finest first.
        fuse_layers: for each output a list of the paths from each branch to it.
    """

    def __init__(self, branches: list[nn.Sequential], fuse_layers: nn.ModuleList) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.fuse_layers = fuse_layers
        self.relu = nn.ReLU(inplace=True)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Map one (b, c, h, w) per branch to one per output."""
        levels = [branch(x) for branch, x in zip(self.branches, levels, strict=True)]
        outputs = []
        for paths in self.fuse_layers:
            assert isinstance(paths, nn.ModuleList)
            terms = [path(x) for path, x in zip(paths, levels, strict=True)]
            total = terms[0] + terms[1]
            for term in terms[2:]:
                total = total + term
            outputs.append(self.relu(total))
        return outputs


def run_to_stage3(net: nn.Module, images: Tensor) -> list[Tensor]:
    """Map (b, 3, h, w) images to the three outputs of stage 3, strides 4, 8 and 16.

    Args:
        net: an HRNet, or a module that has its parts under the same names (CAL).
    """
    part = net.get_submodule
    x = images
    for number in (1, 2):
        x = part("relu")(part(f"bn{number}")(part(f"conv{number}")(x)))
    x = part("layer1")(x)  # (b, 4 stem, h / 4, w / 4)
    levels = [part("transition1.0")(x), part("transition1.1")(x)]
    levels = part("stage2")(levels)
    return part("stage3")([*levels, part("transition2.2")(levels[-1])])


def run_stage4(transition: nn.ModuleList, stage: nn.Module, levels: list[Tensor]) -> list[Tensor]:
    """Run stage 4 with its transition on the outputs of stage 3."""
    return stage([*levels, transition[-1](levels[-1])])


def _make_conv_norm_relu(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        make_conv(in_channels, out_channels, 3, stride),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
