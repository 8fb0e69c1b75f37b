"""`COCOeval` for scripts written for pycocotools: the same calls, arrays and printed summary.

Keypoints only. Two differences are on purpose: an annotation with id 0 can be matched, and the
summary is of the largest of `params.maxDets` where 20 is not among them.
"""

import copy
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.matching.arrays import Floats, ImageGroups, Ints, Poses
from smallpose.evaluation.matching.greedy import MAX_THRESHOLDS, match_detections, match_greedily
from smallpose.evaluation.matching.image_groups import group_rows
from smallpose.evaluation.matching.keypoint_selection import round_like_coco
from smallpose.evaluation.matching.oks import compute_oks, find_candidates
from smallpose.evaluation.scoring.precision_recall import (
    RECALLS,
    THRESHOLDS,
    Curves,
    average_valid,
    compute_curves,
)


class Params:
    """pycocotools' parameters of a keypoint evaluation, under their own names."""

    def __init__(self, iouType: str = "keypoints") -> None:
        if iouType != "keypoints":
            raise InputError(
                f"COCOeval, iouType {iouType!r}",
                "only keypoints are scored",
                "use pycocotools for others",
            )
        self.iouType = iouType
        self.imgIds: list[int] = []
        self.catIds: list[int] = []
        self.iouThrs = THRESHOLDS.copy()
        self.recThrs = RECALLS.copy()
        self.maxDets = [20]
        self.areaRng: list[Any] = [[0, 1e5**2], [32**2, 96**2], [96**2, 1e5**2]]
        self.areaRngLbl = ["all", "medium", "large"]
        self.useCats = 1
        self.useSegm = None
        self.kpt_oks_sigmas = round_like_coco(COCO17.sigmas)


class COCOeval:
    """A drop-in replacement for `pycocotools.cocoeval.COCOeval(cocoGt, cocoDt, "keypoints")`.

    Args:
        cocoGt, cocoDt: pycocotools' `COCO` objects, or anything with its `getImgIds`,
            `getCatIds`, `getAnnIds` and `loadAnns`.
    """

    def __init__(
        self,
        cocoGt: Any = None,
        cocoDt: Any = None,
        iouType: str = "keypoints",
    ) -> None:
        self.cocoGt, self.cocoDt = cocoGt, cocoDt
        self.params = Params(iouType)
        self.eval: dict[str, Any] = {}
        self.stats: Any = []
        self._paramsEval: Any = {}
        self._categories: list[_Category] = []
        if cocoGt is not None:
            self.params.imgIds = sorted(cocoGt.getImgIds())
            self.params.catIds = sorted(cocoGt.getCatIds())

    def evaluate(self) -> None:
        """Match detections with people, image by image."""
        started = time.time()
        print("Running per image evaluation...")
        p = self.params
        print(f"Evaluate annotation type *{p.iouType}*")
        p.imgIds = list(np.unique(p.imgIds))
        if p.useCats:
            p.catIds = list(np.unique(p.catIds))
        p.maxDets = sorted(p.maxDets)
        groups = [[c] for c in p.catIds] if p.useCats else [list(p.catIds)]
        self._categories = [_Category(self.cocoGt, self.cocoDt, p, c) for c in groups]
        self._paramsEval = copy.deepcopy(p)
        self.eval = {}
        print(f"DONE (t={time.time() - started:0.2f}s).")

    def accumulate(self, p: Params | None = None) -> None:
        """Fill `eval` with precision (T, R, K, A, M), recall (T, K, A, M) and scores."""
        print("Accumulating evaluation results...")
        started = time.time()
        if not self._categories:
            print("Please run evaluate() first")
        evaluated = self._paramsEval
        recalls = (self.params if p is None else p).recThrs
        sizes = (len(evaluated.iouThrs), len(recalls), len(self._categories))
        shape = (*sizes, len(evaluated.areaRng), len(evaluated.maxDets))
        precision, scores = -np.ones(shape), -np.ones(shape)
        recall = -np.ones((shape[0], *shape[2:]))
        for k, category in enumerate(self._categories):
            for m, max_detections in enumerate(evaluated.maxDets):
                for a, curves in enumerate(category.compute_curves(max_detections, recalls)):
                    precision[:, :, k, a, m] = curves.precision
                    recall[:, k, a, m] = curves.recall
                    scores[:, :, k, a, m] = curves.scores
        self.eval = {
            "params": self.params if p is None else p,
            "counts": list(shape),
            "date": time.strftime("%Y-%m-%d %H:%M:%S"),
            "precision": precision,
            "recall": recall,
            "scores": scores,
        }
        print(f"DONE (t={time.time() - started:0.2f}s).")

    def summarize(self) -> None:
        """Print the ten numbers of COCO's keypoint task and keep them in `stats`."""
        if not self.eval:
            raise Exception("Please run accumulate() first")
        rows: list[tuple[int, float | None, str]] = []
        for precision in (1, 0):
            rows += [(precision, None, "all"), (precision, 0.5, "all"), (precision, 0.75, "all")]
            rows += [(precision, None, "medium"), (precision, None, "large")]
        self.stats = np.array([self._summarize_one(*row) for row in rows])

    def _summarize_one(self, precision: int, threshold: float | None, size: str) -> float:
        p = self.params
        max_detections = 20 if 20 in p.maxDets else p.maxDets[-1]
        values = self.eval["precision" if precision else "recall"]
        if threshold is not None:
            values = values[np.where(threshold == p.iouThrs)[0]]
        sizes = [i for i, label in enumerate(p.areaRngLbl) if label == size]
        values = values[..., sizes, [i for i, n in enumerate(p.maxDets) if n == max_detections]]
        mean = average_valid(values)
        value = -1 if mean is None else mean
        name = "Average Precision (AP)" if precision else "Average Recall    (AR)"
        span = f"{p.iouThrs[0]:0.2f}:{p.iouThrs[-1]:0.2f}"
        iou = span if threshold is None else f"{threshold:0.2f}"
        conditions = f"IoU={iou:<9} | area={size:>6s} | maxDets={max_detections:>3d}"
        print(f" {name[:18]:<18} {name[-4:]} @[ {conditions} ] = {value:0.3f}")
        return value

    @property
    def ious(self) -> dict[tuple[int, int], Any]:
        """Return the OKS of the best detections with all people, by (image, category)."""
        matrices: dict[tuple[int, int], Any] = {}
        for category in self._categories:
            matrices |= category.compute_matrices()
        return matrices

    @property
    def evalImgs(self) -> list[dict[str, Any] | None]:
        """Return the record of each image, by category, area range and image."""
        return [record for category in self._categories for record in category.make_records()]

    def __str__(self) -> str:
        self.summarize()
        return ""


