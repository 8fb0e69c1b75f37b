"""Without flags, AP, AP50, AP75 and AR of `coco` are pycocotools', to the last bit.

pycocotools is given each file as it is. Where people have no `area` it gets a copy with width ×
height of their box, and where `iscrowd` is missing, one with 0.
"""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from smallpose import evaluate, read_coco, read_results
from smallpose.cli.main import main
from smallpose.evaluation.analysis.comparison import compare
from smallpose.evaluation.evaluator import Evaluator

NAMES = {"AP": 0, "AP50": 1, "AP75": 2, "AR": 5}  # in pycocotools' stats
PERSON = 3
WORLDS_PER_BATCH = 60


def make_world(seed, crowded_dataset):
    """One file of every kind of area and category, as (annotations, results) in COCO's format."""
    dataset = crowded_dataset(seed, images=4, people=6)
    rng = np.random.default_rng(10_000 + seed)
    coco, results = copy.deepcopy(dataset.coco), copy.deepcopy(dataset.results)
    is_complete = rng.random() < 0.5
    for person in coco["annotations"]:
        person["category_id"] = PERSON
        box = person["bbox"][2] * person["bbox"][3]
        # Masks of any share of the box, rounded ones, none, degenerate ones and absurd ones.
        share = float(rng.uniform(0.05, 1.2))
        areas = [box * share, int(box * share), 0, 0.0, 1e-300, 1e10, 1.5e10, -4.0]
        person["area"] = areas[int(rng.choice(8, p=[0.6, 0.2, 0.04, 0.04, 0.02, 0.02, 0.04, 0.04]))]
        if not is_complete and rng.random() < 0.2:
            del person["area"]
        if not is_complete and not person["iscrowd"] and rng.random() < 0.3:
            del person["iscrowd"]
    categories = [{**coco["categories"][0], "id": PERSON}]
    if rng.random() < 0.4:  # things in the same images, before and behind the people
        categories = [{"id": 1, "name": "racket"}, *categories, {"id": 7, "name": "ball"}]
        for number in range(int(rng.integers(1, 6))):
            image = coco["images"][int(rng.integers(len(coco["images"])))]["id"]
            thing = {"id": 9000 + number, "image_id": image, "bbox": [1.0, 2.0, 30.0, 40.0]}
            thing |= {"category_id": int(rng.choice([1, 7])), "area": 1200.0, "iscrowd": 0}
            place = int(rng.integers(len(coco["annotations"]) + 1))
            coco["annotations"].insert(place, thing)
    coco["categories"] = categories
    for one in results:
        one["category_id"] = PERSON
    if results and rng.random() < 0.2:  # more than 20 in one image, all alike but for the score
        image, some = results[0]["image_id"], copy.deepcopy(results[0])
        results += [some | {"image_id": image, "score": s} for s in np.linspace(0, 1, 26).tolist()]
    if results and "bbox" in results[0] and rng.random() < 0.3:  # areas outside COCO's range
        for one in results[::3]:
            one["bbox"][2] *= -1
    return coco, results


def run_pycocotools(coco, results):
    coco = copy.deepcopy(coco)
    for person in coco["annotations"]:
        person.setdefault("area", person["bbox"][2] * person["bbox"][3])
        person.setdefault("iscrowd", 0)
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(over="ignore"):
        truth = COCO()
        truth.dataset = coco
        truth.createIndex()
        scorer = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), "keypoints")
        scorer.params.catIds = [PERSON]
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
    stats = scorer.stats.tolist()
    return {name: None if stats[i] == -1 else stats[i] for name, i in NAMES.items()}


@pytest.mark.parametrize("batch", range(6))
def test_sixty_worlds_equal_pycocotools_by_default_in_every_bit(batch, crowded_dataset, tmp_path):
    seeds = range(WORLDS_PER_BATCH * batch, WORLDS_PER_BATCH * (batch + 1))
    for seed in seeds:
        coco, results = make_world(seed, crowded_dataset)
        if not results:  # loadRes refuses an empty list
            continue
        (tmp_path / "truth.json").write_text(json.dumps(coco))
        (tmp_path / "found.json").write_text(json.dumps(results))
        truth = read_coco(tmp_path / "truth.json")
        result = evaluate(truth, read_results(tmp_path / "found.json", truth))
        ours = {name: result["coco"][name] for name in NAMES}
        assert ours == run_pycocotools(coco, results), seed


