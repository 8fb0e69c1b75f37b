"""One category of a `COCOeval`: its records as columns, matched."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from smallpose.evaluation.cocoeval_params import Params
from smallpose.evaluation.cocoeval_records import (
    collect_areas,
    collect_poses,
    concat_curves,
    make_record,
)
from smallpose.evaluation.matching.arrays import Floats, ImageGroups, Ints
from smallpose.evaluation.matching.greedy import MAX_THRESHOLDS, match_detections, match_greedily
from smallpose.evaluation.matching.image_groups import group_rows
from smallpose.evaluation.matching.oks import compute_oks, find_candidates
from smallpose.evaluation.scoring.precision_recall import Curves, compute_curves


class Category:
    """The columns of one category, matched.

    Args:
        params: of the evaluation, which are copied.
        category: its id; -1 for all of them together.
        people, detections: the records of each image and category.
        use_area: as for `COCOeval`.
    """

    def __init__(
        self,
        params: Params,
        category: Any,
        people: Mapping[tuple[Any, Any], list[Any]],
        detections: Mapping[tuple[Any, Any], list[Any]],
        use_area: bool,
    ) -> None:
        p = copy.deepcopy(params)
        self.p, self.category = p, category
        categories = [category] if p.useCats else p.catIds
        keys = [(image, c) for image in p.imgIds for c in categories]
        gts = [gt for key in keys for gt in people.get(key, ())]
        dts = [dt for key in keys for dt in detections.get(key, ())]
        self.gt_ids, self.dt_ids = [gt["id"] for gt in gts], [dt["id"] for dt in dts]
        self.scores = np.array([dt["score"] for dt in dts], dtype=np.float64)
        self.groups = _group_records(p, gts, dts, self.scores)
        self.poses = collect_poses(p.kpt_oks_sigmas, gts, dts, use_area)
        is_ignored = np.array([bool(gt["ignore"]) for gt in gts], dtype=bool)
        low, high = np.array([r[:2] for r in p.areaRng], dtype=np.float64).T[:, :, None]
        area = self.poses.area
        self.classes = (area >= low) & (area <= high) & ~is_ignored
        area = collect_areas(dts)[self.groups.detections]
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
            yield concat_curves(parts)

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
        position = np.full(len(self.gt_ids) + 1, -1, dtype=np.intp)
        position[g] = np.arange(len(g))
        rows = self.groups.detections[d].tolist()
        return make_record(
            image=image,
            category=self.category,
            area_range=self.p.areaRng[a],
            max_detections=self.p.maxDets[-1],
            gt_ids=[self.gt_ids[row] for row in g.tolist()],
            dt_ids=[self.dt_ids[row] for row in rows],
            scores=self.scores[rows].tolist(),
            is_member=self.classes[a][g],
            is_in_range=self.is_in_range[a, d],
            partner=position[partner[:, d]],
        )


def _group_records(p: Params, gts: list[Any], dts: list[Any], scores: Floats) -> ImageGroups:
    # By a dict, since ids may be text.
    index = {image: i for i, image in enumerate(p.imgIds)}
    people_image = np.array([index[g["image_id"]] for g in gts], dtype=np.intp)
    detection_image = np.array([index[d["image_id"]] for d in dts], dtype=np.intp)
    return group_rows(np.arange(len(index)), people_image, detection_image, scores, p.maxDets[-1])
