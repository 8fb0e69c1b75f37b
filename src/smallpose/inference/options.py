"""How a test is run: what is the same question for methods of every kind."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a test is run (paper's methods by MMPose's settings); None and 0 leave it to the method.

    Args:
        flip_test: average with the mirrored crop or picture.
        score_rule: key into `SCORE_RULES`. For whole-image methods the person's own score takes
            the place of the box's.
        nms_above: people of one image nearer than this OKS are one. Top-down methods ask it of
            detected boxes only, since a truth has nobody twice; 0.9 there.
        batch_size: crops (64) or pictures (8) through the network at a time.
        most_bad: share of the images that may be unreadable.
        most: people of a picture at most, for whole-image methods; no cap without.
        score_above: people of whole-image methods below are nobody.
        rescore: whether DEKR's net ranks poses by their shape, where the skeleton has that net.
        tile: side of the tiles in which whole-image methods look at larger pictures as well, px of
            the picture; 0 for the whole view alone.
        tile_overlap: px that neighbouring tiles share: at least the size of the people who shall
            be seen whole in one; a quarter of the tile without.
        half: compute in half precision: float16 on a GPU, bfloat16 on a CPU.
        onnx: let onnxruntime compute the network, on a CPU; starts some seconds later.
        compile: compile the network (`torch.compile`); the first batch of a size takes longer.
    """

    flip_test: bool | None = None
    score_rule: str = ""
    nms_above: float | None = None
    batch_size: int = 0
    most_bad: float = 0.001
    most: int | None = None
    score_above: float | None = None
    rescore: bool = True
    tile: int = 0
    tile_overlap: int | None = None
    half: bool = False
    compile: bool = False
    onnx: bool = False
