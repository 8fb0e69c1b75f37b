"""`patch_pycocotools` serves code that cannot be edited, with equal bits, and can be undone.

The loops of torchvision, DETR, RF-DETR and torchmetrics are rebuilt here. They are defined before
any patch, so they have pycocotools' class from an import of their own, as code of others has.
"""

import contextlib
import copy
import io
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools import cocoeval
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import smallpose
from smallpose.core.errors import InputError
from smallpose.evaluation.cocoeval import COCOeval as Ours

pytest_plugins = ["smallpose.evaluation.pytest_plugin"]

KINDS = ("bbox", "segm", "keypoints")
ORIGINAL = COCOeval.__init__


@pytest.fixture(autouse=True)
def pycocotools_is_as_before_in_the_end():
    yield
    assert COCOeval.__init__ is ORIGINAL


@pytest.fixture(scope="module")
def datasets(crowded_dataset):
    made = (crowded_dataset(seed, images=6, people=5) for seed in range(400, 412))
    return [give_masks(dataset) for dataset in made if len(dataset.results) > 5]


def give_masks(dataset):
    """Add boxes to the results, and masks to both, so that all kinds can be scored."""
    rng = np.random.default_rng(0)
    for one in dataset.results:
        low = rng.uniform(0, 200, 2)
        one["bbox"] = [*low.tolist(), *rng.uniform(20, 200, 2).tolist()]
    for one in (*dataset.coco["annotations"], *dataset.results):
        x, y, w, h = one["bbox"]
        one["segmentation"] = [[x, y, x + w + 1, y, x + w + 1, y + h + 1, x, y + h + 1]]
    return dataset


def make_truth(dataset):
    coco = COCO()
    coco.dataset = copy.deepcopy(dataset.coco)
    coco.createIndex()
    return coco


def load_results(truth, dataset, kind, image_ids=None):
    """Results as `loadRes` reads them: those of masks have no boxes, those of boxes no masks."""
    others = {"bbox": ("segmentation", "keypoints"), "segm": ("bbox", "keypoints")}
    dropped = others.get(kind, ("segmentation", "bbox"))
    some = [
        {key: copy.deepcopy(value) for key, value in one.items() if key not in dropped}
        for one in dataset.results
        if image_ids is None or one["image_id"] in image_ids
    ]
    if kind == "segm":
        for one in some:
            one["segmentation"] = truth.annToRLE({**one, "iscrowd": 0})
    return truth.loadRes(some) if some else COCO()


def split_ids(dataset):
    ids = [image["id"] for image in dataset.coco["images"]]
    return [part.tolist() for part in np.array_split(np.random.default_rng(1).permutation(ids), 3)]


def join_batches(scorer, image_ids, records):
    ids, first = np.unique(image_ids, return_index=True)
    scorer.evalImgs = list(np.concatenate(records, axis=2)[..., first].flatten())
    scorer.params.imgIds = list(ids)
    scorer._paramsEval = copy.deepcopy(scorer.params)
    scorer.accumulate()
    scorer.summarize()
    return scorer


def run_like_torchvision(dataset, kind):
    truth = make_truth(dataset)
    scorer = COCOeval(truth, iouType=kind)
    image_ids, records = [], []
    for batch in split_ids(dataset):
        scorer.cocoDt = load_results(truth, dataset, kind, batch)
        scorer.params.imgIds = list(batch)
        scorer.evaluate()
        image_ids += scorer.params.imgIds
        shape = (-1, len(scorer.params.areaRng), len(scorer.params.imgIds))
        records.append(np.asarray(scorer.evalImgs, dtype=object).reshape(shape))
    return join_batches(scorer, image_ids, records)


def evaluate_in_steps(scorer):
    """What DETR and RF-DETR have in place of `evaluate`: the steps that it consists of."""
    p = scorer.params
    p.imgIds = list(np.unique(p.imgIds))
    if p.useCats:
        p.catIds = list(np.unique(p.catIds))
    p.maxDets = sorted(p.maxDets)
    scorer.params = p
    scorer._prepare()
    compute = scorer.computeOks if p.iouType == "keypoints" else scorer.computeIoU
    categories = p.catIds if p.useCats else [-1]
    scorer.ious = {(i, c): compute(i, c) for i in p.imgIds for c in categories}
    records = [
        scorer.evaluateImg(i, c, area_range, p.maxDets[-1])
        for c in categories
        for area_range in p.areaRng
        for i in p.imgIds
    ]
    scorer._paramsEval = copy.deepcopy(scorer.params)
    shape = (len(categories), len(p.areaRng), len(p.imgIds))
    return p.imgIds, np.asarray(records, dtype=object).reshape(shape)


