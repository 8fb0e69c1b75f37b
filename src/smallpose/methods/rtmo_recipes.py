"""RTMO's recipes and cards."""

from dataclasses import replace

from smallpose.dataloading.full_image.mosaic import FullImageAugmentation
from smallpose.methods.base import MethodCard, Recipe
from smallpose.methods.full_image import FullImageRecipe

TINY_CARD = MethodCard(
    title="RTMO (tiny)",
    paradigm="single-stage",
    parts="CSPDarknet at a quarter of its width, 192 × 192",
)


def make_card(size: str, checkpoint: str) -> MethodCard:
    """Create the card of RTMO-s, -m or -l."""
    return MethodCard(
        title=f"RTMO-{size}",
        paradigm="single-stage",
        parts="CSPDarknet, hybrid encoder, dense head, dynamic coordinate classifier",
        checkpoint=checkpoint,
        checkpoint_folder="v1/projects/rtmo",
        checkpoint_hash=checkpoint.split("_")[-2].split("-")[-1],
    )


def make_recipes(closing_still: bool) -> dict[str, Recipe]:
    """Create the recipes of one size.

    Args:
        closing_still: whether images of the closing epochs are only letterboxed, not warped.
    """
    return {
        "paper": _make_mmpose_recipe(32, closing_still),
        "mmpose": _make_mmpose_recipe(256, closing_still),
        "quick": FullImageRecipe(
            optimizer="adamw",
            learning_rate=1e-3,
            batch_size=16,
            epochs=20,
            weight_decay=0.05,
            schedule="one_cycle",
            warm_up=20,
            # At the rate of the other layers, the classifier's waves of single px blur again.
            rates={"head.dcc": 0.25},
            augment=FullImageAugmentation(
                pad=114, only_labelled=True, fit="long", rotate_deg=15, scale_range=(0.75, 1.25)
            ),
        ),
    }


def make_tiny_recipes() -> dict[str, Recipe]:
    """Create the recipes of the tiny variant.

    Its classifier starts with small position encodings and learns at the rate of all layers. It is
    trained on windows that show a part of an image, in which people are larger, and is tested with
    an input that shows the whole image at the same size, by Muon in small batches: a short training
    lacks steps.
    """
    recipes = make_recipes(closing_still=True)
    quick = recipes["quick"]
    assert isinstance(quick, FullImageRecipe)
    quick = replace(
        quick,
        optimizer="muon",
        rates={},
        learning_rate=4e-3,
        weight_decay=0.01,
        batch_size=8,
        clip_norm=0.1,
        epochs=28,
        second_stage=18,
        dense_weight=3.0,
        test_side=512,
        augment=replace(quick.augment, rotate_deg=10, scale_range=(0.3, 0.6), shift=0.35),
    )
    return {"quick": quick} | {n: recipes[n] for n in ("paper", "mmpose")}


def _make_mmpose_recipe(batch_size: int, closing_still: bool) -> FullImageRecipe:
    return FullImageRecipe(
        optimizer="adamw",
        learning_rate=4e-3,
        batch_size=batch_size,
        epochs=600,
        weight_decay=0.05,
        clip_norm=0.1,
        rates={"neck.encoder": 0.05},
        # Up over 5 epochs, down to 2e-4 at 280, up to 5e-4 for the second stage, down again.
        warm_epochs=5,
        cosine=((5, 4e-3), (280, 2e-4), (280, 5e-4), (281, 5e-4), (580, 2e-4), (600, 2e-4)),
        ema=(2e-4, 2000.0),
        sizes=(480, 800),
        second_stage=280,
        augment=FullImageAugmentation(
            pad=114,
            hsv=(5, 30, 30),
            only_labelled=True,
            fit="long",
            mosaic=True,
            closing=20,
            closing_still=closing_still,
        ),
    )
