"""Measures of people: known answers, an independent distance, and synthetic beside real people."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from smallpose.cli.main import main
from smallpose.core.instances import SOURCES, make_images, make_instances
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.io.coco_annotations import write_coco
from smallpose.stats.measure_comparison import (
    REAL_PEOPLE_OF,
    compare_measures,
    compare_sets,
    compare_sources_with_real,
    read_real_measures,
)
from smallpose.stats.people_measures import (
    DISTRIBUTIONS,
    QUANTILES,
    SHARES,
    PeopleMeasures,
    measure_distance,
    measure_people,
)

NONE_MEASURED = dict.fromkeys(DISTRIBUTIONS)


def make_people(n=100, num_facing=70, num_cut=30, num_hidden=0):
    """One person an image: trunk 100 px, shoulders 60, hips 40, limbs 50, 40, 80 and 70."""
    points = np.zeros((len(COCO17), 3))
    middle = np.array([300.0, 200.0])
    down = {"shoulder": 0, "elbow": 50, "wrist": 90, "hip": 100, "knee": 180, "ankle": 250}
    for joint, y in down.items():
        out = 30 if joint in ("shoulder", "elbow", "wrist") else 20
        for side, sign in (("left", 1), ("right", -1)):
            row = COCO17.joints.index(f"{side}_{joint}")
            points[row] = (middle[0] + sign * out, middle[1] + y, 2)
    keypoints = np.repeat(points[None], n, axis=0)
    keypoints[num_facing:, :, :2] = keypoints[num_facing:, COCO17.flip_indices, :2]
    keypoints[:num_hidden, 5, 2] = 1
    boxes = np.tile([200.0, 150, 200, 400], (n, 1))
    boxes[:num_cut, 0] = 0
    images = make_images(range(1, n + 1), [f"{i}.jpg" for i in range(n)], [640] * n, [640] * n, 1)
    return make_instances(COCO17, images, np.arange(n), boxes, keypoints, source=1)


def test_planted_shares_and_proportions_are_measured():
    measures = measure_people(make_people(num_hidden=60))
    expected = {"facing": 0.7, "hidden": 0.05, "labelled": 12 / 17, "cut_off": 0.3}
    assert measures.shares == pytest.approx(expected)
    middle = {name: q and q[10] for name, q in measures.distributions.items()}
    assert middle == pytest.approx(
        {
            "shoulder_width": 0.6,
            "hip_width": 0.4,
            "upper_arm": 0.5,
            "forearm": 0.4,
            "thigh": 0.8,
            "shin": 0.7,
            "height": 400,
            "box_ratio": 0.5,
            "crowd_index": 0,
        }
    )
    assert measures.distributions["shoulder_width"][0] == pytest.approx(-0.6)


def test_few_people_are_not_measured_and_unlabelled_joints_are_left_out():
    few = measure_people(make_people(9, num_facing=5))
    assert few.people == 9
    assert not any(few.shares.values()) and not any(few.distributions.values())
    people = make_people()
    people.keypoints[:, COCO17.joints.index("left_hip"), 2] = 0
    assert measure_people(people).distributions["thigh"] is None
    assert measure_people(people).shares["facing"] == 0.7


@pytest.mark.parametrize("seed", range(4))
def test_the_distance_of_distributions_is_scipys(seed):
    rng = np.random.default_rng(seed)
    one = rng.normal(0, 1, 20_000)
    other = rng.normal(rng.uniform(0, 2), rng.uniform(0.3, 2), 20_000)
    if seed == 3:  # a jump: a third of the people have one value
        other[: len(other) // 3] = 0.5
    quantiles = [tuple(np.quantile(values, QUANTILES)) for values in (one, other)]
    assert measure_distance(*quantiles) == pytest.approx(ks_2samp(one, other).statistic, abs=0.03)
    assert measure_distance(*quantiles) == pytest.approx(measure_distance(*quantiles[::-1]))
    assert measure_distance(quantiles[0], quantiles[0]) == 0


def test_distributions_without_a_common_value_are_1_apart():
    assert measure_distance((0.0,) * 21, (1.0,) * 21) == 1


def test_measures_survive_json():
    measures = measure_people(make_people())
    text = json.dumps(measures.to_dict())
    again = PeopleMeasures.from_dict(json.loads(text))
    assert all((row.distance or 0) < 1e-4 for row in compare_measures(measures, again))
    assert again.people == 100


def test_the_measures_of_real_people_are_complete():
    real = read_real_measures()
    assert set(REAL_PEOPLE_OF.values()) <= set(real)
    for name, measures in real.items():
        assert measures.people > 1000, name
        assert 0.6 < measures.shares["facing"] < 0.85, name
    coco = real["coco"]
    assert None not in (*coco.shares.values(), *coco.distributions.values())
    assert set(coco.shares) == set(SHARES) and set(coco.distributions) == set(DISTRIBUTIONS)


def test_a_set_seen_from_all_sides_is_beyond_the_limit_and_named():
    people = make_people(num_facing=50)
    (compared,) = compare_sources_with_real("mine", people)
    assert "facing" in compared.outside and "facing" in compared.summarize()
    assert compared.source == "coco" and compared.other == "real coco"
    with_itself = compare_sets("mine", people, "other", people)
    assert not with_itself.outside and "none beyond" in with_itself.summarize()


def test_few_people_beyond_the_limit_are_no_verdict():
    few, many = make_people(24, num_facing=17), make_people(400, num_facing=220)
    by_people = {}
    for num, people in ((24, few), (800, make_people(800, num_facing=567))):
        compared = compare_sets("mine", people, "other", many)
        (facing,) = (row for row in compared.rows if row.name == "facing")
        assert facing.distance == pytest.approx(0.16, abs=0.01) and facing.distance > facing.limit
        by_people[num] = (facing.is_within, facing.verdict, "facing" in compared.outside)
    assert by_people == {24: (None, "few people", False), 800: (False, "no", True)}


def test_chance_is_what_samples_of_the_same_people_stay_below():
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(400):
        one, other = (
            PeopleMeasures(n, {name: rng.binomial(n, 0.7) / n for name in SHARES}, NONE_MEASURED)
            for n in (60, 200)
        )
        row = compare_measures(one, other)[0]
        seen.append(row.distance <= row.chance)
    assert 0.92 < np.mean(seen) < 0.98


def test_the_command_compares_with_files_and_with_real_people(tmp_path, capsys):
    write_coco(make_people(), tmp_path / "one.json")
    write_coco(make_people(num_facing=40), tmp_path / "two.json")
    files = [str(tmp_path / name) for name in ("one.json", "two.json")]
    out = str(tmp_path / "out")
    words = ["stats", files[0], "--out", out, "--compare", files[1], "real", "--json", "-"]
    assert main(words) == 0
    printed = capsys.readouterr()
    compared = json.loads(printed.out)["one"]["compared"]
    assert list(compared) == ["coco with real coco", "with two"]
    assert compared["with two"]["facing"]["distance"] == pytest.approx(0.3)
    assert compared["with two"]["facing"]["is_within"] is False
    assert "beyond their limits: facing" in printed.err
    assert (Path(out) / "compare_one_with_two.md").read_text().count("| yes |") >= 8


def test_real_files_have_the_measures_of_the_package(real):
    from smallpose.io.coco_annotations import read_coco

    file = real / "coco/annotations/person_keypoints_val2017.subset538.json.gz"
    rows = compare_measures(measure_people(read_coco(file)), read_real_measures()["coco"])
    assert all(row.distance < 1e-3 for row in rows)


def render_source(source, num_images):
    """Render images of a source before grey walls, with its labels."""
    from smallpose.synthetic.labels.annotators import annotate_people
    from smallpose.synthetic.rendering.raster import use_one_thread
    from smallpose.synthetic.scenes.layout import PROFILES, plan_scene
    from smallpose.synthetic.scenes.render import render_scene

    keypoints, boxes, rows, sizes = [], [], [], []
    with use_one_thread():
        for index in range(num_images):
            rng = np.random.default_rng([23, index, SOURCES.index(source)])
            scene = plan_scene(PROFILES[source], "train", ("train", 8), rng)
            sizes.append(scene.size_wh)
            for person in annotate_people(render_scene(scene), source, rng):
                if person.keypoints.any():
                    keypoints.append(person.keypoints)
                    boxes.append(person.box_xywh)
                    rows.append(index)
    code = SOURCES.index(source)
    width, height = np.transpose(sizes)
    names = [f"{i}.jpg" for i in range(num_images)]
    images = make_images(range(1, num_images + 1), names, width, height, code)
    return make_instances(SMALLPOSE, images, rows, boxes, keypoints, source=code)


@pytest.mark.long
@pytest.mark.parametrize("source", REAL_PEOPLE_OF)
def test_synthetic_people_are_within_the_limits_of_real_people(source, monkeypatch):
    from smallpose.synthetic.scenes import render

    grey = np.full((1040, 1152, 3), 128, np.uint8)
    monkeypatch.setattr(render, "paint_background", lambda *_: grey)
    (compared,) = compare_sources_with_real(source, render_source(source, 250))
    assert not compared.outside, compared.build_table().to_text()