def run_like_detr(dataset, kind, change=lambda params: None):
    truth = copy.deepcopy(make_truth(dataset))
    scorer = COCOeval(truth, iouType=kind)
    change(scorer.params)
    image_ids, records = [], []
    for batch in split_ids(dataset):
        scorer.cocoDt = load_results(truth, dataset, kind, batch)
        scorer.params.imgIds = list(batch)
        ids, made = evaluate_in_steps(scorer)
        image_ids += ids
        records.append(made)
    return join_batches(scorer, image_ids, records)


def run_like_rf_detr(dataset, kind):
    """As DETR's, with one sigma for all keypoints, which it has for other skeletons than COCO's."""

    def change(params):
        if kind == "keypoints":
            params.kpt_oks_sigmas = np.array([0.05] * 17)

    return run_like_detr(dataset, kind, change)


def run_like_torchmetrics(dataset, kind):
    """The class comes from an import inside a function, and thresholds are set."""
    from pycocotools.cocoeval import COCOeval as Loaded

    truth = make_truth(dataset)
    scorer = Loaded(truth, load_results(truth, dataset, kind), iouType=kind)
    scorer.params.iouThrs = np.array([0.5, 0.75, 0.9], dtype=np.float64)
    scorer.params.recThrs = np.linspace(0, 1, 51)
    if kind != "keypoints":
        scorer.params.maxDets = [1, 10, 100]
    scorer.evaluate()
    scorer.accumulate()
    scorer.summarize()
    return scorer


def run_with_a_subclass(dataset, kind):
    class Doubled(COCOeval):
        """Calls methods of pycocotools' class by its name, as old code does."""

        def __init__(self, truth, results, options):
            COCOeval.__init__(self, truth, results, options["kind"])

        def computeOks(self, imgId, catId):
            oks = super().computeOks(imgId, catId)
            return oks * 0.9 if len(oks) else oks

        def evaluate(self):
            COCOeval.evaluate(self)

        def _prepare(self):
            COCOeval._prepare(self)

    truth = make_truth(dataset)
    scorer = Doubled(truth, load_results(truth, dataset, kind), {"kind": kind})
    assert isinstance(scorer, Doubled)
    scorer.evaluate()
    scorer.accumulate()
    scorer.summarize()
    return scorer


def run_quietly(script, *arguments):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = script(*arguments)
    return result, re.sub(r"t=\s*[\d.]+s", "t=", printed.getvalue())


def assert_equal(theirs, ours):
    for array in ("precision", "recall", "scores"):
        assert np.array_equal(ours.eval[array], theirs.eval[array]), array
    assert np.array_equal(ours.stats, theirs.stats)
    assert len(ours.evalImgs) == len(theirs.evalImgs)
    for a, b in zip(theirs.evalImgs, ours.evalImgs, strict=True):
        assert (a is None) == (b is None)
        for name in a or ():
            assert np.array_equal(np.asarray(b[name]), np.asarray(a[name])), name


LOOPS = [run_like_torchvision, run_like_detr, run_like_rf_detr, run_like_torchmetrics]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loop", [*LOOPS, run_with_a_subclass])
def test_loops_of_others_give_equal_bits_patched_and_unpatched(loop, kind, datasets):
    for dataset in datasets:
        theirs, their_text = run_quietly(loop, dataset, kind)
        with smallpose.patch_pycocotools():
            ours, our_text = run_quietly(loop, dataset, kind)
        assert not isinstance(theirs, Ours)
        assert isinstance(ours, Ours) == (kind == "keypoints")
        assert isinstance(ours, COCOeval)
        assert_equal(theirs, ours)
        assert our_text == their_text


def test_our_matching_runs_without_records_where_nothing_is_replaced(datasets, monkeypatch):
    """It is the fast path: pycocotools' parameters do not turn it off."""
    dataset = datasets[0]
    with smallpose.patch_pycocotools():
        monkeypatch.setattr("smallpose.evaluation.cocoeval.accumulate_records", None)
        monkeypatch.setattr("smallpose.evaluation.cocoeval_category.make_record", None)
        run_quietly(run_like_torchmetrics, dataset, "keypoints")


