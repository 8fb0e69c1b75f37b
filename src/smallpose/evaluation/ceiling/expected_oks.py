"""What maps of probability do to joints that are read where their expected OKS is largest."""

import numpy as np

from smallpose.evaluation.ceiling.codecs import STRIDE, Floats, Mask, NetworkPeople

PERSON_AREA = 0.36 / 1.25**2  # of a typical person, as a share of the crop's squared height
# map px, added in quadrature to the widths of labels and of the kernel
LABEL_BLUR = 0.5
KERNEL_BLUR = 0.3


def code_expected_oks(people: NetworkPeople, sigma: float) -> tuple[Floats, Mask]:
    """Pass joints through probabilities at stride 4 and the place of largest expected OKS.

    Each label is a Gaussian of OKS's widths for a person of typical area, and so is the kernel that
    reads it, so a joint comes back where it is unless it is near the border. One off the map has no
    label; its map is taken to be that of the first pixel.
    """
    offset = (STRIDE - 1) / 2
    on_map = (people.points - offset) / STRIDE
    size = people.size_wh[0] // STRIDE
    is_inside = ((on_map > -0.5) & (on_map < size - 0.5)).all(axis=-1)
    on_map = np.where(is_inside[..., None], on_map, 0.0)
    shares = people.sigmas * np.sqrt(PERSON_AREA) * size[1]
    labels, kernel = np.hypot(shares, LABEL_BLUR), np.hypot(2 * shares, KERNEL_BLUR)
    axes = [
        _read_expected_oks(on_map[..., axis], int(size[axis]), labels, kernel) for axis in (0, 1)
    ]
    return np.stack(axes, axis=-1) * STRIDE + offset, np.ones(len(people), dtype=bool)


def _read_expected_oks(points: Floats, count: int, labels: Floats, kernel: Floats) -> Floats:
    """Return (n, k) places on an axis of (n, k) points; `labels`, `kernel`: (k,) widths."""
    pixels = np.arange(count)
    mass = np.exp(-((pixels - points[..., None]) ** 2) / (2 * labels[:, None] ** 2))
    mass /= mass.sum(axis=-1, keepdims=True)
    worth = np.exp(-((pixels - pixels[:, None]) ** 2) / (2 * kernel[:, None, None] ** 2))
    log_oks = np.log(np.maximum(np.einsum("nkp,kpq->nkq", mass, worth), 1e-9))
    peak = log_oks.argmax(axis=-1)
    near = [np.clip(peak + step, 0, count - 1)[..., None] for step in (-1, 0, 1)]
    before, middle, after = (np.take_along_axis(log_oks, i, axis=-1)[..., 0] for i in near)
    curvature = np.maximum(2 * middle - before - after, 1e-6)
    step = np.clip((after - before) / (2 * curvature), -0.5, 0.5)
    return np.asarray(peak + np.where((peak > 0) & (peak < count - 1), step, 0.0))
