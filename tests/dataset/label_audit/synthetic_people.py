"""People in all synthetic poses, seen from all directions, with correct labels."""

import numpy as np

from smallpose.core.boxes import box_around_keypoints, scale_boxes
from smallpose.core.instances import Instances, make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.synthetic.people.body import draw_build, pose_bodies
from smallpose.synthetic.people.poses import draw_modes, draw_motions
from smallpose.synthetic.scenes.layout import PROFILES

J = {name: n for n, name in enumerate(SMALLPOSE.joints)}


def make_people(n: int, seed: int = 0, source: int = 0) -> Instances:
    """Make n people in all synthetic poses, seen from all directions, one per image."""
    rng = np.random.default_rng(seed)
    motions = draw_motions(draw_modes(n, PROFILES["mpii"].families, rng), rng)
    bodies = pose_bodies(motions.at(0.0), draw_build(n, 0.2, rng))
    yaw, pitch = rng.uniform(-np.pi, np.pi, n), rng.uniform(0, 0.4, n)
    height = np.exp(rng.uniform(np.log(18), np.log(300), n))  # px of a standing person

    def rotate(v: np.ndarray) -> np.ndarray:
        """World to camera: x to the right, y down, z away."""
        cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        x, z = v[..., 0] * cos + v[..., 2] * sin, -v[..., 0] * sin + v[..., 2] * cos
        y = v[..., 1] * np.cos(pitch)[:, None] + z * np.sin(pitch)[:, None]
        # The left of a person who faces the camera (-z) is at the right in the image.
        return np.stack([x, -y, -z], axis=2)

    points = rotate(bodies.joints)
    xy = points[..., :2] * height[:, None, None]
    xy += rng.normal(0, 0.008, xy.shape) * height[:, None, None]  # annotation noise
    xy = np.round(xy - xy.min(axis=1, keepdims=True) + 50, 1)
    keypoints = np.concatenate([xy, np.full((n, 21, 1), 2.0)], axis=2)
    is_hidden = rotate(bodies.face_normals)[..., 2] > -0.1  # on the side away from the camera
    for column, name in enumerate(("nose", "left_eye", "right_eye", "left_ear", "right_ear")):
        keypoints[is_hidden[:, column], J[name]] = 0
    is_unlabelled = rng.random((n, 21)) < 0.05
    keypoints[is_unlabelled] = 0
    boxes = scale_boxes(box_around_keypoints(keypoints), 1.15)
    images = make_images(np.arange(1, n + 1), [f"{i}.jpg" for i in range(n)])
    return make_instances(SMALLPOSE, images, range(n), boxes, keypoints, source=source)
