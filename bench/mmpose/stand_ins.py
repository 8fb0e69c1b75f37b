"""Empty stand-ins for imports of MMPose that its methods here do not need; installed before it.

They replace mmcv's compiled operators, MMDetection, torchvision and xtcocotools where these are
missing. DEKR's deformable convolution, the only operator that is needed, is implemented here from
its definition (version 1: bilinear, no modulation), independently of `models/heads/dekr.py`.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types


class _Empty(types.ModuleType):
    """A module in which every name is an empty class."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        import torch

        if self.__name__ == "mmcv.ops" and name == "DeformConv2d":
            return make_deform_conv_class()
        if self.__name__ == "xtcocotools.coco" and name == "COCO":
            from pycocotools.coco import COCO

            return COCO
        return type(name, (torch.nn.Module,), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, roots):
        self.roots = roots

    def find_spec(self, name, path=None, target=None):
        if name == "mmdet.registry":
            # MMPretrain registers parts of MMDetection where it is installed.
            raise ModuleNotFoundError(name)
        if any(name == root or name.startswith(f"{root}.") for root in self.roots):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Empty(spec.name)

    def exec_module(self, module):
        module.__path__ = []
        if module.__name__ in ("mmdet", "torchvision"):
            module.__version__ = "3.3.0" if module.__name__ == "mmdet" else "0.28.0"
        if module.__name__ == "mmdet.utils":
            module.reduce_mean = lambda tensor: tensor
            module.ConfigType = module.OptConfigType = dict


def install_stand_ins():
    """Install stand-ins for the packages that are missing."""
    needed = ("mmdet", "torchvision", "xtcocotools")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    try:
        has_operators = importlib.util.find_spec("mmcv._ext") is not None
    except ModuleNotFoundError:
        has_operators = False
    if not has_operators:
        missing.append("mmcv.ops")
    sys.meta_path.insert(0, _Finder(missing))


def make_deform_conv_class():
    """Make a 3×3 deformable convolution that gathers the four neighbours of a point one by one."""
    import torch
    from torch import nn

    class DeformConv2d(nn.Module):
        def __init__(
            self,
            in_channels,
            out_channels,
            kernel_size=3,
            stride=1,
            padding=1,
            dilation=1,
            groups=1,
            deform_groups=1,
            bias=False,
        ):
            super().__init__()
            assert (kernel_size, stride, padding, dilation, bias) == (3, 1, 1, 1, False)
            self.groups, self.deform_groups = groups, deform_groups
            self.weight = nn.Parameter(torch.zeros(out_channels, in_channels // groups, 3, 3))

        def forward(self, x, offset):
            b, c, h, w = x.shape
            g = self.deform_groups
            moves = offset.view(b, g, 9, 2, h, w)
            rows = (
                torch.arange(h).view(1, 1, 1, h, 1) + torch.arange(9).view(1, 1, 9, 1, 1) // 3 - 1
            )
            columns = (
                torch.arange(w).view(1, 1, 1, 1, w) + torch.arange(9).view(1, 1, 9, 1, 1) % 3 - 1
            )
            y, x_at = rows + moves[:, :, :, 0], columns + moves[:, :, :, 1]
            flat = x.view(b, g, c // g, h * w)
            total = 0
            for dy in (0, 1):
                for dx in (0, 1):
                    yy, xx = y.floor() + dy, x_at.floor() + dx
                    weight = (1 - (y - yy).abs()) * (1 - (x_at - xx).abs())
                    is_inside = (yy >= 0) & (yy < h) & (xx >= 0) & (xx < w)
                    index = (yy.clamp(0, h - 1) * w + xx.clamp(0, w - 1)).long().flatten(2)
                    samples = flat.gather(3, index[:, :, None].expand(-1, -1, c // g, -1))
                    total = total + samples * (weight * is_inside).flatten(2)[:, :, None]
            total = total.view(b, g, c // g, 9, h, w)  # nine samples of every channel
            total = total.view(b, self.groups, c // self.groups * 9, h, w)
            kernel = self.weight.flatten(1).view(self.groups, -1, self.weight[0].numel())
            return torch.einsum("bgkhw,gok->bgohw", total, kernel).flatten(1, 2)

    return DeformConv2d
