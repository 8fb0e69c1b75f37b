"""RTMPose's recipes and cards."""

from dataclasses import replace

from smallpose.dataloading.pixel_augmentation import PixelAugmentation
from smallpose.methods.base import MethodCard, Recipe
from smallpose.methods.hrnet import QUICK, TINY_QUICK

_FOLDER = "v1/projects/rtmposev1"
# Trained on COCO from a backbone that had learned heatmaps on AI Challenger and COCO.
_COCO = {
    "t": "rtmpose-tiny_simcc-coco_pt-aic-coco_420e-256x192-e613ba3f_20230127.pth",
    "s": "rtmpose-s_simcc-coco_pt-aic-coco_420e-256x192-8edcf0d7_20230127.pth",
    "m": "rtmpose-m_simcc-coco_pt-aic-coco_420e-256x192-d8dd5ca4_20230127.pth",
    "l": "rtmpose-l_simcc-coco_pt-aic-coco_420e-256x192-1352a4d2_20230127.pth",
}
# The same, trained on seven sets; the second file of each size predicts Halpe's 26 joints.
_SEVEN_SETS = {
    "t": (
        "rtmpose-t_simcc-body7_pt-body7_420e-256x192-026a1439_20230504.pth",
        "rtmpose-t_simcc-body7_pt-body7-halpe26_700e-256x192-6020f8a6_20230605.pth",
    ),
    "s": (
        "rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504.pth",
        "rtmpose-s_simcc-body7_pt-body7-halpe26_700e-256x192-7f134165_20230605.pth",
    ),
    "m": (
        "rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504.pth",
        "rtmpose-m_simcc-body7_pt-body7-halpe26_700e-256x192-4d3e73dd_20230605.pth",
    ),
    "l": (
        "rtmpose-l_simcc-body7_pt-body7_420e-256x192-4dba18fc_20230504.pth",
        "rtmpose-l_simcc-body7_pt-body7-halpe26_700e-256x192-2abb7558_20230605.pth",
    ),
}

TINY_CARD = MethodCard(
    title="RTMPose (tiny)",
    paradigm="top-down",
    parts="CSPNeXt at half the width of t, gated attention unit, bins along x and y, 96 × 64",
)


def make_card(size: str) -> MethodCard:
    """Create the card of RTMPose-t, -s, -m or -l."""
    checkpoint = _COCO[size]
    return MethodCard(
        title=f"RTMPose-{size}",
        paradigm="top-down",
        parts=f"CSPNeXt-{size}, gated attention unit, bins along x and y",
        checkpoint=checkpoint,
        checkpoint_folder=_FOLDER,
        checkpoint_hash=checkpoint.split("_")[-2].split("-")[-1],
        other_checkpoints=_SEVEN_SETS[size],
    )


def make_recipes(*, weight_decay: float, average: bool) -> dict[str, Recipe]:
    """Create the recipes of one size.

    Args:
        average: whether the weights are averaged (EMA).
    """
    mmpose = Recipe(
        optimizer="adamw",
        learning_rate=4e-3,
        batch_size=1024,  # for which the rate was chosen; MMPose's files name 256 on each GPU
        epochs=420,
        weight_decay=weight_decay,
        schedule="flat_cosine",
        decay_at=(210,),
        warm_up=1000,
        ema=(2e-4, 2000.0) if average else (0.0, 0.0),
        sync_norm=True,
        augment=PixelAugmentation(),
    )
    quick = replace(QUICK, optimizer="adamw", weight_decay=weight_decay)
    return {"mmpose": mmpose, "quick": quick}


def make_tiny_recipes() -> dict[str, Recipe]:
    """Create the recipes of the tiny variant."""
    mmpose = make_recipes(weight_decay=0.0, average=False)["mmpose"]
    return {"quick": replace(TINY_QUICK, learning_rate=4e-3), "mmpose": mmpose}
