"""The numbers the paper prints, as data: Tables 1 to 5, recipes, and those in its sentences.

The errors among these numbers are kept: `claims` reports them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from smallpose.catalog.methods import read_catalog
from smallpose.stats.counts import Triple


@dataclass(frozen=True)
class Method:
    """A method as the paper names it.

    Args:
        name: our name, as `smallpose methods` lists it.
        label: for readers of our tables; it names the size where a method has several.
        printed: the method in the paper's tables.
        paradigm: how it detects people, as in Table 2; that of methods which are in Table 3 alone
            is known from their own papers.
    """

    name: str
    label: str
    printed: str
    backbone: str
    paradigm: str


# In the order of Table 2, and then of Table 3.
METHODS = (
    Method("simple_baseline_r50", "SimpleBaseline", "SimpleBaseline", "ResNet-50", "top-down"),
    Method("hrnet_w32", "HRNet", "HRNet", "HRNet-W32", "top-down"),
    Method("simcc_r50", "SimCC", "SimCC", "ResNet-50", "top-down"),
    Method("cal_hrnet_w32", "CAL", "CAL", "HRNet-W32", "top-down"),
    Method("dekr_hrnet_w32", "DEKR", "DEKR", "HRNet-W32", "bottom-up"),
    Method("cid_hrnet_w32", "CID", "CID", "HRNet-W32", "single-stage"),
    # The paper names no size; its batch size and learning rate are those of MMPose's RTMO-s.
    Method("rtmo_s", "RTMO-s", "RTMO", "CSPDarknet", "single-stage"),
    Method("hrformer_s", "HRFormer-S", "HRFormer", "HRFormer-S", "top-down"),
    Method("vitpose_s", "ViTPose-S", "ViTPose", "ViT-S", "top-down"),
    Method("rle_r50", "RLE", "RLE", "ResNet-50", "top-down"),
    Method("vitpose_s_rle", "ViTPose-S-RLE", "ViTPose-S-RLE", "ViT-S", "top-down"),
)

# The groups of Tables 2 and 3 and their methods, in the order printed. Three methods are in both.
TABLE_2_GROUPS: Mapping[str, tuple[str, ...]] = {
    "top-down": ("simple_baseline_r50", "hrnet_w32", "simcc_r50", "cal_hrnet_w32"),
    "bottom-up": ("dekr_hrnet_w32",),
    "single-stage": ("cid_hrnet_w32", "rtmo_s"),
}
TABLE_3_GROUPS: Mapping[str, tuple[str, ...]] = {
    "heatmap-based": ("simple_baseline_r50", "hrnet_w32", "hrformer_s", "vitpose_s"),
    "regression-based": ("rle_r50", "vitpose_s_rle"),
    "classification-based": ("simcc_r50",),
}


@dataclass(frozen=True)
class ResultRow:
    """A printed row of Table 2, 3 or 5, in points.

    Args:
        ar: None in Table 5, which has no such column.
    """

    ap: float
    ap_s: float
    ap_m: float
    ap_l: float
    sparse: float
    moderate: float
    dense: float
    ar: float | None = None

    def metric(self, name: str) -> float | None:
        """Return a value by the evaluation's name, such as `AP_S_dense`; None if not printed."""
        return self.to_dict().get(name)

    def to_dict(self) -> dict[str, float | None]:
        """Return all values by the evaluation's names, in the order of the columns."""
        return {
            "AP": self.ap,
            "AP_S": self.ap_s,
            "AP_M": self.ap_m,
            "AP_L": self.ap_l,
            "AP_S_sparse": self.sparse,
            "AP_S_moderate": self.moderate,
            "AP_S_dense": self.dense,
            "AR": self.ar,
        }