def test_undo_gives_back_what_was_there_and_objects_keep_their_class(datasets):
    dataset = datasets[0]
    before = COCOeval(iouType="keypoints")
    patch = smallpose.patch_pycocotools()
    assert patch.is_active
    truth = make_truth(dataset)
    scorer = COCOeval(truth, load_results(truth, dataset, "keypoints"), "keypoints")
    run_quietly(scorer.evaluate)
    patch.undo()
    patch.undo()
    assert not patch.is_active
    assert COCOeval.__init__ is ORIGINAL
    assert type(COCOeval(iouType="keypoints")) is COCOeval is cocoeval.COCOeval
    assert type(before) is COCOeval
    run_quietly(scorer.accumulate)
    expected, _ = run_quietly(run_like_torchvision, dataset, "keypoints")
    assert np.array_equal(scorer.eval["precision"], expected.eval["precision"])


def test_overlapping_patches_end_with_the_last(datasets):
    first = smallpose.patch_pycocotools()
    with smallpose.patch_pycocotools():
        first.undo()
        assert isinstance(COCOeval(iouType="keypoints"), Ours)
    assert not isinstance(COCOeval(iouType="keypoints"), Ours)
    with contextlib.suppress(ValueError), smallpose.patch_pycocotools():
        raise ValueError
    assert not isinstance(COCOeval(iouType="keypoints"), Ours)


def test_the_default_kind_stays_that_of_pycocotools():
    with smallpose.patch_pycocotools():
        assert type(COCOeval()) is COCOeval
        assert COCOeval().params.iouType == "segm"
        scorer = COCOeval(iouType="keypoints")
        assert type(type(scorer)(iouType="bbox")) is COCOeval
        assert isinstance(type(scorer)(iouType="keypoints"), Ours)


def test_scorers_can_be_copied_and_pickled_while_patched_and_after(datasets):
    with smallpose.patch_pycocotools():
        scorer, _ = run_quietly(run_like_torchmetrics, datasets[0], "keypoints")
        sent = pickle.dumps(scorer)
    for other in (copy.deepcopy(scorer), pickle.loads(sent)):
        assert type(other) is type(scorer)
        assert_equal(scorer, other)


def test_a_test_that_takes_the_fixture_is_patched(patched_pycocotools):
    assert patched_pycocotools.is_active
    assert isinstance(COCOeval(iouType="keypoints"), Ours)


def test_what_pycocotools_refuses_is_scored_while_patched(datasets):
    """Missing `area` and `num_keypoints`, and no results at all."""
    dataset = copy.deepcopy(datasets[0])
    for person in dataset.coco["annotations"]:
        del person["num_keypoints"]
    truth = make_truth(dataset)
    with smallpose.patch_pycocotools():
        scorer = COCOeval(truth, [], "keypoints")
        for step in (scorer.evaluate, scorer.accumulate, scorer.summarize):
            run_quietly(step)
    assert scorer.stats[0] == 0


def test_another_package_in_its_place_is_refused(monkeypatch):
    class Other:
        pass

    monkeypatch.setattr(cocoeval, "COCOeval", Other)
    with pytest.raises(InputError, match="COCOeval is a class of"):
        smallpose.patch_pycocotools()


def run_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_patch_loads_little_before_the_first_object_for_keypoints():
    loaded = run_python(
        "import sys, pycocotools.cocoeval; before = set(sys.modules)\n"
        "import smallpose; smallpose.patch_pycocotools()\n"
        "pycocotools.cocoeval.COCOeval(iouType='bbox')\n"
        "print(*set(sys.modules) - before)"
    ).split()
    assert {name for name in loaded if name.startswith("smallpose.")} == {
        "smallpose._version",
        "smallpose.core",
        "smallpose.core.argument_errors",
        "smallpose.core.errors",
        "smallpose.evaluation",
        "smallpose.evaluation.pycocotools_patch",
        "smallpose.system",
        "smallpose.system.packages",
    }


def test_the_command_of_the_page_runs_a_script_of_others_patched(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "pycocotools.md").read_text()
    (code,) = re.findall(r'^python -c "(.*)" their_script.py --their-option$', page, re.MULTILINE)
    script = tmp_path / "their_script.py"
    script.write_text(
        "import sys\nfrom pycocotools.cocoeval import COCOeval\n"
        "print(__name__, sys.argv[1:], type(COCOeval(iouType='keypoints')).__mro__[1].__module__)"
    )
    words = [sys.executable, "-c", code, str(script), "--their-option"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "__main__ ['--their-option'] smallpose.evaluation.cocoeval\n"


def test_a_missing_pycocotools_is_one_line():
    text = run_python(
        "import sys; sys.modules['pycocotools'] = None\n"
        "import smallpose\n"
        "try:\n    smallpose.patch_pycocotools()\n"
        "except ImportError as error:\n    print(error)"
    )
    assert "pycocotools is not installed; pip install pycocotools" in text
    assert len(text.splitlines()) == 1
