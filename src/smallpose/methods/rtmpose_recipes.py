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