# Setting A trains on COCO, setting B on the paper's own set (Sec. 5.3). A is scored on the joints
# that COCO has (Sec. 5.2), B on all 21.
# In the order of the printed columns, which is that of the fields of `ResultRow`.
_PRINTED = {
    ("simple_baseline_r50", "A"): (43.2, 32.4, 50.5, 77.3, 8.8, 33.9, 0.1, 45.8),
    ("simple_baseline_r50", "B"): (68.2, 65.9, 69.1, 79.7, 32.8, 69.4, 26.0, 69.1),
    ("hrnet_w32", "A"): (45.0, 34.3, 52.3, 79.6, 10.3, 36.0, 0.1, 47.7),
    ("hrnet_w32", "B"): (66.4, 62.2, 69.3, 82.1, 32.0, 65.3, 11.7, 67.7),
    ("simcc_r50", "A"): (43.2, 32.9, 50.3, 76.9, 18.7, 33.8, 0.0, 46.2),
    ("simcc_r50", "B"): (68.8, 68.0, 67.3, 78.5, 38.6, 70.5, 63.6, 69.4),
    ("cal_hrnet_w32", "A"): (45.9, 34.4, 54.1, 81.2, 11.0, 35.8, 0.1, 48.4),
    ("cal_hrnet_w32", "B"): (69.6, 66.3, 70.8, 85.2, 35.8, 68.9, 33.3, 70.5),
    ("dekr_hrnet_w32", "A"): (32.5, 15.6, 46.5, 78.3, 3.6, 15.9, 0.0, 36.8),
    ("dekr_hrnet_w32", "B"): (23.2, 20.1, 32.4, 22.8, 4.0, 20.0, 1.3, 46.6),
    ("cid_hrnet_w32", "A"): (36.6, 20.5, 47.4, 78.4, 4.1, 21.2, 0.0, 41.1),
    ("cid_hrnet_w32", "B"): (60.9, 49.4, 71.6, 83.3, 11.8, 52.1, 1.7, 63.0),
    ("rtmo_s", "A"): (33.2, 17.2, 43.7, 79.4, 7.7, 17.3, 0.0, 37.4),
    ("rtmo_s", "B"): (63.1, 55.1, 70.6, 79.9, 29.7, 58.1, 4.9, 64.3),
    ("hrformer_s", "A"): (44.8, 33.9, 51.9, 76.9, 8.9, 35.6, 0.1, 47.3),
    ("hrformer_s", "B"): (68.7, 66.1, 69.1, 81.6, 33.7, 69.1, 35.4, 69.4),
    ("vitpose_s", "A"): (45.4, 34.6, 52.6, 79.3, 10.6, 36.1, 0.1, 47.8),
    ("vitpose_s", "B"): (68.9, 66.9, 69.1, 80.2, 33.0, 70.3, 27.1, 69.6),
    ("rle_r50", "A"): (44.1, 33.4, 51.2, 77.5, 10.9, 35.1, 0.1, 46.4),
    ("rle_r50", "B"): (67.8, 65.5, 68.3, 79.0, 36.8, 68.7, 31.4, 68.4),
    ("vitpose_s_rle", "A"): (29.2, 19.8, 34.9, 63.8, 8.9, 19.9, 0.0, 38.9),
    ("vitpose_s_rle", "B"): (68.4, 66.9, 68.2, 79.2, 37.1, 69.9, 45.2, 68.9),
}
ROWS: Mapping[tuple[str, str], ResultRow] = {
    key: ResultRow(*numbers) for key, numbers in _PRINTED.items()
}


@dataclass(frozen=True)
class Training:
    """The training settings printed in Sec. 5.5."""

    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int


# CAL has none in the paper.
RECIPES = {
    "simple_baseline_r50": Training("Adam", 5e-4, 128, 210),
    "hrnet_w32": Training("Adam", 5e-6, 64, 210),
    "simcc_r50": Training("Adam", 1e-3, 192, 210),
    "dekr_hrnet_w32": Training("Adam", 1e-3, 20, 140),
    "cid_hrnet_w32": Training("Adam", 1e-3, 16, 140),
    "rtmo_s": Training("AdamW", 4e-3, 32, 600),
    "hrformer_s": Training("AdamW", 5e-4, 64, 210),
    "vitpose_s": Training("AdamW", 5e-4, 64, 210),
    "rle_r50": Training("Adam", 1e-3, 128, 210),
    "vitpose_s_rle": Training("AdamW", 5e-4, 64, 210),
}


@dataclass(frozen=True)
class Split:
    """A printed row of Table 1: people by size, people per image, and images."""

    sizes: Triple
    people_per_image: float | None = None
    images: int | None = None

    @property
    def people(self) -> int:
        """Return the people of all sizes."""
        return sum(self.sizes)


TABLE_1 = {
    "train": Split((351_722, 225_950, 49_453), 9.18, 68_311),
    "test": Split((75_841, 53_869, 12_609), 13.82, 10_296),
    "total": Split((427_563, 279_819, 62_062), images=78_607),
}


@dataclass(frozen=True)
class EntropyRow:
    """A row of Table 4: mean (nats) and variance (nats²) of the scene entropy of a data set."""

    mean: float
    variance: float


# The heading says "variation", the caption and the text say variance.
TABLE_4: Mapping[str, EntropyRow] = {
    "CrowdPose": EntropyRow(2.42, 1.47),
    "COCO": EntropyRow(2.61, 1.33),
    "SmallPose": EntropyRow(2.85, 1.48),
}

