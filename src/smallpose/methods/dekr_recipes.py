"""DEKR's recipes and cards."""

from smallpose.dataloading.full_image.mosaic import FullImageAugmentation
from smallpose.methods.base import MethodCard, Recipe
from smallpose.methods.full_image import FullImageRecipe

CARD = MethodCard(
    title="DEKR",
    paradigm="bottom-up",
    parts="HRNet-W32, root heatmap, adaptive convolutions, offsets",
    checkpoint="dekr_hrnet-w32_8xb10-140e_coco-512x512_ac7c17bf-20221228.pth",
    checkpoint_folder="v1/body_2d_keypoint/dekr/coco",
    checkpoint_hash="ac7c17bf",
)
RECIPES: dict[str, Recipe] = {
    "paper": FullImageRecipe(learning_rate=1e-3, batch_size=20, epochs=140, decay_at=(90, 120)),
    # 10 images on each of eight GPUs.
    "mmpose": FullImageRecipe(learning_rate=1e-3, batch_size=80, epochs=140, decay_at=(90, 120)),
    "quick": FullImageRecipe(
        learning_rate=1e-3,
        batch_size=16,
        epochs=20,
        schedule="one_cycle",
        warm_up=20,
        augment=FullImageAugmentation(rotate_deg=15, scale_range=(0.75, 1.25)),
    ),
}
# Windows that show a part of an image, most of them placed on people; tested with an input that
# shows the whole image at the same size. Muon and small batches: a short training lacks steps. The
# last layer of offsets begins near 0 and must reach 20 map px, and Adam moves a weight by no more
# than its rate in a step, so that the layer has a higher one. A test takes as long as some epochs,
# so that there is none before the end.
TINY_QUICK = FullImageRecipe(
    optimizer="muon",
    learning_rate=3e-3,
    weight_decay=0.01,
    batch_size=8,
    epochs=30,
    schedule="one_cycle",
    warm_up=20,
    rates={"head.displacement_conv_layers.2": 8.0},
    validate_every=30,
    test_side=384,
    augment=FullImageAugmentation(
        rotate_deg=10, scale_range=(0.4, 0.8), shift=0.35, person_windows=0.8
    ),
)
TINY_CARD = MethodCard(
    title="DEKR (tiny)", paradigm="bottom-up", parts="HRNet-W8, one module a stage, 192 × 192"
)
