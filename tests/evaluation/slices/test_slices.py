"""Slices of images and people by a table of attributes."""

import json
from dataclasses import replace

import numpy as np
import pytest

import smallpose
from smallpose.cli.main import main
from smallpose.core.errors import InputError
from smallpose.evaluation.analysis.binned_ap import score_groups
from smallpose.evaluation.config import ScoringConfig
from smallpose.evaluation.evaluate import evaluate
from smallpose.evaluation.matching.keypoint_selection import select_keypoints
from smallpose.evaluation.slices.attribute_file import choose_columns, read_attributes
from smallpose.evaluation.slices.evaluate_slices import (
    evaluate_image_slices,
    evaluate_person_slices,
)
from smallpose.evaluation.slices.slice_matching import prepare_matching
from smallpose.evaluation.slices.slicing import make_slicing, make_slicings

PROTOCOLS = ("coco", "owned", "recall")


def label(labels):
    return make_slicing("kind", [labels])


def draw_labels(rng, count):
    return rng.choice(["a", "b", "c", ""], count, p=[0.5, 0.2, 0.1, 0.2]).tolist()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("limit", [20, 2])
def test_a_slice_of_images_equals_these_images_scored_alone(crowded_dataset, seed, limit):
    data = crowded_dataset(seed, joints=21, images=15)
    options = {"protocols": PROTOCOLS, "max_detections": limit}
    result = evaluate(data.truth, data.predictions, **options)
    labels = draw_labels(np.random.default_rng(seed), len(data.truth.images))
    slicing = label(labels)
    scores = evaluate_image_slices(data.truth, result, [slicing])["kind"]
    for value in slicing.values:
        truth = data.truth.take_images(np.flatnonzero(np.array(slicing.labels) == value))
        predictions = data.predictions.take(np.isin(data.predictions.image_ids, truth.images.ids))
        alone = evaluate(truth, predictions, **options)
        assert scores[value].protocols == alone.protocols
        assert scores[value].people == alone.people


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("limit", [20, 2])
def test_a_slice_of_people_equals_the_file_in_which_the_others_are_ignored(
    crowded_dataset, seed, limit
):
    data = crowded_dataset(seed, joints=21, images=15)
    options = {"protocols": ("coco", "recall"), "max_detections": limit}
    result = evaluate(data.truth, data.predictions, **options)
    slicing = label(draw_labels(np.random.default_rng(seed), len(data.truth)))
    matching = prepare_matching(data.truth, data.predictions, options)
    scores = evaluate_person_slices(matching, result, [slicing])
    for value, score in scores["kind"].items():
        counted = np.where(np.array(slicing.labels) == value, data.truth.num_keypoints, 0)
        alone = evaluate(replace(data.truth, num_keypoints=counted), data.predictions, **options)
        assert score.protocols == alone.protocols
        assert score.people == alone.people


@pytest.mark.parametrize("limit", [20, 3, None])
def test_metrics_of_all_slices_together_are_those_of_the_counts_of_each(crowded_dataset, limit):
    """With intervals each slice is scored from the counts of all images, without from changes."""
    for seed in range(6):
        data = crowded_dataset(seed, joints=21, images=12)
        options = {"protocols": PROTOCOLS, "max_detections": limit}
        result = evaluate(data.truth, data.predictions, **options)
        rng = np.random.default_rng(seed)
        slicings = [
            make_slicing(name, [draw_labels(rng, len(data.truth))]) for name in ("one", "other")
        ]
        matching = prepare_matching(data.truth, data.predictions, options)
        assert matching.evaluate_all(data.predictions).to_json() == result.to_json()
        together = evaluate_person_slices(matching, result, slicings)
        apart = evaluate_person_slices(matching, result, slicings, num_resamples=10)
        for name, groups in together.items():
            assert list(groups) == list(apart[name])
            for value, score in groups.items():
                assert score.protocols == apart[name][value].protocols
                assert score.people == apart[name][value].people


