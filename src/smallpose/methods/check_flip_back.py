"""Check that a user's `flip_back` mirrors x and exchanges left and right.

Nothing else shows such a mistake: shapes fit, the loss falls, and only the flip test loses points.
Decoding the outputs of a mirrored crop after `flip_back` gives the mirror image of what decoding
them as they are gives, with left and right joints exchanged. That holds for any outputs, also for
those of untrained weights, up to the grid of the outputs: whether `flip_back` moves maps by a
column or not, keypoints differ by less than a cell.
"""

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from smallpose.core.errors import InputError
from smallpose.methods.base import PoseMethod
from smallpose.methods.decoded_shares import refuse_decoded_shares
from smallpose.methods.flip_test import map_tensors

_NUM_DRAWS = 8
# Outputs of untrained weights are often equal everywhere: their maximum is then anywhere, and all
# joints are in one place. Factors keep zeros, signs and, nearly, sums of shares.
_NOISE = 0.5
# Added where keypoints stay near the middle; maps are steep enough then for any expectation.
_MORE_NOISE = (3.0, 30.0, 300.0)
_WIDE = 1 / 8  # of the crop's width: median distance from its middle that tells a mirror image
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
    Shares of the crop in place of px are refused first, since they would fit no mirror image.

    Args:
        outputs: of `forward`, for a batch of crops.
        where: for the error message.
    Raises: InputError saying what `flip_back` leaves out, or that `decode` returns shares.
    """
    noised = _try_noised(method, outputs)
    if noised is None:
        return
    refuse_decoded_shares(noised.keypoints, where)
    if method.skeleton.flip_problem:
        return
    swap = method.skeleton.flip_indices
    in_pairs = torch.from_numpy(swap != range(len(swap)))
    # Joints on the midline tell nothing of the exchange.
    is_compared = in_pairs if in_pairs.any() else ~in_pairs
    is_found = _find_found(noised.keypoints)
    is_found = is_found & is_found[:, swap] & is_compared
    if not is_found.any():
        return
    deviation = _compute_deviation(method, noised, is_found)
    # A shift common to all is of the grid of the outputs. It must not be explained by a mistake:
    # untrained regressions and expectations over maps put all joints near the middle of the crop.
    spread = _compute_spread(deviation)
    if spread > _MIN_ERROR_PX:
        others = [
            _compute_spread(
                _compute_deviation(method, noised, is_found, one.is_mirrored, one.is_swapped)
            )
            for one in _MISTAKES
        ]
        if min(others) <= _CLEAR * spread:
            mistake = _MISTAKES[others.index(min(others))]
            raise InputError(where, f"flip_back {mistake.what}", mistake.remedy)
    _check_scores(method, noised, is_found, where)
    plain = _run_trials(method, [outputs])
    plain_deviation = _compute_deviation(method, plain, is_compared.expand(plain.scores.shape))
    error = min(map(_compute_median_length, (deviation, plain_deviation)))
    if error > _FAR * min(method.input_wh):
        raise InputError(
            where,
            f"flip_back moves keypoints by {error:.0f} px from where they are in the mirrored crop",
            "return the outputs for x mirrored to width - 1 - x px, with left and right exchanged",
        )


def _try_noised(method: PoseMethod, outputs: Any) -> _Trial | None:
    """Run trials with noised outputs, more and more until the keypoints are far from the middle.

    Near it a keypoint is its own mirror image: there expectations over maps of untrained weights
    put all of them.

    Returns: None where `decode` refuses outputs that its network never computes.
    """
    widest: _Trial | None = None
    for noise in (0.0, *_MORE_NOISE):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            noised = [map_tensors(partial(_add_noise, noise), outputs) for _ in range(_NUM_DRAWS)]
        try:
            trial = _run_trials(method, noised)
        except Exception:
            break
        if not all(bool(part.isfinite().all()) for part in trial):
            break
        if widest is None or _compute_width(method, trial) > _compute_width(method, widest):
            widest = trial
        if _compute_width(method, widest) >= _WIDE * method.input_wh[0]:
            break
    return widest


def _compute_width(method: PoseMethod, trial: _Trial) -> float:
    """Return the median distance of keypoints from the middle of the crop along x, px."""
    return float((trial.keypoints[..., 0] - (method.input_wh[0] - 1) / 2).abs().median())


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
    """Decode copies of outputs, as they are and after `flip_back`: both may change them."""
    parts = [
        (
            *method.decode(map_tensors(torch.clone, outputs)),
            *method.decode(method.flip_back(map_tensors(torch.clone, outputs))),
        )
        for outputs in batches
    ]
    return _Trial(*(torch.cat(column).double() for column in zip(*parts, strict=True)))


def _add_noise(more: float, outputs: Tensor) -> Tensor:
    """Multiply outputs by random factors around 1; those that are all zero become 0 to 1.

    Args:
        more: standard deviation of what is added to them as well.
    """
    if not outputs.is_floating_point():
        return outputs
    if more:
        return outputs + more * torch.randn_like(outputs)
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


def _compute_deviation(
    method: PoseMethod,
    trial: _Trial,
    is_used: Tensor,
    is_mirrored: bool = True,
    is_swapped: bool = True,
) -> Tensor:
    """Return (m, 2), px, from what `flip_back` might mean to each flipped keypoint that is used."""
    expected = trial.keypoints
    if is_swapped:
        expected = expected[:, method.skeleton.flip_indices]
    if is_mirrored:
        x, y = expected.unbind(-1)
        expected = torch.stack([method.input_wh[0] - 1 - x, y], dim=-1)
    return (trial.flipped - expected)[is_used]


def _compute_spread(deviation: Tensor) -> float:
    """Return the median length of deviations without the shift that is common to them."""
    return _compute_median_length(deviation - deviation.median(dim=0).values)


def _compute_median_length(vectors: Tensor) -> float:
    return float(vectors.norm(dim=-1).median())
