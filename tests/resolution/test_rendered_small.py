"""Reducing an image of synthetic people gives what rendering them small gives."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from bicubic_oracle import locate_joints

from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import SMALLPOSE
from smallpose.resolution.people import choose_people
from smallpose.resolution.reduced_labels import compute_reduced_sizes, reduce_labels
from smallpose.resolution.scores import METRICS, draw_resamples, score_height
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
    """Return what the bicubic oracle finds in small images, in their px."""
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


def compare_curves(num_scenes, max_people, heights):
    """Yield, for each height, the scores on reduced and on rendered images."""
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
            score_height(labels, locate_people(labels, images, people, small, sizes), px, resamples)
            for small in (reduced, rendered)
        )


@pytest.mark.long
def test_reduced_and_rendered_people_give_the_same_curve():
    for reduced, rendered in compare_curves(60, 80, HEIGHTS):
        line = [f"{reduced.px:3d} px"]
        for metric in METRICS:
            a, b = reduced.intervals[metric], rendered.intervals[metric]
            line.append(f"{metric} {a.format(3)} rendered {b.format(3)}")
            assert not a.has_ends or not b.has_ends or a.overlaps(b), (reduced.px, metric, a, b)
        print(", ".join(line))


def test_a_reduced_scene_has_its_people_where_the_labels_say():
    scenes, _, truth = draw_large_scenes(3)
    for row, scene in enumerate(scenes):
        size_wh = (240, 180)
        drawn = render_scene(scene.reduce(size_wh), grain_seed=row)
        expected = truth.keypoints[truth.image_rows == row]
        seen = drawn.keypoints[drawn.mask_area > 0]
        if len(seen) != len(expected):
            continue
        labelled = (expected[:, :, 2] > 0) & (seen[:, :, 2] > 0)
        points = (expected[:, :, :2] + 0.5) / 4 - 0.5
        assert np.abs(seen[:, :, :2] - points)[labelled].max() < 0.5
