"""Check that a user's `flip_back` mirrors x and exchanges left and right.

Nothing else shows such a mistake: shapes fit, the loss falls, and only the flip test loses points.
Decoding the outputs of a mirrored crop after `flip_back` gives the mirror image of what decoding
them as they are gives, with left and right joints exchanged. That holds for any outputs, also for
those of untrained weights, up to the grid of the outputs: whether `flip_back` moves maps by a
column or not, keypoints differ by less than a cell.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from smallpose.core.errors import InputError
from smallpose.methods.base import PoseMethod

_NUM_DRAWS = 8
# Outputs of untrained weights are often equal everywhere: their maximum is then anywhere, and all
# joints are in one place. Factors keep zeros, signs and, nearly, sums of shares.
_NOISE = 0.5
_FAR = 1 / 6  # of the crop's shorter side; two random places differ by 0.3 of it in the median
_MIN_ERROR_PX = 0.5
_CLEAR = 1 / 4  # how far an explanation may be off, as a share of the error that it explains
_COMMON = 0.2  # share of keypoints in one place from which it is taken as "nothing was found"


class _Mistake(NamedTuple):
    """What `flip_back` may do instead, and how that is said."""

    is_mirrored: bool
    is_swapped: bool
    what: str
    remedy: str


_SWAP = "outputs[:, self._flip_indices]"
_MISTAKES = (
    _Mistake(
        is_mirrored=True,
        is_swapped=False,
        what="mirrors x, but does not exchange left and right joints",
        remedy=f"index the joints by self._flip_indices, as in {_SWAP}",
    ),
    _Mistake(
        is_mirrored=False,
        is_swapped=True,
        what="exchanges left and right joints, but does not mirror x",
        remedy="mirror x, too: .flip(-1) for maps and bins, 1 - 1 / width - x for shares of it",
    ),
    _Mistake(
        is_mirrored=False,
        is_swapped=False,
        what="neither mirrors x nor exchanges left and right joints",
        remedy=f"do both, as in {_SWAP}.flip(-1) for heatmaps",
    ),
)


class _Trial(NamedTuple):
    """Keypoints (n, k, 2) and scores (n, k): decoded as they are, and after `flip_back`."""

    keypoints: Tensor
    scores: Tensor
    flipped: Tensor
    flipped_scores: Tensor


@torch.no_grad()
def check_flip_back(method: PoseMethod, outputs: Any, where: str) -> None:
    """Compare `flip_back` with a mirror image of the decoded keypoints.

    Nothing is compared where the flip test is never run, or where one place is decoded for all.

    Args:
        outputs: of `forward`, for a batch of crops.
        where: for the error message.
    Raises: InputError saying what `flip_back` leaves out.
    """
    if method.skeleton.flip_problem:
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        noised_outputs = [_add_noise(outputs) for _ in range(_NUM_DRAWS)]
    try:
        noised = _run_trials(method, noised_outputs)
    except Exception:  # `decode` may refuse outputs that its network never computes
        return
    swap = method.skeleton.flip_indices
    in_pairs = torch.from_numpy(swap != range(len(swap)))
    # Joints on the midline tell nothing of the exchange.
    is_compared = in_pairs if in_pairs.any() else ~in_pairs
    is_found = _find_found(noised.keypoints)
    is_found = is_found & is_found[:, swap] & is_compared
    if not is_found.any():
        return
    error = _measure_error(method, noised, is_found, is_mirrored=True, is_swapped=True)
    if error > _MIN_ERROR_PX:
        others = [
            _measure_error(method, noised, is_found, mistake.is_mirrored, mistake.is_swapped)
            for mistake in _MISTAKES
        ]
        if min(others) <= _CLEAR * error:
            mistake = _MISTAKES[others.index(min(others))]
            raise InputError(where, f"flip_back {mistake.what}", mistake.remedy)
    _check_scores(method, noised, is_found, where)
    plain = _run_trials(method, [outputs])
    plain_error = _measure_error(method, plain, is_compared.expand(plain.scores.shape), True, True)
    if min(error, plain_error) > _FAR * min(method.input_wh):
        raise InputError(
            where,
            f"flip_back moves keypoints by {min(error, plain_error):.0f} px from where they are "
            "in the mirrored crop",
            "return the outputs for x mirrored to width - 1 - x px, with left and right exchanged",
        )


def _check_scores(method: PoseMethod, trial: _Trial, is_found: Tensor, where: str) -> None:
    """Raise InputError where keypoints are exchanged and their scores are not."""
    swap = method.skeleton.flip_indices
    error = (trial.flipped_scores - trial.scores[:, swap]).abs()[is_found].median()
    unswapped = (trial.flipped_scores - trial.scores).abs()[is_found].median()
    if error > 0 and unswapped <= _CLEAR * error:
        raise InputError(
            where,
            "flip_back exchanges left and right keypoints, but not what their scores are made of",
            "index every output by self._flip_indices",
        )


def _run_trials(method: PoseMethod, batches: list[Any]) -> _Trial:
    """Decode batches of outputs, as they are and after `flip_back`."""
    parts = [
        (*method.decode(outputs), *method.decode(method.flip_back(outputs))) for outputs in batches
    ]
    return _Trial(*(torch.cat(column).double() for column in zip(*parts, strict=True)))


def _add_noise(outputs: Any) -> Any:
    """Multiply outputs by random factors around 1; those that are all zero become 0 to 1."""
    if isinstance(outputs, tuple | list):
        return type(outputs)(map(_add_noise, outputs))
    if not isinstance(outputs, Tensor) or not outputs.is_floating_point():
        return outputs
    noise = torch.rand_like(outputs)
    if not outputs.any():
        return noise
    return outputs * (1 + _NOISE * (2 * noise - 1))


def _find_found(keypoints: Tensor) -> Tensor:
    """Return (n, k), whether a keypoint is not where decoding puts what it does not find."""
    points = keypoints.flatten(0, 1)
    _, places, counts = torch.unique(points, dim=0, return_inverse=True, return_counts=True)
    is_common = counts[places] > max(1.0, _COMMON * len(points))
    return ~is_common.view(keypoints.shape[:2])


def _measure_error(
    method: PoseMethod, trial: _Trial, is_used: Tensor, is_mirrored: bool, is_swapped: bool
) -> float:
    """Return the median distance, px, of flipped keypoints from what `flip_back` might mean."""
    expected = trial.keypoints
    if is_swapped:
        expected = expected[:, method.skeleton.flip_indices]
    if is_mirrored:
        x, y = expected.unbind(-1)
        expected = torch.stack([method.input_wh[0] - 1 - x, y], dim=-1)
    distance = (trial.flipped - expected).norm(dim=-1)
    return float(distance[is_used].median())