def test_a_false_positive_is_owned_by_the_slice_of_its_person(crowded_dataset):
    data = crowded_dataset(3, images=40)
    result = evaluate(data.truth, data.predictions, protocols=("owned",))
    slicing = label(draw_labels(np.random.default_rng(0), len(data.truth)))
    matching = prepare_matching(data.truth, data.predictions, {"protocols": ("owned",)})
    scores = evaluate_person_slices(matching, result, [slicing])["kind"]
    config = ScoringConfig(protocols=("owned",))
    scored = select_keypoints(data.truth, data.predictions, config)
    members = np.stack(
        [(np.array(slicing.labels) == v) & scored.classes[0] for v in slicing.values]
    )
    groups = score_groups(data.truth, data.predictions, scored, members)
    for value, group in zip(slicing.values, groups, strict=True):
        assert scores[value].protocols["owned"]["AP"] == group.ap


def test_intervals_are_those_of_the_slice_scored_alone(population):
    truth, predictions = population(60, 2)
    result = evaluate(truth, predictions)
    labels = ["a" if i % 3 else "b" for i in range(60)]
    scores = evaluate_image_slices(truth, result, [label(labels)], num_resamples=50)["kind"]
    some = truth.take_images(np.flatnonzero(np.array(labels) == "a"))
    kept = predictions.take(np.isin(predictions.image_ids, some.images.ids))
    alone = evaluate(some, kept, intervals=50)
    assert scores["a"].intervals == alone.intervals
    assert "intervals" in scores["a"].to_dict()


@pytest.fixture
def files(column, tmp_path):
    truth, predictions = column(40)
    keypoints = predictions.keypoints.copy()
    keypoints[::2, :, 0] += 9
    smallpose.write_coco(truth, tmp_path / "truth.json")
    smallpose.write_results(replace(predictions, keypoints=keypoints), tmp_path / "dt.json")
    return tmp_path


def run(folder, text, *more):
    table = folder / "attributes.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    call = ["evaluate", str(folder / "truth.json"), str(folder / "dt.json")]
    code = main([*call, "--slices", str(table), "--json", str(folder / "out.json"), *more])
    if code:
        return code
    return json.loads((folder / "out.json").read_text())["slices"]


def test_tables_are_read_in_every_usual_form(files):
    forms = {
        "comma": "image_id,light\n"
        + "".join(f"{i},{'day' if i % 2 else 'night'}\n" for i in range(1, 41)),
        "name": "light;file_name\n"
        + "".join(f"{'day' if i % 2 else 'night'};{i - 1}\n" for i in range(1, 41)),
        "tab": "light\timage_id\n"
        + "".join(f"{'day' if i % 2 else 'night'}\t{i}\n" for i in range(40, 0, -1)),
        "excel": b"\xef\xbb\xbf"
        + b"Image_ID,light\r\n"
        + "".join(
            f'{i}, "{"day" if i % 2 else "night"}"\r\n'.replace(' "', '"') for i in range(1, 41)
        ).encode(),
        "person": "annotation_id,light\n"
        + "".join(f"{i},{'day' if i % 2 else 'night'}\n" for i in range(1, 41)),
    }
    results = {name: run(files, text) for name, text in forms.items()}
    for name, one in results.items():
        assert one["by"] == ("person" if name == "person" else "image")
        assert one["attributes"]["light"]["night"]["protocols"]["recall"]["AP"] == 1
        assert one["attributes"]["light"]["day"]["people"]["all"] == 20
    assert len({json.dumps(results[name]) for name in ("comma", "name", "tab", "excel")}) == 1


def test_crossed_columns_empty_cells_and_missing_rows(files, capsys):
    rows = [f"{i},{'xyz'[i % 3]},{['', 'p', 'q'][i % 3]}" for i in range(1, 31)]
    out = run(files, "\n".join(["image_id,a,b", *rows]), "--slice-by", "a,a*b")
    assert out["without_row"] == 10 and out["rows"] == 30
    assert list(out["attributes"]) == ["a", "a*b"]
    assert list(out["attributes"]["a*b"]) == ["y*p", "z*q"]
    text = " ".join(capsys.readouterr().out.split())
    assert "10 images are in no row of it" in text and "y*p" in text


def test_many_numbers_become_ranges_and_levels_do_not(files):
    rows = [f"{i},{i / 10},{i % 25}" for i in range(1, 41)]
    out = run(files, "\n".join(["image_id,brightness,level", *rows]))["attributes"]
    ranges = ["0.1 to 0.88", "0.88 to 1.66", "1.66 to 2.44", "2.44 to 3.22", "3.22 to 4"]
    assert list(out["brightness"]) == ranges
    assert [one["people"]["all"] for one in out["brightness"].values()] == [8] * 5
    assert len(out["level"]) == 25 and list(out["level"])[:3] == ["0", "1", "2"]