class _Category:
    """The columns of one category, matched."""

    def __init__(self, truth: Any, results: Any, p: Params, categories: list[int]) -> None:
        self.p = copy.deepcopy(p)
        self.category = categories[0] if p.useCats else -1
        gts = truth.loadAnns(truth.getAnnIds(imgIds=p.imgIds, catIds=categories))
        dts = results.loadAnns(results.getAnnIds(imgIds=p.imgIds, catIds=categories))
        self.gt_ids = np.array([g["id"] for g in gts], dtype=np.int64)
        self.dt_ids = np.array([d["id"] for d in dts], dtype=np.int64)
        self.scores = np.array([d["score"] for d in dts], dtype=np.float64)
        self.groups = _group_records(p, gts, dts, self.scores)
        self.poses = _collect_poses(p, gts, dts)
        is_empty = np.array([g["num_keypoints"] == 0 for g in gts], dtype=bool)
        low, high = np.array([r[:2] for r in p.areaRng], dtype=np.float64).T[:, :, None]
        area = self.poses.area
        self.classes = (area >= low) & (area <= high) & ~(self.poses.is_crowd | is_empty)
        area = np.array([d["area"] for d in dts], dtype=np.float64)[self.groups.detections]
        self.is_in_range = (area >= low) & (area <= high)
        self.thresholds = np.asarray(p.iouThrs, dtype=np.float64)
        self.slices = [
            slice(i, i + MAX_THRESHOLDS) for i in range(0, len(self.thresholds), MAX_THRESHOLDS)
        ]
        self.matches = [
            match_detections(self.groups, self.poses, self.classes, self.thresholds[some])
            for some in self.slices
        ]

    def compute_curves(self, max_detections: int, recalls: Floats) -> Iterator[Curves]:
        """Yield the curves of each area range."""
        scores = self.scores[self.groups.detections]
        order = np.argsort(-scores, kind="stable")
        order = order[self.groups.rank[order] < max_detections]
        for a, is_member in enumerate(self.classes):
            parts = []
            for matches, some in zip(self.matches, self.slices, strict=True):
                is_unmatched = ~(matches.true_positives[a] | matches.ignored[a])
                parts.append(
                    compute_curves(
                        order,
                        scores,
                        true_positives=matches.true_positives[a],
                        false_positives=is_unmatched * self.is_in_range[a],
                        num_people=int(np.count_nonzero(is_member)),
                        num_thresholds=len(self.thresholds[some]),
                        recalls=recalls,
                    )
                )
            yield Curves(
                precision=np.concatenate([part.precision for part in parts]),
                recall=np.concatenate([part.recall for part in parts]),
                scores=np.concatenate([part.scores for part in parts]),
            )

    def _get_detections(self, image: int) -> Ints:
        """Return positions in the groups of an image's detections."""
        first, last = np.searchsorted(self.groups.detection_image, [image, image + 1])
        return np.arange(first, last)

    def _get_people(self, image: int) -> Ints:
        """Return rows of an image's people."""
        start = self.groups.people_start
        return self.groups.people[start[image] : start[image + 1]]

    def compute_matrices(self) -> dict[tuple[int, int], Any]:
        """Return OKS matrices as pycocotools keeps them: an empty list where a side is empty."""
        matrices: dict[tuple[int, int], Any] = {}
        poses = self.poses
        for index, image in enumerate(self.p.imgIds):
            d, g = self.groups.detections[self._get_detections(index)], self._get_people(index)
            matrices[image, self.category] = []
            if len(d) and len(g):
                matrices[image, self.category] = compute_oks(
                    poses.detections[d],
                    poses.keypoints[g],
                    poses.boxes_xywh[g],
                    poses.area[g],
                    poses.sigmas,
                )
        return matrices

    def make_records(self) -> Iterable[dict[str, Any] | None]:
        """Yield pycocotools' `evalImgs` of this category."""
        shape = (len(self.classes), len(self.thresholds), len(self.groups.detections))
        partner = np.full(shape, -1, dtype=np.intp)
        candidates = find_candidates(self.groups, self.poses, float(self.thresholds.min()))
        for some in self.slices:
            match_greedily(
                candidates,
                self.groups.rank,
                self.classes,
                self.poses.is_crowd,
                self.thresholds[some],
                partner[:, some],
            )
        for a in range(len(self.classes)):
            for index, image in enumerate(self.p.imgIds):
                yield self._make_record(a, index, image, partner[a])

    def _make_record(self, a: int, index: int, image: int, partner: Ints) -> dict[str, Any] | None:
        d, g = self._get_detections(index), self._get_people(index)
        if not len(d) and not len(g):
            return None
        is_member = self.classes[a]
        g = g[np.argsort(~is_member[g], kind="stable")]
        matched = partner[:, d]
        is_matched = matched >= 0
        gt_matches = np.zeros((len(matched), len(g)))
        position = {row: i for i, row in enumerate(g.tolist())}
        for t, i in np.argwhere(is_matched):
            gt_matches[t, position[int(matched[t, i])]] = self.dt_ids[self.groups.detections[d[i]]]
        matched_ids = self.gt_ids[matched] if len(g) else 0
        is_ignored = ~is_member[matched] if len(g) else False
        return {
            "image_id": image,
            "category_id": self.category,
            "aRng": self.p.areaRng[a],
            "maxDet": self.p.maxDets[-1],
            "dtIds": self.dt_ids[self.groups.detections[d]].tolist(),
            "gtIds": self.gt_ids[g].tolist(),
            "dtMatches": np.where(is_matched, matched_ids, 0).astype(float),
            "gtMatches": gt_matches,
            "dtScores": self.scores[self.groups.detections[d]].tolist(),
            "gtIgnore": (~is_member[g]).astype(int),
            "dtIgnore": np.where(is_matched, is_ignored, ~self.is_in_range[a, d]),
        }


