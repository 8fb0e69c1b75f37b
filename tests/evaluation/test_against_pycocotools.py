"""The coco protocol is pycocotools', to the last bit."""

import copy
import json

import numpy as np
import pytest

from smallpose import evaluate, read_coco, read_results

SUFFIX = dict(
    zip(
        ["all", "small", "medium", "large", "sparse", "moderate", "dense"],
        ["", "_S", "_M", "_L", "_S_sparse", "_S_moderate", "_S_dense"],
        strict=True,
    )
)


def mean(values):
    valid = values[values > -1]
    return float(np.mean(valid)) if len(valid) else None


def assert_equal(result, expected, max_detections=20):
    for (name, e), ours in zip(
        expected.items(), result.match_counts.compute_curves("coco", max_detections), strict=True
    ):
        assert result.people[name] == e["people"], name
        for array in ("precision", "recall", "scores"):
            assert np.array_equal(getattr(ours, array), e[array]), (name, array)
        assert result["coco"][f"AP{SUFFIX[name]}"] == mean(e["precision"]), name
        assert result["coco"][f"AR{SUFFIX[name]}"] == mean(e["recall"]), name
    assert result["coco"]["AP50"] == mean(expected["all"]["precision"][0])
    assert result["coco"]["AP75"] == mean(expected["all"]["precision"][5])


@pytest.mark.parametrize("joints", [17, 21])
@pytest.mark.parametrize(
    "batch", [0, *(pytest.param(batch, marks=pytest.mark.slow) for batch in range(1, 10))]
)
def test_fifty_crowded_datasets_equal_pycocotools_in_every_array(
    batch, joints, crowded_dataset, pycocotools
):
    for seed in range(50 * batch, 50 * batch + 50):
        dataset = crowded_dataset(seed, joints)
        expected = pycocotools(dataset)
        assert_equal(evaluate(dataset.truth, dataset.predictions), expected)


def test_the_datasets_contain_every_difficult_case(crowded_dataset):
    """Without ties, copies, crowds and class limits equality would mean little."""
    counts = dict.fromkeys(
        ["tied scores", "copies", "crowd", "class limit", "flat box", "over the limit"], 0
    )
    aps = []
    for seed in range(60):
        dataset = crowded_dataset(seed)
        scores = dataset.predictions.scores
        counts["tied scores"] += len(np.unique(scores)) < len(scores)
        boxes = [tuple(a["bbox"]) for a in dataset.coco["annotations"]]
        counts["copies"] += len(set(boxes)) < len(boxes)
        counts["crowd"] += bool(dataset.truth.iscrowd.any())
        counts["class limit"] += bool((dataset.truth.area == 128 * 96).any())
        counts["flat box"] += bool((dataset.truth.area == 0).any())
        counts["over the limit"] += bool(
            (np.unique(dataset.predictions.image_ids, return_counts=True)[1] > 20).any()
        )
        aps.append(evaluate(dataset.truth, dataset.predictions)["coco"]["AP"])
    assert min(counts.values()) >= 5, counts
    assert np.quantile([a for a in aps if a is not None], [0.1, 0.9]).tolist() != [0, 0]
    assert np.nanmean([a for a in aps if a is not None]) > 0.2


@pytest.mark.parametrize("max_detections", [1, 3, 100])
def test_every_limit_on_detections_equals_pycocotools(max_detections, crowded_dataset, pycocotools):
    for seed in range(5):
        dataset = crowded_dataset(seed)
        assert_equal(
            evaluate(dataset.truth, dataset.predictions, max_detections=max_detections),
            pycocotools(dataset, max_detections),
            max_detections,
        )


def test_custom_sigmas_equal_pycocotools(crowded_dataset, pycocotools):
    sigmas = np.linspace(0.02, 0.12, 17)
    for seed in range(5):
        dataset = crowded_dataset(seed)
        result = evaluate(dataset.truth, dataset.predictions, sigmas=sigmas)
        assert_equal(result, pycocotools(dataset, sigmas=sigmas))


def test_a_larger_crowded_dataset_equals_pycocotools(crowded_dataset, pycocotools):
    dataset = crowded_dataset(7, 21, images=30, people=25)
    assert_equal(evaluate(dataset.truth, dataset.predictions), pycocotools(dataset))