def test_levels_of_corruption_give_mean_and_relative_ap(files):
    kinds = ["", "fog", "fog", "blur"]
    rows = [f"{i},{kinds[i % 4]},{(0, 1, 2, 1)[i % 4]}" for i in range(1, 41)]
    out = run(files, "\n".join(["image_id,corruption,severity", *rows]))
    robustness = out["robustness"]
    ap = {
        label: one["protocols"]["coco"]["AP"]
        for label, one in out["attributes"]["corruption*severity"].items()
    }
    clean = out["attributes"]["severity"]["0"]["protocols"]["coco"]["AP"]
    fog = (ap["fog*1"] + ap["fog*2"]) / 2
    assert clean == robustness["clean"]["AP"] > fog
    assert robustness["corruptions"]["fog"]["mean"]["AP"] == fog
    blur = robustness["corruptions"]["blur"]
    assert blur["levels"] == {"1": blur["mean"]}
    mean = (fog + ap["blur*1"]) / 2
    assert robustness["mean"]["AP"] == mean
    assert robustness["relative"]["AP"] == mean / clean


def test_without_images_at_level_0_there_is_no_relative_ap(files):
    out = run(files, "image_id,level\n" + "".join(f"{i},{1 + i % 2}\n" for i in range(1, 41)))
    assert out["robustness"]["relative"]["AP"] is None
    assert out["robustness"]["mean"]["AP"] is not None


BAD = {
    "": "has no rows",
    "image_id,light\n": "has no rows",
    "light\nday\n": "no column of keys",
    "image_id\n1\n": "no column beside the keys",
    "image_id,light\n99,day\n": "image 99 is not in the truth",
    "image_id,light\n1,day\n1,night\n": "line 3: the same image is in line 2",
    "image_id,light,light\n1,day,day\n": "'light' is there twice",
    "image_id,light\n1,day,night\n": "line 2: has 3 cells",
    "image_id,light\n1\n": "line 2: has 1 cell,",
    "image_id,light\n,day\n": "has no key",
    "file_name,light\nother.jpg,day\n": "'other.jpg' is not in the truth",
    "image_id,file_name,light\n1,5,day\n": "but file_name is",
    "annotation_id,pose\n99,lying\n": "annotation_id '99' is not in the ground truth",
    "annotation_id,pose\n1,lying\n1,lying\n": "the same person is in line 2",
    "annotation_id,pose\nx,lying\n": "'x' is not in the ground truth",
    "image_id,level\n1,high\n": "is not a number from 0 on",
    "image_id,level\n1,-1\n": "is not a number from 0 on",
    "image_id,level\n1,inf\n": "is not a number from 0 on",
    "image_id,light\n1,\x00\n": "",
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_table_is_one_line(files, capsys, text):
    code = run(files, text)
    if not BAD[text]:
        return  # read, or refused; without a traceback
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert BAD[text] in line and "attributes.csv" in line


def test_other_wrong_calls_are_one_line(files, capsys):
    good = "image_id,light\n1,day\n"
    assert run(files, b"image_id,light\n1,\xff\n") == 2
    assert run(files, good, "--slice-by", "weather") == 2
    assert run(files, good, "--slice-by", "light*light") == 2
    assert (
        main(["evaluate", str(files / "truth.json"), str(files / "dt.json"), "--slice-by", "a"])
        == 2
    )
    assert (
        main(
            [
                "evaluate",
                str(files / "truth.json"),
                str(files / "dt.json"),
                "--slices",
                str(files / "no.csv"),
            ]
        )
        == 2
    )
    lines = capsys.readouterr().err.splitlines()
    needles = [
        "not text in UTF-8",
        "choose from light",
        "crossed with itself",
        "add --slices",
        "no such file",
    ]
    assert len(lines) == len(needles)
    for line, needle in zip(lines, needles, strict=True):
        assert needle in line


def test_more_values_than_anybody_reads_are_refused(column, tmp_path):
    truth, _ = column(400)
    path = tmp_path / "attributes.csv"
    path.write_text("image_id,serial\n" + "".join(f"{i},n{i}\n" for i in range(1, 401)))
    attributes = read_attributes(path, truth)
    with pytest.raises(InputError, match="400 different values"):
        make_slicings(attributes, choose_columns(attributes, []))
