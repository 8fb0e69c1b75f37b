"""Plan scenes: the camera, the positions and sizes of people, and occluders.

The ground is flat and the camera at a known height, so a person's size follows from the row of the
feet: feet `d` px below the horizon belong to a person `d * height / camera height` px tall.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smallpose.synthetic.people.body import Build
from smallpose.synthetic.people.clothes import Outfits, draw_outfits
from smallpose.synthetic.people.pose_modes import MODES
from smallpose.synthetic.people.poses import Motions, draw_modes, draw_motions
from smallpose.synthetic.rendering.image_style import ImageStyle, draw_image_style
from smallpose.synthetic.scenes.placement import Occluder, place_occluders, place_people
from smallpose.synthetic.scenes.profiles import PROFILES, SIZES_WH, Profile

__all__ = ["PROFILES", "Occluder", "Profile", "Scene", "plan_scene"]

Floats = NDArray[np.float64]


_SPORT_PLACES = ("pitch",)
_HEADING_SPREAD = 0.8  # radians
_EYE_SHARE = 0.44  # of the image's height: where an eye-level camera has its horizon


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
    anchor, metre, build = place_people(profile, look, size, horizon, camera_m, n, rng)
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
        things=place_occluders(profile, look.place, size, horizon, camera_m, metre, rng),
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