def test_the_worlds_contain_what_makes_defaults_differ(crowded_dataset):
    counts = dict.fromkeys(
        [
            "no area",
            "zero area",
            "beyond range",
            "mask below half",
            "categories",
            "no iscrowd",
            "over 20",
        ],
        0,
    )
    aps = []
    for seed in range(80):
        coco, results = make_world(seed, crowded_dataset)
        if not results:
            continue
        people = [a for a in coco["annotations"] if a["category_id"] == PERSON]
        areas = [a["area"] for a in people if "area" in a]
        counts["no area"] += len(areas) < len(people)
        counts["zero area"] += 0 in areas
        counts["beyond range"] += any(area < 0 or area > 1e10 for area in areas)
        counts["mask below half"] += any(
            a["area"] < a["bbox"][2] * a["bbox"][3] / 2 for a in people if "area" in a
        )
        counts["categories"] += len(coco["categories"]) > 1
        counts["no iscrowd"] += any("iscrowd" not in a for a in people)
        _, per_image = np.unique([r["image_id"] for r in results], return_counts=True)
        counts["over 20"] += bool((per_image > 20).any())
        aps.append(run_pycocotools(coco, results)["AP"])
    assert min(counts.values()) >= 10, counts
    known = [ap for ap in aps if ap is not None]
    assert np.mean(known) > 0.15 and len(set(known)) > 0.8 * len(known)


def test_each_scale_equals_pycocotools_on_a_copy_with_these_areas(crowded_dataset):
    """`0.53box` is what xtcocotools takes with use_area=False."""
    for seed in range(2000, 2020):
        dataset = crowded_dataset(seed)
        if not dataset.results:
            continue
        for rule, share in (("box", 1.0), ("0.53box", 0.53)):
            coco = copy.deepcopy(dataset.coco)
            for person in coco["annotations"]:
                person["area"] = person["bbox"][2] * person["bbox"][3] * share
                person["category_id"] = PERSON
            coco["categories"][0]["id"] = PERSON
            results = [one | {"category_id": PERSON} for one in dataset.results]
            result = evaluate(dataset.truth, dataset.predictions, oks_area=rule)["coco"]
            assert {name: result[name] for name in NAMES} == run_pycocotools(coco, results)


def test_evaluators_and_comparisons_follow_the_areas(crowded_dataset):
    dataset = crowded_dataset(2, images=6, people=6)
    areas = {"oks_area": "0.53box", "size_area": "file"}
    whole = evaluate(dataset.truth, dataset.predictions, **areas)
    evaluator = Evaluator(dataset.truth, **areas)
    evaluator.add(dataset.predictions)
    assert evaluator.result().to_json() == whole.to_json()
    pair = {"a": dataset.predictions, "b": dataset.predictions}
    comparison = compare(dataset.truth, pair, num_resamples=20, protocols=("coco",), **areas)
    assert comparison.evaluations["a"]["coco"] == whole["coco"]
    assert whole["coco"]["AP"] != evaluate(dataset.truth, dataset.predictions)["coco"]["AP"]
    assert str(comparison).startswith("OKS scaled by 0.53 × width × height of the box")


def test_the_command_and_its_json_equal_pycocotools_by_default(crowded_dataset, tmp_path, capsys):
    for seed in range(1000, 1006):
        coco, results = make_world(seed, crowded_dataset)
        (tmp_path / "truth.json").write_text(json.dumps(coco))
        (tmp_path / "found.json").write_text(json.dumps(results))
        paths = [str(tmp_path / name) for name in ("truth.json", "found.json")]
        assert main(["evaluate", *paths, "--json", "-"]) == 0
        data = json.loads(capsys.readouterr().out)
        expected = run_pycocotools(coco, results)
        assert {name: data["protocols"]["coco"][name] for name in NAMES} == expected
        assert (data["settings"]["oks_area"], data["settings"]["size_area"]) == ("file", "box")
