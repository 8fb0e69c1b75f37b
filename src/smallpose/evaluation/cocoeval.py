"""`COCOeval` for scripts written for pycocotools: the same calls, arrays and printed summary.

Keypoints only, which is also the default. Five differences are on purpose: an annotation with id 0
can be matched; the summary is of the largest of `params.maxDets` where 20 is not among them; a pose
with a NaN among the joints that a person has labels for never matches this person, where
pycocotools matches it at every threshold, since no comparison with NaN is true;
without `params.useCats` the categories are matched as one, where pycocotools matches nothing; and
`accumulate` of fewer images, categories or ranges than were evaluated takes the named ones, where
pycocotools takes the first ones.

Records and parameters are computed only when a script looks at them, so that `evaluate` and
`accumulate` alone are fast. Where a script replaces `_prepare`, `computeOks` or `evaluateImg`, or
assigns `ious` or `evalImgs`, what it says is used.
"""

import copy
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from smallpose.core.errors import InputError
from smallpose.evaluation.cocoeval_category import Category
from smallpose.evaluation.cocoeval_params import (
    Params,
    find_positions,
    is_changed,
    list_categories,
)
from smallpose.evaluation.cocoeval_records import (
    ResultList,
    accumulate_records,
    collect_areas,
    collect_poses,
    count_keypoints,
    get_area,
    make_record,
    match_image,
)
from smallpose.evaluation.matching.oks import compute_oks
from smallpose.evaluation.scoring.precision_recall import Curves, average_valid
from smallpose.evaluation.wholebody import (
    PART_TYPES,
    has_scored_joint,
    require_part_fields,
    take_part_of_people,
    take_part_of_results,
)

CROWD_LIMITS = (0.2, 0.8)  # of easy and medium in xtcocotools' summary
_REPLACEABLE = ("_prepare", "computeOks", "evaluateImg")


