"""Plan scenes: the camera, the positions and sizes of people, and occluders.

The ground is flat and the camera at a known height, so a person's size follows from the row of the
feet: feet `d` px below the horizon belong to a person `d * height / camera height` px tall.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.people.body import Build, draw_build
from smallpose.synthetic.people.clothes import Outfits, draw_outfits
from smallpose.synthetic.people.pose_modes import MODES, USUAL
from smallpose.synthetic.people.poses import Motions, draw_modes, draw_motions
from smallpose.synthetic.rendering.image_style import ImageStyle, draw_image_style, find_walls

Floats = NDArray[np.float64]


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
        crowded=0.35,
        occluders=1.0,
        places=_EVERYWHERE,
        families={**USUAL, "walk": 0.18, "sit": 0.25, "low": 0.12, "cycle": 0.05},
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
_SPORT_PLACES = ("pitch",)
_HEADING_SPREAD = 0.8  # radians
_LIKE_SIZE = 0.12  # difference of logarithms
_CUT_SHARE = 0.44  # of people who may leave the image; not all of them do
_EYE_SHARE = 0.44  # of the image's height: where an eye-level camera has its horizon


@dataclass(frozen=True)
class Occluder:
    """An object in front of people: kind, ground position, px per metre."""

    kind: str
    x: float
    y: float
    metre: float
    seed: int


@dataclass(frozen=True)
class Scene:
    """A scene at time 0 and its motion.

    Args:
        size_wh: of the image, px.
        look: place, light and plate.
        horizon: row of the horizon, px; may lie outside the image.
        camera_m: height of the camera.
        pitch: radians the camera looks down.
        motions, build, outfits: the n people.
        yaw, scale: (n,) radians; px per body height.
        anchor: (n, 2) px of the floor below the pelvis.
        pace: (n, 2) metres per second to the right and towards the camera.
        things: occluders.
        blur: deviation of the optics' blur, px.
        noise: 0 to 1.
        quality: of the JPEG file.
        blur_faces: as HiEve's publishers did.
    """

    size_wh: tuple[int, int]
    look: ImageStyle
    horizon: float
    camera_m: float
    pitch: float
    motions: Motions
    build: Build
    outfits: Outfits
    yaw: Floats
    scale: Floats
    anchor: Floats
    pace: Floats
    things: tuple[Occluder, ...]
    blur: float
    noise: float
    quality: int
    blur_faces: bool = False

    def __len__(self) -> int:
        return len(self.scale)

    def at(self, time_s: float) -> "Scene":
        """Return the scene at a later time, with everyone moved on the ground in perspective."""
        focal = self.metre_at(self.anchor[:, 1])
        depth = 1.0 / np.maximum(focal, 1e-6)
        metre = 1.0 / np.maximum(depth - self.pace[:, 1] * time_s / self._distance(), 1e-3)
        y = self.horizon + metre * self.camera_m
        middle = self.size_wh[0] / 2
        across = (self.anchor[:, 0] - middle) / np.maximum(focal, 1e-6)
        x = middle + (across + self.pace[:, 0] * time_s) * metre
        return replace(
            self,
            anchor=np.stack([x, y], axis=1),
            scale=self.scale * metre / np.maximum(focal, 1e-6),
        )

    def reduce(self, size_wh: tuple[int, int]) -> "Scene":
        """Return the same scene for an image of fewer px, whose camera adds neither blur nor noise.

        Pixel centres are at integers, so the corner of the image is at (-1/2, -1/2).
        """
        factors = np.array(size_wh) / self.size_wh
        factor = float(factors.mean())
        things = tuple(
            replace(
                thing,
                x=(thing.x + 0.5) * factors[0] - 0.5,
                y=(thing.y + 0.5) * factors[1] - 0.5,
                metre=thing.metre * factor,
            )
            for thing in self.things
        )
        return replace(
            self,
            size_wh=size_wh,
            horizon=(self.horizon + 0.5) * factors[1] - 0.5,
            scale=self.scale * factor,
            anchor=(self.anchor + 0.5) * factors - 0.5,
            things=things,
            blur=0.0,
            noise=0.0,
        )

    def metre_at(self, row: Floats) -> Floats:
        """Return (n,) px per metre for feet on the given rows."""
        return np.asarray((row - self.horizon) / self.camera_m)

    def _distance(self) -> float:
        """Return the focal length in px, which converts px per metre into metres of distance."""
        return 1.1 * max(self.size_wh)


def plan_scene(
    profile: Profile,
    palette: str,
    plates: tuple[str, int],
    rng: np.random.Generator,
    size_wh: tuple[int, int] | None = None,
    seconds: float = 0.0,
) -> Scene:
    """Draw a scene of the given profile.

    Args:
        palette: "train" or "test": whose clothes' colours.
        plates: pool of background plates and how many there are in it.
        size_wh: of the image; drawn without.
        seconds: how long it goes on; people then keep clear of walking out at once.
    """
    size = SIZES_WH[int(rng.integers(len(SIZES_WH)))] if size_wh is None else size_wh
    look = draw_image_style(profile.places, plates, rng)
    height = size[1]
    low, high = np.log(profile.camera_m)
    camera_m = float(np.exp(rng.uniform(low, high)))
    horizon = height * (_EYE_SHARE + rng.normal(0, 0.06) - 0.17 * max(camera_m - 1.5, 0.0) ** 0.75)
    n = int(np.clip(np.rint(rng.lognormal(*profile.people)), 1, profile.most))
    anchor, metre, build = _place_people(profile, look, size, horizon, camera_m, n, rng)
    n = len(metre)
    families = profile.families
    if look.place in _SPORT_PLACES:
        families = {"action": 0.62, "walk": 0.18, "stand": 0.16, "low": 0.04}
    motions = draw_motions(draw_modes(n, families, rng), rng)
    yaw = _draw_headings(n, profile, rng)
    speed = np.array([MODES[m].speed for m in motions.modes]) * build.height_m
    pace = (
        np.stack([np.sin(yaw), np.cos(yaw)], axis=1) * (speed * rng.uniform(0.3, 0.8, n))[:, None]
    )
    if seconds:
        pace *= 0.6
    return Scene(
        size_wh=size,
        look=look,
        horizon=float(horizon),
        camera_m=camera_m,
        pitch=float(np.arctan2(height / 2 - horizon, 1.1 * max(size))),
        motions=motions,
        build=build,
        outfits=draw_outfits(n, look.style, palette, rng),
        yaw=yaw,
        scale=metre * build.height_m,
        anchor=anchor,
        pace=pace,
        things=_place_occluders(profile, look.place, size, horizon, camera_m, metre, rng),
        blur=float(np.clip(rng.lognormal(-0.75, 0.35), 0.2, 1.3)),
        noise=float(rng.beta(1.6, 3.5)),
        quality=int(np.clip(95 - 40 * rng.beta(1.1, 2.6), 30, 95)),
    )


def _draw_headings(n: int, profile: Profile, rng: np.random.Generator) -> Floats:
    """Draw (n,) headings in radians, 0 towards the camera; in crowds many face the same way."""
    common = _draw_heading_angles(1, profile.facing, rng)
    own = _draw_heading_angles(n, profile.facing, rng)
    together = rng.random(n) < 0.5 * profile.crowded
    return np.asarray(np.where(together, common + rng.normal(0, 0.3, n), own))


def _draw_heading_angles(n: int, facing: float, rng: np.random.Generator) -> Floats:
    """Draw (n,) headings, a share `facing` of them within a quarter turn of the camera.

    Photographers stand in front of people rather than beside them: the angle from straight
    towards or straight away is half-normal, as the shoulder widths of real people are.
    """
    is_turned_away = rng.random(n) >= facing
    # The arc sine folds back what is beyond a quarter turn, so that the share holds.
    angle = np.arcsin(np.sin(_HEADING_SPREAD * rng.standard_normal(n)))
    return np.asarray(angle + np.pi * is_turned_away)


def _place_people(
    profile: Profile,
    look: ImageStyle,
    size_wh: tuple[int, int],
    horizon: float,
    camera_m: float,
    n: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Build]:
    """Return (n, 2) anchors, (n,) px per metre and bodies; fewer than n where there is no room."""
    width, height = size_wh
    build = draw_build(4 * n, 0.11, rng)
    low, high = profile.heights
    # One image spans a part of the whole range: a street far off, or a group near by.
    low, high = math.log(low), math.log(high)
    middle, span = rng.uniform(low, high), rng.uniform(0.5, 1.5)
    near_by, anywhere, which = rng.random((3, 4 * n))
    log_tall = np.where(
        which < 0.3, low + (high - low) * anywhere, middle + span * (1.4 * near_by - 0.7)
    )
    tall = np.exp(np.minimum(np.maximum(log_tall, low), high))
    metre = tall / 1.71
    y = horizon + metre * camera_m
    # Some bodies leave the image below, but never beyond the chest.
    may_leave = rng.random(4 * n) < _CUT_SHARE
    lowest = y - np.where(may_leave, 0.72, -0.02) * tall
    fits = (y > 0.04 * height) & (lowest < height - 8) & (y > 4)
    centre_x = rng.uniform(0.15, 0.85) * width
    heap = rng.random(4 * n) < profile.crowded
    x = np.where(
        heap, centre_x + rng.normal(0, 0.16, 4 * n) * width, rng.uniform(-0.02, 1.02, 4 * n) * width
    )
    middle_x, reach = find_walls(look, size_wh, horizon)
    fits &= np.abs(x - middle_x) < reach * np.maximum(y - horizon, 1.0)
    chosen: list[int] = []
    # Plain numbers: NumPy is slow at single ones.
    across, size = x.tolist(), tall.tolist()
    in_crowd = (rng.random(4 * n) < profile.crowded).tolist()
    reach = np.where(may_leave, -10.0, 0.2 * tall)
    fits &= (x > reach) & (x < width - reach)
    for row in np.flatnonzero(fits).tolist():
        if len(chosen) == n:
            break
        # No person covers another one of about the same size, and only in crowds do many overlap.
        is_apart = not _overlaps(row, chosen, across, size, 0.5)
        if is_apart or (in_crowd[row] and not _hides(row, chosen, across, size)):
            chosen.append(row)
    if not chosen:
        # The camera cannot see people of that size: place one in the middle, as large as fits.
        y[0] = 0.93 * height
        metre[0], x[0] = max((y[0] - horizon) / camera_m, 8.0), width / 2
        chosen = [0]
    rows = np.array(chosen, dtype=np.intp)
    return np.stack([x[rows], y[rows]], axis=1), metre[rows], build.take(rows)


def _overlaps(
    row: int, chosen: list[int], across: list[float], size: list[float], reach: float
) -> bool:
    """Return whether a person is nearer to a chosen one than a share of their mean height."""
    return any(abs(across[c] - across[row]) < reach * (size[c] + size[row]) / 2 for c in chosen)


def _hides(row: int, chosen: list[int], across: list[float], size: list[float]) -> bool:
    """Return whether a person covers a chosen one of about the same size."""
    return any(
        abs(math.log(size[c] / size[row])) < _LIKE_SIZE
        and abs(across[c] - across[row]) < 0.2 * max(size[c], size[row])
        for c in chosen
    )


def _place_occluders(
    profile: Profile,
    place: str,
    size_wh: tuple[int, int],
    horizon: float,
    camera_m: float,
    metre: Floats,
    rng: np.random.Generator,
) -> tuple[Occluder, ...]:
    """Place occluders slightly nearer than a person, so that they hide a part of them."""
    things = []
    for _ in range(int(rng.poisson(profile.occluders))):
        scale = float(metre[rng.integers(len(metre))] * rng.uniform(1.02, 1.3))
        y = horizon + scale * camera_m
        if y < 0.1 * size_wh[1] or scale * 0.9 > size_wh[1]:
            continue
        kinds = OCCLUDERS_AT[place]
        kind = kinds[int(rng.integers(len(kinds)))]
        x = float(rng.uniform(0, size_wh[0]))
        things.append(Occluder(kind, x, float(y), scale, int(rng.integers(2**31))))
    return tuple(things)
