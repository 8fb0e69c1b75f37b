"""People predicted perfectly, and errors planted into the predictions: for tests of diagnoses."""

import numpy as np

from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import SMALLPOSE


def couples(images=30, skeleton=SMALLPOSE, size=(160, 320), labelled=None):
    """Two people side by side in each image, predicted perfectly."""
    n, k = 2 * images, len(skeleton)
    rng = np.random.default_rng(1)
    boxes = np.zeros((n, 4))
    boxes[1::2, 0] = 2 * size[0]
    boxes[:, 2:] = size
    keypoints = np.full((n, k, 3), 2.0)
    place = rng.permutation(k) / k  # apart from each other, so that no joint is near another
    keypoints[:, :, 0] = boxes[:, :1] + size[0] * place
    keypoints[:, :, 1] = size[1] * ((np.arange(k) * 0.618) % 1)
    if labelled is not None:
        keypoints[:, ~labelled] = 0
    named = make_images(np.arange(1, images + 1), [f"{i}.jpg" for i in range(images)])
    truth = make_instances(skeleton, named, np.repeat(np.arange(images), 2), boxes, keypoints)
    poses = np.full((n, k, 3), 1.0)
    poses[:, :, 0] = boxes[:, :1] + size[0] * place
    poses[:, :, 1] = size[1] * ((np.arange(k) * 0.618) % 1)
    scores = np.linspace(0.9, 0.5, n)
    ids = named.ids[truth.image_rows]
    return truth, make_predictions(skeleton, ids, poses, scores, boxes)


def plant(truth, predictions, kind, rows, joints):
    mirror = truth.skeleton.flip_indices
    area = truth.area
    for row in rows:
        for j in joints:
            if kind == "jitter":
                sigma = truth.skeleton.sigmas[j]
                predictions.keypoints[row, j, 0] += 1.4 * sigma * 2 * np.sqrt(area[row]) * 0.5
            elif kind == "inversion":
                predictions.keypoints[row, j, :2] = truth.keypoints[row, mirror[j], :2]
            elif kind == "swap":
                predictions.keypoints[row, j, :2] = truth.keypoints[row ^ 1, j, :2]
            elif kind == "miss":
                predictions.keypoints[row, j, :2] = -900
