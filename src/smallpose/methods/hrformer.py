"""HRFormer-S (Yuan et al. 2021): HRNet's structure with window attention, heatmaps.

Everything after the backbone is HRNet's. Printed AP (Table 3): 44.8 in setting A, 68.7 in B.
`hrformer_s` trains at about one crop a second on one CPU core, `hrformer_tiny` at about sixty.
"""

from dataclasses import replace

from torch import nn

from smallpose.core.skeleton import Skeleton
from smallpose.methods.base import MethodCard, Recipe, SplitNetwork
from smallpose.methods.hrnet import TINY_QUICK, HRNetPose
from smallpose.models.backbones.hrformer import HRFORMER_TINY, HRFormer

S_CARD = MethodCard(
    title="HRFormer-S",
    paradigm="top-down",
    parts="HRFormer-S, heatmaps",
    checkpoint="hrformer_small_coco_256x192-5310d898_20220316.pth",
    checkpoint_folder="top_down/hrformer",
    checkpoint_hash="5310d898",
)
_ADAMW = Recipe(optimizer="adamw", weight_decay=0.01, sync_norm=True)
S_RECIPES = {
    "paper": replace(_ADAMW, batch_size=64),
    "mmpose": replace(_ADAMW, batch_size=256),  # 32 crops on each of eight GPUs
    "quick": replace(_ADAMW, batch_size=64, epochs=20, schedule="one_cycle", warm_up=20),
}

TINY_CARD = MethodCard(
    title="HRFormer (tiny)",
    paradigm="top-down",
    parts="HRFormer of half width, one module of one block a stage, 96 × 64",
)


class HRFormerPose(HRNetPose):
    """HRNet's method, with weight decay as MMPose sets it for HRFormer."""

    def split_network(self) -> SplitNetwork | None:
        """Return None: its loss of AP in bfloat16 has not been measured."""
        return None

    def param_group_factors(
        self, name: str, weight: nn.Parameter, recipe: Recipe
    ) -> tuple[float, float]:
        """Return the factors; all weights are decayed, except relative position biases."""
        return 1.0, float(not name.endswith("relative_position_bias_table"))


def create_s(skeleton: Skeleton) -> HRFormerPose:
    """Create HRFormer-S for 256 × 192, 7.7 M parameters."""
    method = HRFormerPose(skeleton, HRFormer(), (192, 256))
    method.name = "hrformer_s"
    method.card = S_CARD
    method.recipes = S_RECIPES
    return method


def create_tiny(skeleton: Skeleton) -> HRFormerPose:
    """Create HRFormer of half width, one block a branch, for 96 × 64, 0.5 M parameters."""
    backbone = HRFormer(HRFORMER_TINY, head_width=16, drop_path=0.0)
    method = HRFormerPose(skeleton, backbone, (64, 96))
    method.name = "hrformer_tiny"
    method.card = TINY_CARD
    method.recipes = {"quick": TINY_QUICK} | {n: S_RECIPES[n] for n in ("paper", "mmpose")}
    return method