def _collect_poses(p: Params, gts: list[Any], dts: list[Any]) -> Poses:
    sigmas = np.asarray(p.kpt_oks_sigmas, dtype=np.float64)
    k = len(sigmas)
    keypoints = _collect_values((g["keypoints"] for g in gts), 3 * k)
    detections = _collect_values((d["keypoints"] for d in dts), 3 * k)
    return Poses(
        detections=detections.reshape(len(dts), k, 3),
        keypoints=keypoints.reshape(len(gts), k, 3),
        boxes_xywh=_collect_values((g["bbox"] for g in gts), 4),
        area=np.array([g["area"] for g in gts], dtype=np.float64),
        is_crowd=np.array([bool(g.get("iscrowd", 0)) for g in gts], dtype=bool),
        sigmas=sigmas,
    )


def _collect_values(rows: Iterable[Any], width: int) -> Floats:
    values = np.array(list(rows), dtype=np.float64)
    if values.size and values.shape[1:] != (width,):
        raise InputError(
            "COCOeval",
            f"{values.shape[-1]} values in a record instead of {width}",
            "set params.kpt_oks_sigmas to one sigma per keypoint",
        )
    return values.reshape(-1, width)


def _group_records(p: Params, gts: list[Any], dts: list[Any], scores: Floats) -> ImageGroups:
    # By a dict, since ids may be text.
    index = {image: i for i, image in enumerate(p.imgIds)}
    people_image = np.array([index[g["image_id"]] for g in gts], dtype=np.intp)
    detection_image = np.array([index[d["image_id"]] for d in dts], dtype=np.intp)
    return group_rows(np.arange(len(index)), people_image, detection_image, scores, p.maxDets[-1])
