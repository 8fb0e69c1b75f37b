"""What is measured: the heights, the sensors, and the variants in which each model is called."""

from dataclasses import dataclass

# In the order in which they are measured: the fast ones first.
MODELS = (
    "movenet-thunder",
    "movenet-lightning",
    "blazepose-full",
    "posenet",
    "efficientpose",
    "blazepose-lite",
    "blazepose-heavy",
    "openpose-thin",
    "movenet",
)
COCO_HEIGHTS = (16, 24, 32, 48, 64, 96, 128)  # px; the people of both sets are at least 128 px tall
LSP_HEIGHTS = (16, 24, 32, 48, 64, 128)
FEW_HEIGHTS = (24, 32, 48, 64)
SENSORS = ("clean", "camera")
JPEG_SENSORS = ("jpeg95", "jpeg90", "jpeg80", "jpeg60", "jpeg40")
JPEG_HEIGHTS = (32, 64)
JPEG_MODEL = "movenet-thunder"
LEVEL = 0.2  # AP whose height is given beside that of half the AP
LARGE_SIDE = 512  # px of the longer side of an enlarged image
FRAME_WH = (640, 480)  # px of the grey frame in which a reduced image is one part


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A model, how it is called, and where.

    Args:
        model: its name in the registry.
        boxes: "true", or "movenet": those that MoveNet MultiPose detects in the same image.
        image: for full-image models. "" as it is; "native" without the enlargement to its input
            size that MoveNet does itself; "enlarged" bicubically to `LARGE_SIDE` px; "frame" as a
            part of a grey image of `FRAME_WH`; "frame tiles" that searched in tiles for people
            of the height that is measured.
        interpolation: of the crops of top-down models, "" for the model's own.
        sensors, heights: that are measured.
    """

    model: str
    boxes: str = "true"
    image: str = ""
    interpolation: str = ""
    sensors: tuple[str, ...] = SENSORS
    heights: tuple[int, ...] = ()

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

    A detector's boxes, enlarged images and tiles are compared on COCO's images, which show more
    than one person; JPEG on LSP-extended, which has more people; crops of top-down models on both.
    """
    variants = [Variant(model=model)]
    if people == "coco" and needs_boxes:
        variants.append(Variant(model=model, interpolation="cubic"))
        variants.append(Variant(model=model, boxes="movenet"))
    if people == "coco" and not needs_boxes:
        own = "native" if model == "movenet" else "enlarged"
        variants.append(Variant(model=model, image=own))
        variants += [
            Variant(model=model, image=image, sensors=("clean",), heights=FEW_HEIGHTS)
            for image in ("frame", "frame tiles")
        ]
    if people == "lsp" and needs_boxes:
        variants.append(Variant(model=model, interpolation="cubic", heights=(16, 32, 64)))
    if people == "lsp" and model == JPEG_MODEL:
        variants.append(Variant(model=model, sensors=JPEG_SENSORS, heights=JPEG_HEIGHTS))
    return variants
