"""Describe the images of each source: sizes and number of people, cameras, places and poses."""

from dataclasses import dataclass

from smallpose.synthetic.people.pose_modes import USUAL


@dataclass(frozen=True)
class Profile:
    """The properties of a source's images.

    Args:
        heights: px per body height of the smallest and largest person, drawn log-uniformly.
        people: mean and deviation of the logarithm of people per image.
        most: no more people than that.
        camera_m: lowest and highest camera, metres above the ground, drawn log-uniformly.
        crowded: 0 spread out, 1 in one heap.
        occluders: mean number of things in front of people.
        places: the kinds of place, see `looks.PLACES`.
        families: shares of pose families.
        facing: share of people whose front is turned to the camera.
    """

    heights: tuple[float, float]
    people: tuple[float, float]
    most: int
    camera_m: tuple[float, float]
    crowded: float
    occluders: float
    places: tuple[str, ...]
    families: dict[str, float]
    facing: float


_EVERYWHERE = ("street", "park", "pitch", "hall", "beach", "snow", "plaza", "meadow")
PROFILES = {
    "coco": Profile(
        heights=(20, 900),
        people=(2.15, 0.75),
        most=60,
        camera_m=(1.3, 3.5),
        crowded=0.2,
        occluders=1.0,
        places=_EVERYWHERE,
        families={**USUAL, "walk": 0.18, "sit": 0.28, "low": 0.12, "cycle": 0.05},
        facing=0.78,
    ),
    "mpii": Profile(
        heights=(90, 780),
        people=(1.3, 0.6),
        most=30,
        camera_m=(1.2, 3.0),
        crowded=0.05,
        occluders=1.4,
        places=("pitch", "hall", "beach", "snow", "park", "street", "meadow"),
        families={**USUAL, "action": 0.5, "low": 0.16, "cycle": 0.08},
        facing=0.75,
    ),
    "aic": Profile(
        heights=(120, 900),
        people=(1.7, 0.6),
        most=40,
        camera_m=(1.4, 3.0),
        crowded=0.3,
        occluders=0.5,
        places=_EVERYWHERE,
        families=USUAL,
        facing=0.83,
    ),
    "hieve": Profile(
        heights=(36, 240),
        people=(3.0, 0.35),
        most=40,
        camera_m=(3.5, 7.0),
        crowded=0.6,
        occluders=1.5,
        places=("street", "plaza", "hall", "park"),
        families={
            "stand": 0.3,
            "walk": 0.5,
            "action": 0.05,
            "sit": 0.1,
            "low": 0.03,
            "cycle": 0.02,
        },
        facing=0.75,
    ),
    "posetrack": Profile(
        heights=(75, 720),
        people=(2.3, 0.55),
        most=40,
        camera_m=(1.3, 4.0),
        crowded=0.2,
        occluders=0.6,
        places=("pitch", "hall", "street", "park", "snow", "meadow"),
        families={**USUAL, "action": 0.45, "walk": 0.35, "sit": 0.06},
        facing=0.75,
    ),
}
SIZES_WH = ((640, 480), (640, 480), (640, 427), (480, 640), (640, 480), (720, 480), (800, 600))
# What may stand in front of people at each place, see `things.KINDS`.
OCCLUDERS_AT = {
    "street": ("post", "lamp", "bin", "car", "car", "sign", "planter", "fence"),
    "park": ("bench", "bush", "bush", "bin", "lamp", "fence"),
    "pitch": ("cone", "board", "bench", "fence", "post"),
    "hall": ("bench", "planter", "bin", "board", "post"),
    "beach": ("parasol", "parasol", "bench", "fence", "post"),
    "snow": ("fence", "sign", "bench", "post", "bush"),
    "plaza": ("bench", "planter", "lamp", "bin", "post", "sign"),
    "meadow": ("bush", "bush", "fence", "bench", "post"),
}
