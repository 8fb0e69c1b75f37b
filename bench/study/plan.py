"""What is measured: the heights, the sensors, and the variants in which each model is called."""

from dataclasses import dataclass

# In the order in which they are measured: the strongest first, so that a part of it is of use.
MODELS = (
    "movenet-thunder",
    "movenet-lightning",
    "movenet",
    "blazepose-heavy",
    "blazepose-full",
    "blazepose-lite",
    "efficientpose",
    "posenet",
    "openpose-thin",
)
MAX_PEOPLE = {"lsp": 1000, "coco": 300}
FEW_PEOPLE = {"lsp": 200, "coco": 100}  # of the variants
# Slow models, none of them the best, are shown the first people alone.
MODEL_PEOPLE = {"movenet": 500, "efficientpose": 500, "posenet": 300, "openpose-thin": 100}
COCO_HEIGHTS = (16, 24, 32, 48, 64, 96, 128)  # px; the people of both sets are at least 128 px tall
LSP_HEIGHTS = (16, 24, 32, 48, 64, 128)
FRAME_HEIGHTS = (32, 64)
SENSORS = ("clean", "camera")
JPEG_SENSORS = ("jpeg95", "jpeg90", "jpeg80", "jpeg60", "jpeg40")
JPEG_HEIGHTS = (32, 64)
JPEG_MODEL = "movenet-thunder"
LEVEL = 0.2  # AP whose height is given beside that of half the AP
FRAME_WH = (640, 480)  # px of the grey frame in which a reduced image is one part
TILE_HEIGHTS = 8  # side of a tile per height of the people


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A model, how it is called, and where.

    Args:
        model: its name in the registry.
        boxes: "true", or "movenet": those that MoveNet MultiPose detects in the same image.
        image: for full-image models. "" as they are called by themselves, which enlarges the
            image to their input size; "native" without that; "frame" as a part of a grey image of
            `FRAME_WH`; "tiled frame" that in tiles, too, of `TILE_HEIGHTS` heights of the people.
        interpolation: of the crops of top-down models, "" for the model's own.
        sensors, heights: that are measured.
        max_people: the first so many people of the set are shown; 0 for all.
    """

    model: str
    boxes: str = "true"
    image: str = ""
    interpolation: str = ""
    sensors: tuple[str, ...] = SENSORS
    heights: tuple[int, ...] = ()
    max_people: int = 0

    @property
    def name(self) -> str:
        """Return the name, as in tables."""
        parts = [self.model]
        if self.boxes != "true":
            parts.append("detected boxes")
        parts += [part for part in (self.image, self.interpolation) if part]
        return ", ".join(parts)

    @property
    def is_main(self) -> bool:
        """Return whether it is the model as it is called by itself."""
        return self.name == self.model and self.sensors == SENSORS


def list_variants(model: str, needs_boxes: bool, people: str) -> list[Variant]:
    """List the variants of a model on a set of people; the first is the model's main row.

    A detector's boxes, enlargement and tiles are compared on COCO's images, which show more than
    one person; JPEG on LSP-extended, which has more people; crops of top-down models on both.
    """
    limit = MODEL_PEOPLE.get(model, 0)
    few = min(limit or MAX_PEOPLE[people], FEW_PEOPLE[people])
    variants = [Variant(model=model, max_people=limit)]
    if people == "coco" and needs_boxes:
        variants.append(Variant(model=model, interpolation="cubic", max_people=few))
        variants.append(Variant(model=model, boxes="movenet", max_people=few))
    if people == "coco" and not needs_boxes:
        variants.append(Variant(model=model, image="native", max_people=few))
        variants += [
            Variant(
                model=model,
                image=image,
                sensors=("clean",),
                heights=FRAME_HEIGHTS,
                max_people=few,
            )
            for image in ("frame", "tiled frame")
        ]
    if people == "lsp" and needs_boxes:
        variants.append(
            Variant(model=model, interpolation="cubic", heights=(16, 32, 64), max_people=few)
        )
    if people == "lsp" and model == JPEG_MODEL:
        variants.append(Variant(model=model, sensors=JPEG_SENSORS, heights=JPEG_HEIGHTS))
    return variants