def test_evaluating_files_equals_pycocotools(crowded_dataset, pycocotools, tmp_path):
    dataset = crowded_dataset(3, 21)
    (tmp_path / "truth.json").write_text(json.dumps(dataset.coco))
    (tmp_path / "found.json").write_text(json.dumps(dataset.results))
    truth = read_coco(tmp_path / "truth.json")
    predictions = read_results(tmp_path / "found.json", truth)
    assert_equal(evaluate(truth, predictions), pycocotools(dataset))


def test_annotation_id_0_is_an_id_like_any_other(crowded_dataset, pycocotools):
    """pycocotools reads id 0 as 'no match' and scores a perfect detection 0."""
    dataset = crowded_dataset(11)
    zero = copy.deepcopy(dataset.coco)
    zero["annotations"][0]["id"] = 0
    expected = pycocotools(dataset)
    from dataclasses import replace

    ids = dataset.truth.ids.copy()
    ids[0] = 0
    assert_equal(evaluate(replace(dataset.truth, ids=ids), dataset.predictions), expected)


def test_the_order_of_images_in_the_file_does_not_matter_but_their_ids_do(crowded_dataset):
    dataset = crowded_dataset(5, images=8)
    turned = dataset.truth.take_images(np.arange(len(dataset.truth.images))[::-1])
    assert (
        evaluate(turned, dataset.predictions)["coco"]
        == evaluate(dataset.truth, dataset.predictions)["coco"]
    )


REFERENCE = [  # the values that pycocotools 2.0.11 prints for real files, at its default settings
    (
        "val_subset250/val_subset.json.gz",
        "val_subset250/detections_C.json.gz",
        {
            "AP": 0.215356,
            "AP50": 0.430694,
            "AP75": 0.190519,
            "AP_M": 0.164150,
            "AP_L": 0.288609,
            "AR": 0.245593,
        },
    ),
    (
        "example4/example_coco_val.json",
        "example4/example_coco_preds.json",
        {
            "AP": 0.860890,
            "AP50": 0.993145,
            "AP75": 0.910891,
            "AP_M": 0.775578,
            "AP_L": 0.937252,
            "AR": 0.875,
        },
    ),
    (
        "example1/gt_dataset.json",
        "example1/dt_dataset.json",
        {"AP": 0.504884, "AR": 0.518182},
    ),
]


@pytest.mark.parametrize(("gt", "dt", "values"), REFERENCE)
def test_plain_coco_on_real_files_gives_the_known_values(gt, dt, values, real):
    truth = read_coco(real / "coco" / gt)
    predictions = read_results(real / "coco" / dt, truth)
    plain = evaluate(truth, predictions, size_area="file", size_limits=(32**2, 96**2))["coco"]
    assert {name: round(plain[name], 6) for name in values} == values


def test_box_sizes_on_a_real_file_give_the_known_values(real):
    folder = real / "coco" / "val_subset250"
    truth = read_coco(folder / "val_subset.json.gz")
    predictions = read_results(folder / "detections_C.json.gz", truth)
    ours = evaluate(truth, predictions, oks_area="box")
    values = {"AP": 0.288474, "AP_S": 0.203672, "AP_M": 0.374950, "AP_L": 0.382972, "AR": 0.318237}
    assert {name: round(ours["coco"][name], 6) for name in values} == values
    assert ours.people == {
        "all": 329,
        "small": 155,
        "medium": 110,
        "large": 64,
        "sparse": 29,
        "moderate": 126,
        "dense": 0,
    }


@pytest.mark.parametrize(("gt", "dt", "values"), REFERENCE)
def test_on_real_files_every_array_equals_pycocotools(gt, dt, values, real, pycocotools):
    import gzip
    from types import SimpleNamespace

    def load(path):
        data = path.read_bytes()
        return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)

    dataset = SimpleNamespace(coco=load(real / "coco" / gt), results=load(real / "coco" / dt))
    truth = read_coco(real / "coco" / gt)
    predictions = read_results(real / "coco" / dt, truth)
    assert_equal(evaluate(truth, predictions), pycocotools(dataset))
