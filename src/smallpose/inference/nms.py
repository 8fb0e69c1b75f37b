"""Drop people found twice: where two poses are nearly one, the surer stays."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def oks_nms(
    keypoints: Floats, scores: Floats, area: Floats, sigmas: Floats, above: float = 0.9
) -> NDArray[np.intp]:
    """Rows to keep of one image's people, the surest first.

    Two people are one when their OKS, with the mean of their areas, exceeds `above`.

    Args:
        keypoints: (d, k, 2 or 3) px; a third column is not looked at.
        scores: (d,).
        area: (d,) px²; MMPose takes width × height of the padded window of each crop.
        sigmas: (k,).
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    points = keypoints[:, :, :2]
    while len(order):
        best, order = int(order[0]), order[1:]
        kept.append(best)
        distance = np.square(points[order] - points[best]).sum(axis=2)  # (d, k)
        mean_area = (area[order] + area[best]) / 2 + np.spacing(1)
        oks = np.exp(-distance / np.square(2 * sigmas) / mean_area[:, None] / 2).mean(axis=1)
        order = order[oks <= above]
    return np.array(kept, dtype=np.intp)