class COCOeval:
    """A drop-in replacement for `pycocotools.cocoeval.COCOeval(cocoGt, cocoDt, "keypoints")`.

    Args:
        cocoGt, cocoDt: pycocotools' `COCO` objects, or anything with its `getImgIds`,
            `getCatIds`, `getAnnIds` and `loadAnns`. Results may also be a plain list.
        iouType: "keypoints"; of xtcocotools' "keypoints_crowd" for the summary by CrowdIndex, and
            "keypoints_body", "_foot", "_face", "_lefthand", "_righthand" and "_wholebody" for the
            parts of COCO-WholeBody.
        sigmas: one per keypoint, as in xtcocotools; by default those of COCO's 17, or of the part.
        use_area: False takes 0.53 × width × height of the box as the area of people, as in
            xtcocotools for files without areas.
    """

    def __init__(
        self,
        cocoGt: Any = None,
        cocoDt: Any = None,
        iouType: str = "keypoints",
        sigmas: Any = None,
        use_area: bool = True,
    ) -> None:
        self.cocoGt = cocoGt
        self.cocoDt = ResultList(cocoDt) if isinstance(cocoDt, list) else cocoDt
        self.params = Params(iouType)
        if sigmas is not None:
            self.params.kpt_oks_sigmas = np.asarray(sigmas, dtype=np.float64)
        self.use_area = use_area
        self.eval: dict[str, Any] = {}
        self.stats: Any = []
        self._gts: dict[tuple[Any, Any], list[Any]] = defaultdict(list)
        self._dts: dict[tuple[Any, Any], list[Any]] = defaultdict(list)
        self._paramsEval: Any = {}
        self._categories: list[Category] = []
        self._records: Any = None
        self._matrices: Any = None
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
        self._prepare()
        self._matrices = None
        if any(_is_replaced(self, name) for name in _REPLACEABLE):
            self._categories = []
            categories = list_categories(p)
            self.ious = {(i, c): self.computeOks(i, c) for i in p.imgIds for c in categories}
            self.evalImgs = [
                self.evaluateImg(image, category, area_range, p.maxDets[-1])
                for category in categories
                for area_range in p.areaRng
                for image in p.imgIds
            ]
        else:
            self._categories = [
                Category(p, category, self._gts, self._dts, self.use_area)
                for category in list_categories(p)
            ]
            self._records = None
        self._paramsEval = copy.deepcopy(p)
        print(f"DONE (t={time.time() - started:0.2f}s).")

    def _prepare(self) -> None:
        """Load annotations and results by image and category, and mark the people to ignore."""
        p = self.params
        categories = {"catIds": p.catIds} if p.useCats else {}
        gts = self.cocoGt.loadAnns(self.cocoGt.getAnnIds(imgIds=p.imgIds, **categories))
        dts = self.cocoDt.loadAnns(self.cocoDt.getAnnIds(imgIds=p.imgIds, **categories))
        if p.iouType in PART_TYPES:
            where = f"COCOeval, {p.iouType}"
            remedy = "give files in the form of COCO-WholeBody, or use iouType 'keypoints'"
            for kind, records in (("annotation", gts), ("result", dts)):
                require_part_fields(kind, records, p.iouType, where, remedy)
            gts, dts = take_part_of_people(gts, p.iouType), take_part_of_results(dts, p.iouType)
        if p.iouType == "keypoints_crowd":
            dts = [dt for dt in dts if has_scored_joint(dt["keypoints"])]
        self._gts, self._dts = defaultdict(list), defaultdict(list)
        for gt in gts:
            gt["ignore"] = bool(gt.get("iscrowd", 0)) or count_keypoints(gt) == 0
            self._gts[gt["image_id"], gt["category_id"]].append(gt)
        for dt in dts:
            self._dts[dt["image_id"], dt["category_id"]].append(dt)
        self._categories = []
        self._records = None
        self.eval = {}

    def _collect(self, image: Any, category: Any) -> tuple[list[Any], list[Any]]:
        """Return the annotations of an image in file order and its results by falling score."""
        categories = [category] if self.params.useCats else self.params.catIds
        gts = [gt for c in categories for gt in self._gts[image, c]]
        dts = [dt for c in categories for dt in self._dts[image, c]]
        return gts, sorted(dts, key=lambda dt: -dt["score"])

    def computeOks(self, imgId: Any, catId: Any) -> Any:
        """Return the (d, g) OKS of an image's best results with its people; [] without either."""
        gts, dts = self._collect(imgId, catId)
        dts = dts[: self.params.maxDets[-1]]
        if not (gts and dts):
            return []
        poses = collect_poses(self.params.kpt_oks_sigmas, gts, dts, self.use_area)
        return compute_oks(
            poses.detections, poses.keypoints, poses.boxes_xywh, poses.area, poses.sigmas
        )

    def evaluateImg(self, imgId: Any, catId: Any, aRng: Any, maxDet: int) -> dict[str, Any] | None:
        """Match the results of one image in one area range; None without results and people."""
        gts, dts = self._collect(imgId, catId)
        if not (gts or dts):
            return None
        dts = dts[:maxDet]
        area = np.array([get_area(gt, self.use_area) for gt in gts], dtype=np.float64)
        is_ignored = np.array([bool(gt["ignore"]) for gt in gts], dtype=bool)
        is_member = ~is_ignored & (area >= aRng[0]) & (area <= aRng[1])
        for gt, is_counted in zip(gts, is_member.tolist(), strict=True):
            gt["_ignore"] = int(not is_counted)
        matrices = self.ious
        key = (imgId, catId)
        oks = matrices[key] if key in matrices else self.computeOks(imgId, catId)
        area = collect_areas(dts)
        return make_record(
            image=imgId,
            category=catId,
            area_range=aRng,
            max_detections=maxDet,
            gt_ids=[gt["id"] for gt in gts],
            dt_ids=[dt["id"] for dt in dts],
            scores=[dt["score"] for dt in dts],
            is_member=is_member,
            is_in_range=(area >= aRng[0]) & (area <= aRng[1]),
            partner=match_image(
                oks,
                is_member,
                np.array([bool(gt.get("iscrowd", 0)) for gt in gts], dtype=bool),
                len(dts),
                np.asarray(self.params.iouThrs, dtype=np.float64),
            ),
        )

    def accumulate(self, p: Params | None = None) -> None:
        """Fill `eval` with precision (T, R, K, A, M), recall (T, K, A, M) and scores."""
        print("Accumulating evaluation results...")
        started = time.time()
        if self._records is None and not self._categories:
            print("Please run evaluate() first")
        p = self.params if p is None else p
        sizes = (len(p.iouThrs), len(p.recThrs), len(list_categories(p)))
        shape = (*sizes, len(p.areaRng), len(p.maxDets))
        precision, scores = -np.ones(shape), -np.ones(shape)
        recall = -np.ones((shape[0], *shape[2:]))
        for (k, a, m), curves in self._compute_curves(p):
            precision[:, :, k, a, m] = curves.precision
            recall[:, k, a, m] = curves.recall
            scores[:, :, k, a, m] = curves.scores
        self.eval = {
            "params": p,
            "counts": list(shape),
            "date": time.strftime("%Y-%m-%d %H:%M:%S"),
            "precision": precision,
            "recall": recall,
            "scores": scores,
        }
        print(f"DONE (t={time.time() - started:0.2f}s).")

    def _compute_curves(self, p: Params) -> Iterator[tuple[tuple[int, int, int], Curves]]:
        """Yield the curves of each category, area range and limit that were evaluated.

        Each comes with its positions in the arrays of `eval`.
        """
        if self._records is None and not is_changed(p, self._paramsEval):
            for k, category in enumerate(self._categories):
                for m, max_detections in enumerate(p.maxDets):
                    for a, curves in enumerate(category.compute_curves(max_detections, p.recThrs)):
                        yield (k, a, m), curves
            return
        evaluated, records = self._paramsEval, self.evalImgs
        if not len(records):
            return
        categories = find_positions(list_categories(p), list_categories(evaluated))
        ranges = find_positions(*(list(map(tuple, q.areaRng)) for q in (p, evaluated)))
        images = find_positions(p.imgIds, evaluated.imgIds)
        limits = [n for n in p.maxDets if n in set(evaluated.maxDets)]
        num_ranges, num_images = len(evaluated.areaRng), len(evaluated.imgIds)
        for k, category_row in enumerate(categories):
            for a, range_row in enumerate(ranges):
                first = (category_row * num_ranges + range_row) * num_images
                selected = [records[first + image] for image in images]
                for m, max_detections in enumerate(limits):
                    accumulated = accumulate_records(selected, max_detections, p.recThrs)
                    if accumulated is not None:
                        yield (k, a, m), accumulated

    def summarize(self) -> None:
        """Print the ten numbers of COCO's keypoint task and keep them in `stats`."""
        if not self.eval:
            raise Exception("Please run accumulate() first")
        if self.params.iouType == "keypoints_crowd":
            self.stats = np.array([*self._summarize_all_sizes(), *self._summarize_crowding()])
            return
        rows: list[tuple[int, float | None, str]] = []
        for precision in (1, 0):
            rows += [(precision, None, "all"), (precision, 0.5, "all"), (precision, 0.75, "all")]
            rows += [(precision, None, "medium"), (precision, None, "large")]
        self.stats = np.array([self._summarize_one(*row) for row in rows])

    def _summarize_all_sizes(self) -> list[float]:
        return [
            self._summarize_one(precision, threshold, "all")
            for precision in (1, 0)
            for threshold in (None, 0.5, 0.75)
        ]

    def _summarize_crowding(self) -> list[float]:
        """Print AP of images by CrowdIndex as xtcocotools does, rounded as there."""
        images = {image["id"]: image for image in self.cocoGt.loadImgs(self.params.imgIds)}
        missing = [key for key, image in images.items() if image.get("crowdIndex") is None]
        if missing:
            raise InputError(
                f"COCOeval, image {missing[0]}", "no crowdIndex", 'use iouType "keypoints"'
            )
        p = self.params
        level = {
            key: int(np.searchsorted(CROWD_LIMITS, image["crowdIndex"], side="right"))
            for key, image in images.items()
        }
        means = []
        for index, name in enumerate(("easy", "medium", "hard")):
            some = copy.copy(p)
            some.imgIds = [image for image in p.imgIds if level[image] == index]
            shape = (len(p.iouThrs), len(p.recThrs), len(list_categories(p)), len(p.maxDets))
            precision = -np.ones(shape)
            for (k, a, m), curves in self._compute_curves(some):
                if a == 0:
                    precision[:, :, k, m] = curves.precision
            means.append(round(float(np.mean(precision)), 4))
            span = f"{p.iouThrs[0]:0.2f}:{p.iouThrs[-1]:0.2f}"
            conditions = f"IoU={span:<9} | type={name:>6s} | maxDets={20:>3d}"
            print(f" {'Average Precision':<18} (AP) @[ {conditions} ] = {means[-1]:0.3f}")
        return means

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
    def ious(self) -> Any:
        """The OKS of the best detections with all people, by (image, category)."""
        if self._matrices is None:
            self._matrices = {}
            for category in self._categories:
                self._matrices |= category.compute_matrices()
        return self._matrices

    @ious.setter
    def ious(self, matrices: Any) -> None:
        self._matrices = matrices

    @property
    def evalImgs(self) -> Any:
        """The record of each image, by category, area range and image."""
        if self._records is None:
            if not self._categories:
                return []
            self._records = [r for category in self._categories for r in category.make_records()]
        return self._records

    @evalImgs.setter
    def evalImgs(self, records: Any) -> None:
        self._records = records

    def __str__(self) -> str:
        self.summarize()
        return ""


def _is_replaced(scorer: COCOeval, name: str) -> bool:
    """Return whether a subclass or the script has put a method of its own in place of ours."""
    method = getattr(scorer, name)
    return getattr(method, "__func__", method) is not getattr(COCOeval, name)
