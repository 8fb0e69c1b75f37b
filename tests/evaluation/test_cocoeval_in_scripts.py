"""`COCOeval` in scripts that do more than call `evaluate`, `accumulate` and `summarize`.

The loops of per-batch evaluators are rebuilt here and run with pycocotools' class and with ours;
everything they produce is equal to the last bit.
"""

import contextlib
import copy
import io
import re

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval as Original

from smallpose import COCOeval
from smallpose.core.errors import InputError

BOTH = (Original, COCOeval)


def make_coco(content):
    coco = COCO()
    coco.dataset = copy.deepcopy(content)
    coco.createIndex()
    return coco


def silently(script):
    """Return what the script returns, and what it printed without its times."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = script()
    return result, re.sub(r"t=\s*[\d.]+s", "t=", printed.getvalue())


def assert_equal(theirs, ours):
    for array in ("precision", "recall", "scores"):
        assert np.array_equal(ours.eval[array], theirs.eval[array]), array
    assert ours.eval["counts"] == theirs.eval["counts"]
    assert np.array_equal(ours.stats, theirs.stats)


def run_both(script):
    (theirs, their_text), (ours, our_text) = (silently(lambda k=k: script(k)) for k in BOTH)
    assert_equal(theirs, ours)
    assert our_text == their_text
    return theirs, ours


@pytest.fixture
def datasets(crowded_dataset):
    made = (crowded_dataset(seed, images=7, people=6) for seed in range(300, 330))
    return [dataset for dataset in made if dataset.results]


def split_ids(dataset, num_parts):
    ids = np.random.default_rng(0).permutation([i["id"] for i in dataset.coco["images"]])
    return [part.tolist() for part in np.array_split(ids, num_parts) if len(part)]


def load_batch(truth, dataset, batch):
    some = [dict(one) for one in dataset.results if one["image_id"] in batch]
    return truth.loadRes(some) if some else COCO()


def merge_batches(scorer, image_ids, records):
    """Join the records of all batches, each image once and in the order of ids."""
    merged = np.concatenate(records, axis=2)
    ids, first = np.unique(image_ids, return_index=True)
    scorer.evalImgs = list(merged[..., first].flatten())
    scorer.params.imgIds = list(ids)
    scorer._paramsEval = copy.deepcopy(scorer.params)
    scorer.accumulate()
    scorer.summarize()
    return scorer


def evaluate_like_torchvision(kind, dataset, num_parts=3):
    """One scorer; `evaluate` per batch, records reshaped to (categories, ranges, images)."""
    truth = make_coco(dataset.coco)
    scorer = kind(truth, iouType="keypoints")
    image_ids, records = [], []
    for batch in split_ids(dataset, num_parts):
        scorer.cocoDt = load_batch(truth, dataset, batch)
        scorer.params.imgIds = list(batch)
        scorer.evaluate()
        shape = (-1, len(scorer.params.areaRng), len(scorer.params.imgIds))
        image_ids += scorer.params.imgIds
        records.append(np.asarray(scorer.evalImgs, dtype=object).reshape(shape))
    return merge_batches(scorer, image_ids, records)


def evaluate_like_detr(kind, dataset, num_parts=3):
    """A loop of its own in place of `evaluate`, with the steps that it consists of."""
    truth = make_coco(dataset.coco)
    scorer = kind(truth, iouType="keypoints")
    image_ids, records = [], []
    for batch in split_ids(dataset, num_parts):
        scorer.cocoDt = load_batch(truth, dataset, batch)
        p = scorer.params
        p.imgIds = list(np.unique(batch))
        p.catIds = list(np.unique(p.catIds))
        p.maxDets = sorted(p.maxDets)
        scorer.params = p
        scorer._prepare()
        scorer.ious = {(i, c): scorer.computeOks(i, c) for i in p.imgIds for c in p.catIds}
        made = [
            scorer.evaluateImg(i, c, area_range, p.maxDets[-1])
            for c in p.catIds
            for area_range in p.areaRng
            for i in p.imgIds
        ]
        scorer._paramsEval = copy.deepcopy(scorer.params)
        image_ids += p.imgIds
        shape = (len(p.catIds), len(p.areaRng), len(p.imgIds))
        records.append(np.asarray(made, dtype=object).reshape(shape))
    return merge_batches(scorer, image_ids, records)


@pytest.mark.parametrize("loop", [evaluate_like_torchvision, evaluate_like_detr])
def test_per_batch_evaluators_give_the_numbers_of_pycocotools_and_of_one_batch(loop, datasets):
    for dataset in datasets:
        theirs, ours = run_both(lambda kind, dataset=dataset: loop(kind, dataset))
        whole, _ = silently(lambda dataset=dataset: loop(COCOeval, dataset, num_parts=1))
        assert_equal(whole, ours)
        for a, b in zip(theirs.evalImgs, ours.evalImgs, strict=True):
            assert (a is None) == (b is None)
            for name in a or ():
                assert np.array_equal(np.asarray(b[name]), np.asarray(a[name])), name


def test_several_categories_and_more_thresholds_per_batch(datasets):
    def script(kind, dataset):
        scorer = evaluate_like_torchvision(kind, dataset)
        scorer.params.iouThrs = np.linspace(0.3, 0.95, 23)
        scorer.params.maxDets = [5, 1, 20]
        scorer.params.imgIds = [i["id"] for i in dataset.coco["images"]]
        scorer.cocoDt = scorer.cocoGt.loadRes(copy.deepcopy(dataset.results))
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
        return scorer

    rng = np.random.default_rng(1)
    for dataset in datasets[:6]:
        person = dataset.coco["categories"][0]
        dataset.coco["categories"] = [person, {**person, "id": 9, "name": "climber"}]
        for one in (*dataset.coco["annotations"], *dataset.results):
            one["category_id"] = int(rng.choice([1, 9]))
        run_both(lambda kind, dataset=dataset: script(kind, dataset))
        run_both(lambda kind, dataset=dataset: evaluate_like_detr(kind, dataset))


def run(kind, truth, results, *arguments, change=lambda scorer: None, **options):
    scorer = kind(truth, results, "keypoints", *arguments, **options)
    change(scorer)
    scorer.evaluate()
    scorer.accumulate()
    scorer.summarize()
    return scorer


def test_methods_that_a_subclass_replaces_are_used(datasets):
    def make_subclass(kind):
        class Halved(kind):
            def computeOks(self, imgId, catId):
                oks = super().computeOks(imgId, catId)
                return oks * 0.75 if len(oks) else oks

            def _prepare(self):
                super()._prepare()
                for people in self._gts.values():
                    people[0]["ignore"] = 1

            def evaluateImg(self, imgId, catId, aRng, maxDet):
                record = super().evaluateImg(imgId, catId, aRng, maxDet)
                if record is not None:
                    record["dtScores"] = [round(score, 1) for score in record["dtScores"]]
                return record

        return Halved

    for dataset in datasets[:8]:

        def script(kind, dataset=dataset):
            truth = make_coco(dataset.coco)
            results = truth.loadRes(copy.deepcopy(dataset.results))
            return run(make_subclass(kind), truth, results)

        _, ours = run_both(script)
        plain, _ = silently(
            lambda dataset=dataset: run(
                COCOeval,
                make_coco(dataset.coco),
                make_coco(dataset.coco).loadRes(copy.deepcopy(dataset.results)),
            )
        )
        assert not np.array_equal(plain.eval["precision"], ours.eval["precision"])


def test_records_that_a_script_changes_count(datasets):
    def script(kind, dataset):
        truth = make_coco(dataset.coco)
        scorer = kind(truth, truth.loadRes(copy.deepcopy(dataset.results)), "keypoints")
        scorer.evaluate()
        for record in scorer.evalImgs:
            if record is not None:
                record["dtIgnore"][:] = record["dtIgnore"] | (np.array(record["dtScores"]) < 0.5)
        scorer.evalImgs[0] = None
        scorer.accumulate()
        scorer.summarize()
        return scorer

    for dataset in datasets[:8]:
        run_both(lambda kind, dataset=dataset: script(kind, dataset))


def test_fewer_images_and_limits_can_be_accumulated_than_were_evaluated(datasets):
    def script(kind, dataset):
        truth = make_coco(dataset.coco)
        scorer = kind(truth, truth.loadRes(copy.deepcopy(dataset.results)), "keypoints")
        scorer.params.maxDets = [3, 20]
        scorer.evaluate()
        few = copy.deepcopy(scorer.params)
        few.imgIds, few.areaRng, few.maxDets = few.imgIds[:4], few.areaRng[:2], [20]
        few.recThrs = np.linspace(0, 1, 11)
        scorer.accumulate(few)
        scorer.stats = []
        return scorer

    for dataset in datasets[:8]:
        run_both(lambda kind, dataset=dataset: script(kind, dataset))


def test_the_images_that_are_named_are_accumulated(datasets):
    """pycocotools takes the first ones, whichever are named."""
    for dataset in datasets[:4]:
        last = sorted(i["id"] for i in dataset.coco["images"])[-2:]

        def script(kind, dataset=dataset, chosen=last, before=True):
            truth = make_coco(dataset.coco)
            scorer = kind(truth, truth.loadRes(copy.deepcopy(dataset.results)), "keypoints")
            if before:
                scorer.params.imgIds = chosen
            scorer.evaluate()
            scorer.params.imgIds = chosen
            scorer.accumulate()
            return scorer.eval["precision"]

        right, _ = silently(lambda script=script: script(Original))
        ours, _ = silently(lambda script=script: script(COCOeval, before=False))
        assert np.array_equal(ours, right)


def test_the_call_of_xtcocotools_scales_by_the_box(crowded_dataset):
    """Sigmas and `use_area` come after the kind; the reference is pycocotools on such areas."""
    sigmas = np.linspace(0.03, 0.1, 17)
    for seed in range(340, 350):
        dataset = crowded_dataset(seed)
        if not dataset.results:
            continue
        scaled = copy.deepcopy(dataset.coco)
        for person in scaled["annotations"]:
            person["area"] = person["bbox"][2] * person["bbox"][3] * 0.53

        def set_sigmas(scorer):
            scorer.params.kpt_oks_sigmas = sigmas

        truth = make_coco(scaled)
        results = copy.deepcopy(dataset.results)
        expected, _ = silently(
            lambda truth=truth, results=results: run(
                Original, truth, truth.loadRes(results), change=set_sigmas
            )
        )
        for person in dataset.coco["annotations"]:
            del person["area"]
        truth, results = make_coco(dataset.coco), copy.deepcopy(dataset.results)
        for arguments in ((sigmas, False), ()):
            options = {} if arguments else {"sigmas": sigmas, "use_area": False}
            ours, _ = silently(
                lambda truth=truth, results=results, a=arguments, o=options: run(
                    COCOeval, truth, truth.loadRes(results), *a, **o
                )
            )
            assert_equal(expected, ours)


def test_crowding_is_summarized_as_by_xtcocotools(crowded_dataset):
    """Three more numbers: the mean precision of images below .2, below .8 and from there on."""
    dataset = crowded_dataset(341, images=9, people=6)
    index = [0.0, 0.19, 0.1, 0.2, 0.5, 0.79, 0.8, 1.0, 1.3]
    for image, value in zip(dataset.coco["images"], index, strict=True):
        image["crowdIndex"] = value
    truth = make_coco(dataset.coco)
    results = silently(lambda: truth.loadRes(copy.deepcopy(dataset.results)))[0]

    def script(kind, images=None, iou="keypoints"):
        scorer = kind(truth, results, iou)
        if images is not None:
            scorer.params.imgIds = images
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
        return scorer

    ids = [image["id"] for image in dataset.coco["images"]]
    whole = silently(lambda: script(Original))[0].stats
    expected = [*whole[[0, 1, 2, 5, 6, 7]]]
    for start in (0, 3, 6):
        part = silently(lambda start=start: script(Original, ids[start : start + 3]))[0]
        expected.append(round(np.mean(part.eval["precision"][:, :, :, 0, :]), 4))
    ours, text = silently(lambda: script(COCOeval, iou="keypoints_crowd"))
    assert ours.stats.tolist() == expected
    assert re.search(r"type=  easy \| maxDets= 20 \] = ", text)
    del truth.dataset["images"][2]["crowdIndex"]
    with pytest.raises(InputError, match="no crowdIndex"):
        silently(lambda: script(COCOeval, iou="keypoints_crowd"))


def test_files_that_other_evaluators_accept_are_scored(datasets):
    """Without `iscrowd`, `area` and `num_keypoints`, and with whole numbers as floats."""
    for dataset in datasets[:8]:
        bare, complete = copy.deepcopy(dataset.coco), copy.deepcopy(dataset.coco)
        for one, other in zip(bare["annotations"], complete["annotations"], strict=True):
            for name in ("iscrowd", "area", "num_keypoints"):
                del one[name]
            one["image_id"] = float(one["image_id"])
            other["iscrowd"] = 0
            other["area"] = other["bbox"][2] * other["bbox"][3]
            other["num_keypoints"] = sum(v > 0 for v in other["keypoints"][2::3])
        results = copy.deepcopy(dataset.results)
        expected, _ = silently(
            lambda complete=complete, results=results: run(
                Original, make_coco(complete), make_coco(complete).loadRes(copy.deepcopy(results))
            )
        )
        truth = make_coco(bare)
        loaded, _ = silently(lambda t=truth, r=results: t.loadRes(copy.deepcopy(r)))
        for given in (loaded, results):  # a plain list, too
            ours, _ = silently(lambda t=truth, given=given: run(COCOeval, t, given))
            assert_equal(expected, ours)


def test_an_empty_list_of_results_is_scored(datasets):
    truth = make_coco(datasets[0].coco)
    for results in ([], COCO()):
        ours, _ = silently(lambda results=results: run(COCOeval, truth, results))
        assert ours.stats[0] == ours.stats[5] == 0


def test_annotation_id_0_is_matched_in_joined_records_too(crowded_dataset):
    dataset = crowded_dataset(11, images=5, people=6)
    right, _ = silently(lambda: evaluate_like_torchvision(Original, dataset))
    shifted = copy.deepcopy(dataset)
    lowest = min(a["id"] for a in dataset.coco["annotations"])
    for annotation in shifted.coco["annotations"]:
        annotation["id"] -= lowest
    ours, _ = silently(lambda: evaluate_like_torchvision(COCOeval, shifted))
    assert np.array_equal(ours.stats, right.stats)