# SimpleBaseline with ResNet-50 by training set; the subsets are of COCO's size.
TABLE_5: Mapping[str, ResultRow] = {
    "COCO": ResultRow(43.2, 32.4, 50.5, 77.3, 8.8, 33.9, 0.1),
    "SmallPose": ResultRow(68.2, 65.9, 69.1, 79.7, 32.8, 69.4, 26.0),
    "Subset1": ResultRow(67.0, 63.5, 69.0, 81.3, 32.6, 66.6, 19.1),
    "Subset2": ResultRow(67.1, 63.4, 69.1, 81.6, 31.9, 66.6, 18.0),
    "Subset3": ResultRow(67.1, 63.3, 69.4, 81.6, 31.8, 66.6, 19.4),
    "Subset4": ResultRow(67.0, 63.5, 69.1, 81.2, 32.2, 66.5, 17.7),
    "Subset5": ResultRow(67.0, 63.4, 69.2, 81.3, 32.8, 66.5, 19.7),
}
TABLE_5_METHOD = "simple_baseline_r50"
# Rows of Table 5 that repeat rows of Table 2, with their setting.
TABLE_5_SETTINGS = {"COCO": "A", "SmallPose": "B"}


@dataclass(frozen=True)
class TextNumbers:
    """Numbers in the paper's sentences, with the digits they are printed with.

    Args:
        train_sizes, train_ratio: people by size, and in per cent; likewise of test and total.
        coco_people: "of the training set"; `coco_small` of them are small.
        subsets_ap, subsets_ap_s: gain of the five subsets of Table 5 over COCO.
        full_set_ap, full_set_ap_s: gain of the full training set over the subsets.
    """

    train_sizes: Triple = (351_722, 255_950, 49_453)
    train_ratio: tuple[str, str, str] = ("56", "36", "8")
    test_ratio: tuple[str, str, str] = ("53", "39", "8")
    total_ratio: tuple[str, str, str] = ("55.6", "36.4", "8")
    images_over: int = 70_000
    people_over: int = 700_000
    small_over: int = 420_000
    coco_images: int = 118_287
    coco_people: int = 156_165
    coco_small: int = 98_582
    coco_small_share: str = "63.1"
    subsets_ap: str = "16.8"
    subsets_ap_s: str = "31"
    full_set_ap: str = "1.2"
    full_set_ap_s: str = "2.5"
    resnet_over_hrnet: str = "3.7"
    rtmo_over_cid: str = "5.7"


@dataclass(frozen=True)
class Paper:
    """All printed numbers, which the claims are checked against."""

    rows: Mapping[tuple[str, str], ResultRow]
    recipes: Mapping[str, Training]
    table1: Mapping[str, Split]
    table4: Mapping[str, EntropyRow]
    table5: Mapping[str, ResultRow]
    text: TextNumbers

    @property
    def subsets(self) -> list[ResultRow]:
        """Return the rows of Table 5 that were trained on subsets."""
        return [row for name, row in self.table5.items() if name.startswith("Subset")]


PRINTED = Paper(
    rows=ROWS, recipes=RECIPES, table1=TABLE_1, table4=TABLE_4, table5=TABLE_5, text=TextNumbers()
)

# Our variants belong to the method they imitate. They are listed by name: a user's own method whose
# name begins like one of these is no variant of it.
_VARIANTS = {
    "simple_baseline_r18_tiny": "simple_baseline_r50",
    "hrnet_w16_tiny": "hrnet_w32",
    "simcc_r18_tiny": "simcc_r50",
    "cal_hrnet_w16_tiny": "cal_hrnet_w32",
    "dekr_hrnet_w8_tiny": "dekr_hrnet_w32",
    "cid_hrnet_w8_tiny": "cid_hrnet_w32",
    "rtmo_m": "rtmo_s",
    "rtmo_l": "rtmo_s",
    "rtmo_tiny": "rtmo_s",
    "hrformer_tiny": "hrformer_s",
    "vitpose_tiny": "vitpose_s",
    "rle_r18_tiny": "rle_r50",
    "vitpose_rle_tiny": "vitpose_s_rle",
}
_METHOD_NAMES = {**{method.name: method.name for method in METHODS}, **_VARIANTS}


def find_paper_method(method: str) -> str | None:
    """Find the paper's method that this one is or imitates; None if there is none."""
    return _METHOD_NAMES.get(method)


def format_method_label(method: str) -> str:
    """Format a method's name to be read: `SimpleBaseline R18 tiny` for a variant of ours."""
    base = next((m for m in METHODS if m.name == find_paper_method(method)), None)
    if base is None:
        return str(read_catalog().get(method, {}).get("title", method))
    if method == base.name:
        short = _SHORT_BACKBONES.get(base.backbone)
        return f"{base.label} {short}" if short else base.label
    rest = [word for word in method.split("_") if word not in base.name.split("_")]
    # RTMO-s has the size in its name, so RTMO-l is another size and not a variant.
    stem = base.label if "-RLE" in base.label else base.label.split("-")[0]
    if rest and len(rest[0]) == 1:
        stem += f"-{rest.pop(0)}"
    return " ".join([stem, *(w.upper() if w[1:].isdigit() else w for w in rest)])


_SHORT_BACKBONES = {"ResNet-50": "R50", "HRNet-W32": "W32"}
