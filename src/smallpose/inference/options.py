"""Options of prediction, the same for methods of every kind."""

from dataclasses import dataclass

from smallpose.core.argument_checks import refuse_other_words
from smallpose.inference.calibration import Calibration
from smallpose.methods.person_score import SCORE_RULES

ENGINES = ("torch", "onnxruntime", "openvino")
PRECISIONS = ("float32", "bfloat16", "float16", "auto")


@dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """How people are predicted; None, 0 and "" mean the method's own setting (MMPose's).

    Args:
        flip_test: average with the predictions for the mirrored crop or image.
        score_rule: key into `SCORE_RULES`. Full-image methods use a person's own score in place of
            the box score.
        oks_threshold: people of one image whose OKS is larger are duplicates. Top-down methods
            apply it (default: 0.9) to detected boxes only; annotated boxes have no duplicates.
        batch_size: crops (default: 64) or images (default: 8) that pass through the network
            together.
        max_unreadable: share of the images that may be unreadable.
        max_people: maximum number of people per image, for full-image methods; 0 for all. The
            method's own counts in each tile of an image, this one in the whole image, too.
        score_threshold: full-image methods drop people with lower scores.
        rescore: whether DEKR's rescoring net ranks poses by their shape, if the skeleton has it.
        tile: side of the tiles in which full-image methods also predict, px of the image; 0 for
            the full image alone.
        tile_overlap: px that neighbouring tiles share, at least the size of the people to be seen
            complete in one (default: a quarter of the tile).
        tile_to: side of the network's input into which tiles are fitted, px; 0 for that of the full
            image.
        smallest: height of the smallest people for whom tiles are chosen by themselves, px of the
            image; 0 for `tile`.
        input_side: side of the input of a full-image method's network, px, into which an image or a
            tile is fitted.
        crop_interpolation: "linear" or "cubic", by which top-down methods enlarge crops.
        zoom: factor of both sides of the crops that the network of a top-down method gets.
        second_look: look again at the small people of a full-image method, in enlarged windows.
        heatmap_decoding: "quarter" or "dark", by which heatmaps of top-down methods are read.
        engine: what computes the network; one of `ENGINES`. All but "torch" run on CPUs, and start
            some seconds later.
        precision: one of `PRECISIONS`, or "half": float16 on a GPU, bfloat16 on a CPU. "auto" takes
            bfloat16 where the device has it, for layers that lose no accuracy.
        compile: compile the network (`torch.compile`); the first batch of a size takes longer.
        calibration: applied to the scores of the final people, with expected errors of joints.
        min_score: people with a lower final score are left out.
        apply_exif: turn image files as their EXIF orientation says, before the network sees them;
            boxes and keypoints refer to the turned images. Labelled images whose labels refer to
            the stored pixels are not turned.

    Raises: InputError for another score rule; other words are refused where they are used.
    """

    flip_test: bool | None = None
    score_rule: str = ""
    oks_threshold: float | None = None
    batch_size: int = 0
    max_unreadable: float = 0.001
    max_people: int | None = None
    score_threshold: float | None = None
    rescore: bool = True
    tile: int = 0
    tile_overlap: int | None = None
    tile_to: int = 0
    smallest: int = 0
    input_side: int = 0
    crop_interpolation: str = ""
    zoom: int = 0
    second_look: bool = False
    heatmap_decoding: str = ""
    engine: str = "torch"
    precision: str = "float32"
    compile: bool = False
    calibration: Calibration | None = None
    min_score: float | None = None
    apply_exif: bool = False

    def __post_init__(self) -> None:
        if self.score_rule:
            refuse_other_words("--score-rule", self.score_rule, tuple(SCORE_RULES))
