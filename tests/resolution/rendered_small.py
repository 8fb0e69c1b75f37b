"""Score a model on reduced synthetic people, and on the same people rendered so small."""

from dataclasses import replace

import cv2
import numpy as np
from bicubic_oracle import locate_joints

from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import SMALLPOSE
from smallpose.resolution.people import choose_people
from smallpose.resolution.reduced_labels import compute_reduced_sizes, reduce_labels
from smallpose.resolution.scores import draw_resamples, score_height
from smallpose.resolution.sensor import CLEAN
from smallpose.synthetic.scenes.layout import PROFILES, plan_scene
from smallpose.synthetic.scenes.render import render_scene

HEIGHTS = (16, 24, 32, 48, 64, 96, 128, 192, 256)


def draw_large_scenes(num_scenes):
    """Return scenes without blur and noise, their images, and their people."""
    scenes, images, rows, boxes, keypoints = [], [], [], [], []
    for row in range(num_scenes):
        rng = np.random.default_rng([40, row])
        profile = replace(PROFILES["posetrack"], people=(1.2, 0.4), heights=(200, 720))
        scene = plan_scene(profile, "train", ("train", 8), rng, (960, 720))
        scene = scene.reduce(scene.size_wh)
        drawn = render_scene(scene, grain_seed=row)
        is_seen = drawn.mask_area > 0
        rows += [row] * int(is_seen.sum())
        boxes.append(drawn.boxes_xywh[is_seen])
        keypoints.append(drawn.keypoints[is_seen])
        scenes.append(scene)
        images.append(drawn.image)
    table = make_images(
        np.arange(num_scenes),
        [f"{i}.png" for i in range(num_scenes)],
        [960] * num_scenes,
        [720] * num_scenes,
    )
    points = np.concatenate(keypoints)
    points[points[:, :, 2] == 0] = 0
    truth = make_instances(SMALLPOSE, table, rows, np.concatenate(boxes), points)
    return scenes, images, truth


def locate_people(truth, originals, people, small_images, sizes):
    """Return what the bicubic oracle finds in small images, in their px.

    Args:
        truth: labels of the small images, one per chosen person.
        originals: the large images.
        people: the chosen people.
        sizes: (n, 2) of each person's large image.
    """
    keypoints, scores = [], []
    for index, row in enumerate(people.rows.tolist()):
        original = originals[people.truth.image_rows[row]]
        small = small_images[index]
        enlarged = cv2.resize(small, original.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        joints = locate_joints(
            original, enlarged, people.truth.keypoints[row], people.truth.boxes_xywh[row, 3]
        )
        factor = np.array(small.shape[1::-1]) / sizes[index]
        joints[:, :2] = (joints[:, :2] + 0.5) * factor - 0.5
        keypoints.append(joints)
        scores.append(joints[:, 2].mean())
    ids = truth.images.ids
    boxes = truth.boxes_xywh[~truth.iscrowd]
    return make_predictions(truth.skeleton, ids, np.array(keypoints), scores, boxes)


def compare_curves(num_scenes, max_people, heights, predict=locate_people):
    """Yield, for each height, the scores on reduced and on rendered images.

    Args:
        predict: called as `locate_people`.
    """
    scenes, images, truth = draw_large_scenes(num_scenes)
    people = choose_people(truth, heights, max_people)
    sizes = np.tile([960, 720], (len(people), 1))
    resamples = draw_resamples(people.groups, 200, 0)
    for px in heights:
        reduced_wh = compute_reduced_sizes(people, sizes, px)
        labels = reduce_labels(people, sizes, reduced_wh, ".png")
        of_image = people.truth.image_rows[people.rows].tolist()
        wh = [tuple(size) for size in reduced_wh.tolist()]
        reduced = [CLEAN.reduce(images[i], size, [0]) for i, size in zip(of_image, wh, strict=True)]
        rendered = [
            render_scene(scenes[i].reduce(size), grain_seed=i).image
            for i, size in zip(of_image, wh, strict=True)
        ]
        yield tuple(
            score_height(labels, predict(labels, images, people, small, sizes), px, resamples)
            for small in (reduced, rendered)
        )
