"""`COCOeval` for scripts written for pycocotools: the same calls, arrays and printed summary.

Keypoints only. Two differences are meant: an annotation with id 0 can be matched, and the summary
speaks of the largest of `params.maxDets` where 20 is not among them.
"""

import copy
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallpose.core.errors import InputError
from smallpose.core.skeleton import COCO17
from smallpose.evaluation.matching.greedy import MAX_THRESHOLDS, match_detections, match_greedily
from smallpose.evaluation.matching.image_groups import ImageGroups, group_rows
from smallpose.evaluation.matching.keypoint_selection import coco_doubles
from smallpose.evaluation.matching.oks import compute_oks, find_candidates
from smallpose.evaluation.scoring.precision_recall import RECALLS, THRESHOLDS, compute_curves

Floats = NDArray[np.float64]


class Params:
    """pycocotools' parameters of a keypoint evaluation, under their own names."""

    def __init__(self, iouType: str = "keypoints") -> None:
        if iouType != "keypoints":
            raise InputError(
                f"COCOeval, iouType {iouType!r}", "only keypoints are scored", "use pycocotools"
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
        self.kpt_oks_sigmas = coco_doubles(COCO17.sigmas)


class COCOeval:
    """Stands in for `pycocotools.cocoeval.COCOeval(cocoGt, cocoDt, "keypoints")`.

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
        self._scored: list[_Category] = []
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
        self._scored = [_Category(self.cocoGt, self.cocoDt, p, c) for c in groups]
        self._paramsEval = copy.deepcopy(p)
        self.eval = {}
        print(f"DONE (t={time.time() - started:0.2f}s).")

    def accumulate(self, p: Params | None = None) -> None:
        """Fill `eval` with precision (T, R, K, A, M), recall (T, K, A, M) and scores."""
        print("Accumulating evaluation results...")
        started = time.time()
        if not self._scored:
            print("Please run evaluate() first")
        evaluated = self._paramsEval
        recalls = (self.params if p is None else p).recThrs
        sizes = (len(evaluated.iouThrs), len(recalls), len(self._scored))
        shape = (*sizes, len(evaluated.areaRng), len(evaluated.maxDets))
        precision, scores = -np.ones(shape), -np.ones(shape)
        recall = -np.ones((shape[0], *shape[2:]))
        for k, category in enumerate(self._scored):
            for m, most in enumerate(evaluated.maxDets):
                for a, (one, reached, at) in enumerate(category.curves(most, recalls)):
                    precision[:, :, k, a, m] = one
                    recall[:, k, a, m] = reached
                    scores[:, :, k, a, m] = at
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
        self.stats = np.array([self._summary(*row) for row in rows])

    def _summary(self, precision: int, threshold: float | None, size: str) -> float:
        p = self.params
        most = 20 if 20 in p.maxDets else p.maxDets[-1]
        values = self.eval["precision" if precision else "recall"]
        if threshold is not None:
            values = values[np.where(threshold == p.iouThrs)[0]]
        sizes = [i for i, label in enumerate(p.areaRngLbl) if label == size]
        values = values[..., sizes, [i for i, n in enumerate(p.maxDets) if n == most]]
        there = values[values > -1]
        value = float(np.mean(there)) if len(there) else -1
        name = "Average Precision (AP)" if precision else "Average Recall    (AR)"
        span = f"{p.iouThrs[0]:0.2f}:{p.iouThrs[-1]:0.2f}"
        at = span if threshold is None else f"{threshold:0.2f}"
        where = f"IoU={at:<9} | area={size:>6s} | maxDets={most:>3d}"
        print(f" {name[:18]:<18} {name[-4:]} @[ {where} ] = {value:0.3f}")
        return value

    @property
    def ious(self) -> dict[tuple[int, int], Any]:
        """OKS of the best detections with all people, by (image, category)."""
        keys: dict[tuple[int, int], Any] = {}
        for category in self._scored:
            keys |= category.matrices()
        return keys

    @property
    def evalImgs(self) -> list[dict[str, Any] | None]:
        """What became of each image: by category, area range and image, made when asked for."""
        return [one for category in self._scored for one in category.images()]

    def __str__(self) -> str:
        self.summarize()
        return ""


class _Category:
    """The columns of one category, matched."""

    def __init__(self, truth: Any, found: Any, p: Params, categories: list[int]) -> None:
        self.p, self.category = copy.deepcopy(p), categories[0] if p.useCats else -1
        gts = truth.loadAnns(truth.getAnnIds(imgIds=p.imgIds, catIds=categories))
        dts = found.loadAnns(found.getAnnIds(imgIds=p.imgIds, catIds=categories))
        self.gt_ids = np.array([g["id"] for g in gts], dtype=np.int64)
        self.dt_ids = np.array([d["id"] for d in dts], dtype=np.int64)
        self.sigmas = np.asarray(p.kpt_oks_sigmas, dtype=np.float64)
        k3 = 3 * len(self.sigmas)
        self.keypoints = _table((g["keypoints"] for g in gts), k3).reshape(len(gts), k3 // 3, 3)
        self.found = _table((d["keypoints"] for d in dts), k3).reshape(len(dts), k3 // 3, 3)
        self.boxes = _table((g["bbox"] for g in gts), 4)
        self.area = np.array([g["area"] for g in gts], dtype=np.float64)
        self.crowd = np.array([bool(g.get("iscrowd", 0)) for g in gts], dtype=bool)
        empty = np.array([g["num_keypoints"] == 0 for g in gts], dtype=bool)
        self.scores = np.array([d["score"] for d in dts], dtype=np.float64)
        self.pairing = _pairing(p, gts, dts, self.scores)
        low, high = np.array([r[:2] for r in p.areaRng], dtype=np.float64).T[:, :, None]
        self.people = (self.area >= low) & (self.area <= high) & ~(self.crowd | empty)
        area = np.array([d["area"] for d in dts], dtype=np.float64)[self.pairing.found]
        self.reach = (area >= low) & (area <= high)
        self.thresholds = np.asarray(p.iouThrs, dtype=np.float64)
        self.slices = [
            slice(i, i + MAX_THRESHOLDS) for i in range(0, len(self.thresholds), MAX_THRESHOLDS)
        ]
        columns = (self.found, self.keypoints, self.boxes, self.area, self.crowd, self.sigmas)
        self.matches = [
            match_detections(self.pairing, *columns, self.people, self.thresholds[s])
            for s in self.slices
        ]

    def curves(self, most: int, recalls: Floats) -> Iterable[tuple[Floats, Floats, Floats]]:
        """Of each area range: (T, R) precision, (T,) recall, (T, R) scores."""
        scores = self.scores[self.pairing.found]
        order = np.argsort(-scores, kind="stable")
        order = order[self.pairing.rank[order] < most]
        for a, people in enumerate(self.people):
            count = int(np.count_nonzero(people))
            parts = []
            for matches, s in zip(self.matches, self.slices, strict=True):
                hit, absorbed = matches.hit[a], matches.absorbed[a]
                false = ~(hit | absorbed) * self.reach[a]
                number = len(self.thresholds[s])
                parts.append(compute_curves(order, scores, hit, false, count, number, recalls))
            yield (
                np.concatenate([c.precision for c in parts]),
                np.concatenate([c.recall for c in parts]),
                np.concatenate([c.scores for c in parts]),
            )

    def _best(self, image: int) -> NDArray[np.intp]:
        """Positions in the pairing of an image's detections."""
        first, last = np.searchsorted(self.pairing.found_image, [image, image + 1])
        return np.arange(first, last)

    def _people(self, image: int) -> NDArray[np.intp]:
        start = self.pairing.people_start
        return self.pairing.people[start[image] : start[image + 1]]

    def matrices(self) -> dict[tuple[int, int], Any]:
        """OKS matrices as pycocotools keeps them: an empty list where a side is empty."""
        out: dict[tuple[int, int], Any] = {}
        for number, image in enumerate(self.p.imgIds):
            d, g = self.pairing.found[self._best(number)], self._people(number)
            filled = len(d) and len(g)
            columns = (self.keypoints[g], self.boxes[g], self.area[g], self.sigmas)
            out[image, self.category] = compute_oks(self.found[d], *columns) if filled else []
        return out

    def images(self) -> Iterable[dict[str, Any] | None]:
        """pycocotools' `evalImgs` of this category."""
        shape = (len(self.people), len(self.thresholds), len(self.pairing.found))
        partner = np.full(shape, -1, dtype=np.intp)
        columns = (self.found, self.keypoints, self.boxes, self.area, self.sigmas)
        pairs = find_candidates(self.pairing, *columns, float(self.thresholds.min()))
        for s in self.slices:
            part = partner[:, s]
            here = self.thresholds[s]
            match_greedily(*pairs, self.pairing.rank, ~self.people, self.crowd, here, part)
        for a in range(len(self.people)):
            for number, image in enumerate(self.p.imgIds):
                yield self._image(a, number, image, partner[a])

    def _image(
        self, a: int, number: int, image: int, partner: NDArray[np.intp]
    ) -> dict[str, Any] | None:
        d, g = self._best(number), self._people(number)
        if not len(d) and not len(g):
            return None
        ignored = ~self.people[a, g]
        g = g[np.argsort(ignored, kind="stable")]
        took = partner[:, d]
        matched = took >= 0
        gt_matches = np.zeros((len(took), len(g)))
        place = {row: i for i, row in enumerate(g.tolist())}
        for t, i in np.argwhere(matched):
            gt_matches[t, place[int(took[t, i])]] = self.dt_ids[self.pairing.found[d[i]]]
        outside = ~self.reach[a, d]
        return {
            "image_id": image,
            "category_id": self.category,
            "aRng": self.p.areaRng[a],
            "maxDet": self.p.maxDets[-1],
            "dtIds": self.dt_ids[self.pairing.found[d]].tolist(),
            "gtIds": self.gt_ids[g].tolist(),
            "dtMatches": np.where(matched, self.gt_ids[took] if len(g) else 0, 0).astype(float),
            "gtMatches": gt_matches,
            "dtScores": self.scores[self.pairing.found[d]].tolist(),
            "gtIgnore": (~self.people[a, g]).astype(int),
            "dtIgnore": np.where(matched, ~self.people[a, took] if len(g) else False, outside),
        }


def _table(rows: Iterable[Any], width: int) -> Floats:
    values = np.array(list(rows), dtype=np.float64)
    if values.size and values.shape[1:] != (width,):
        raise InputError(
            "COCOeval",
            f"{values.shape[-1]} values in a record, {width} are due",
            "set params.kpt_oks_sigmas to one sigma per keypoint",
        )
    return values.reshape(-1, width)


def _pairing(p: Params, gts: list[Any], dts: list[Any], scores: Floats) -> ImageGroups:
    # By a dict, since ids may be words.
    number_of = {image: number for number, image in enumerate(p.imgIds)}
    of_people = np.array([number_of[g["image_id"]] for g in gts], dtype=np.intp)
    of_found = np.array([number_of[d["image_id"]] for d in dts], dtype=np.intp)
    return group_rows(np.arange(len(number_of)), of_people, of_found, scores, p.maxDets[-1])
