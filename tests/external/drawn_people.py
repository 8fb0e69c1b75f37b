"""Draw people of whom every joint is known, large and facing the camera, for published models."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smallpose.core.predictions import Predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.synthetic.people.body import Build
from smallpose.synthetic.people.clothes import draw_outfits
from smallpose.synthetic.people.poses import ANGLES, Motions
from smallpose.synthetic.scenes.layout import PROFILES, plan_scene
from smallpose.synthetic.scenes.render import render_scene

HEIGHT = 300.0  # px
SIZE_WH = (1200, 480)


@dataclass(frozen=True)
class DrawnPeople:
    """An image with its people.

    Args:
        image: (h, w, 3) uint8 RGB.
        keypoints: (n, 17, 2) the joints of COCO, px.
        boxes_xywh: (n, 4) px.
    """

    image: NDArray[np.uint8]
    keypoints: NDArray[np.float64]
    boxes_xywh: NDArray[np.float64]

    def swap_channels(self) -> "DrawnPeople":
        """Return the image with red and blue exchanged."""
        return replace(self, image=np.ascontiguousarray(self.image[:, :, ::-1]))

    def swap_sides(self) -> "DrawnPeople":
        """Return the people with left and right joints exchanged."""
        return replace(self, keypoints=self.keypoints[:, COCO17.flip_indices])


def draw_people(seed: int, middles: tuple[float, ...] = (200.0, 600.0, 1000.0)) -> DrawnPeople:
    """Draw people side by side, arms and legs spread at random, in one place of the generator."""
    n = len(middles)
    rng = np.random.default_rng(seed)
    scene = plan_scene(PROFILES["coco"], "train", ("train", 1), rng, SIZE_WH)
    angles = np.zeros((n, len(ANGLES)))
    for side in "lr":
        angles[:, ANGLES.index(f"{side}_arm_abduct")] = rng.uniform(0.2, 1.2, n)
        angles[:, ANGLES.index(f"{side}_hip_abduct")] = rng.uniform(0.05, 0.35, n)
    outfits = draw_outfits(n, "city", "train", rng)
    still = np.zeros((n, len(ANGLES)))
    ones = np.ones(n)
    scene = replace(
        scene,
        pitch=0.0,
        horizon=200.0,
        motions=Motions(("stand",) * n, angles, still, still, np.zeros(n)),
        build=Build(1.7 * ones, ones, ones, ones, ones),
        outfits=replace(outfits, bag=np.zeros(n, bool), hat=np.zeros(n, bool)),
        yaw=np.zeros(n),
        scale=np.full(n, HEIGHT),
        anchor=np.stack([np.array(middles), np.full(n, 440.0)], axis=1),
        pace=np.zeros((n, 2)),
        things=(),
    )
    drawn = render_scene(scene)
    joints = SMALLPOSE.joint_indices(COCO17.joints)
    return DrawnPeople(drawn.image, drawn.keypoints[:, joints, :2], drawn.boxes_xywh)


def compute_best_oks(predictions: Predictions, people: DrawnPeople) -> NDArray[np.float64]:
    """Return (n,) OKS of the best prediction for each person, over the joints that both have."""
    joints = [joint for joint in predictions.skeleton.joints if joint in COCO17.joints]
    expected = people.keypoints[:, COCO17.joint_indices(joints)]
    points = predictions.keypoints[:, predictions.skeleton.joint_indices(joints), :2]
    sigmas = COCO17.sigmas[COCO17.joint_indices(joints)]
    area = people.boxes_xywh[:, 2:].prod(axis=1)[:, None, None] * 0.5
    distance = ((points[None] - expected[:, None]) ** 2).sum(axis=3)  # people, predictions, joints
    oks = np.exp(-distance / (2 * area * (2 * sigmas) ** 2)).mean(axis=2)
    return oks.max(axis=1) if len(predictions) else np.zeros(len(people.keypoints))
