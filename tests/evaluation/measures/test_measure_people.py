"""Angles, tilts and lengths: a plain reference, poseaudit's numbers, and known answers."""

import math
import statistics

import numpy as np
import pytest

import smallpose
from smallpose.core.errors import InputError
from smallpose.core.instances import make_images, make_instances
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, SMALLPOSE
from smallpose.evaluation.measures.definition import list_known_measures, parse_measures
from smallpose.evaluation.measures.geometry import read_values
from smallpose.evaluation.measures.measure_people import measure_people
from smallpose.evaluation.measures.measure_tables import build_measure_section

# Joints of a standing person in shares of width and height of the box, in COCO's order.
POSE = """
.50 .08 .54 .06 .46 .06 .58 .07 .42 .07 .70 .22 .30 .22 .85 .36 .15 .36 .90 .50 .10 .50 .62 .52
.38 .52 .64 .74 .36 .74 .65 .96 .35 .96
"""
SHAPE = np.array([float(word) for word in POSE.split()]).reshape(17, 2)
ELBOW, TRUNK, THIGH = "angle:left_elbow", "tilt:trunk", "length:left_thigh"


def wave(shape, step):
    """Values from -1 to 1 that look irregular and are the same on every machine."""
    return np.sin(step * np.arange(1, 1 + math.prod(shape)) ** 1.5).reshape(shape)


def make_tables(n=300, noise=0.03, groups=None):
    """One person per image; some joints are not labelled, some people missed, some scores 0."""
    height = 40 * 8 ** (0.5 + 0.5 * wave((n,), 0.37))
    xy = (SHAPE + 0.06 * wave((n, 17, 2), 0.11)) * height[:, None, None] * [0.5, 1.0]
    v = np.where(wave((n, 17), 0.23) < 0.8, 2.0, 0.0)
    found = xy + noise * wave((n, 17, 2), 0.29) * height[:, None, None]
    score = np.where(wave((n, 17), 0.31) < 0.95, 0.5 + 0.4 * wave((n, 17), 0.41), 0.0)
    found[::50, 9] = found[::50, 7]  # wrist and elbow on one spot
    boxes = np.stack([0 * height, 0 * height, height / 2, height], axis=1)
    images = make_images(np.arange(1, n + 1), [f"{i}.jpg" for i in range(n)], groups=groups)
    keypoints = np.concatenate([xy, v[:, :, None]], axis=2) * (v[:, :, None] > 0)
    truth = make_instances(COCO17, images, np.arange(n), boxes, keypoints)
    rows = np.flatnonzero(np.arange(n) % 7)
    poses = np.concatenate([found, score[:, :, None]], axis=2)[rows]
    return truth, make_predictions(COCO17, rows + 1, poses, np.full(len(rows), 0.9), boxes[rows])


def measure(truth, predictions, text, **options):
    measures = parse_measures(text, truth.skeleton)
    return [one.to_dict() for one in measure_people(truth, predictions, measures, **options)]


def read_plainly(kind, points):
    """Read a measure of one person with textbook formulas."""
    if kind == "angle":
        a, b, c = (complex(*p) for p in points)
        return abs(math.degrees(math.atan2(((a - b) / (c - b)).imag, ((a - b) / (c - b)).real)))
    (ax, ay), (bx, by) = points
    if kind == "length":
        return math.sqrt((bx - ax) ** 2 + (by - ay) ** 2)
    # The slope of the axis; x is measured along the way up.
    return 90.0 if ay == by else math.degrees(math.atan((bx - ax) / (ay - by)))


def compare_plainly(truth, predictions, kind, joints):
    """Loop over people; every person has their own image and at most one prediction."""
    of_image = {int(image): row for row, image in enumerate(predictions.image_ids)}
    pairs, unlabelled, missed, uncounted, unmeasurable = [], 0, 0, 0, 0
    for i in range(len(truth)):
        own = [[truth.keypoints[i, j] for j in point] for point in joints]
        if any(p[2] == 0 for point in own for p in point):
            unlabelled += 1
            continue
        row = of_image.get(int(truth.images.ids[truth.image_rows[i]]))
        if row is None:
            missed += 1
            continue
        other = [[predictions.keypoints[row, j] for j in point] for point in joints]
        if any(p[2] <= 0 for point in other for p in point):
            uncounted += 1
            continue
        means = [
            [tuple(statistics.fmean(p[c] for p in point) for c in (0, 1)) for point in points]
            for points in (own, other)
        ]
        if any(len(set(points)) < len(points) for points in means):
            unmeasurable += 1
            continue
        pairs.append([read_plainly(kind, points) for points in means])
    error = [p - t for t, p in pairs]
    if kind == "tilt":
        error = [min((e + 180 * turn for turn in (-1, 0, 1)), key=abs) for e in error]
    n, bias, sd = len(error), statistics.fmean(error), statistics.stdev(error)
    large = [
        abs(e) >= (0.15 * t if kind == "length" else 15)
        for e, (t, _) in zip(error, pairs, strict=True)
    ]
    return {
        "people": len(truth),
        "read": n,
        "unlabelled": unlabelled,
        "missed": missed,
        "uncounted": uncounted,
        "unmeasurable": unmeasurable,
        "bias": bias,
        "limits": [bias - 1.959963984540054 * sd, bias + 1.959963984540054 * sd],
        "mean_abs_error": statistics.fmean(map(abs, error)),
        "median_abs_error": statistics.median(map(abs, error)),
        "rmse": math.sqrt(statistics.fmean(e * e for e in error)),
        "share_beyond": sum(large) / n,
        "slope": statistics.linear_regression(
            [t for t, _ in pairs], [t + e for e, (t, _) in zip(error, pairs, strict=True)]
        ).slope,
        "pearson": statistics.correlation(
            [t for t, _ in pairs], [t + e for e, (t, _) in zip(error, pairs, strict=True)]
        ),
    }


@pytest.mark.parametrize(
    ("text", "joints"),
    [
        (ELBOW, [[5], [7], [9]]),
        ("angle:right_knee", [[12], [14], [16]]),
        (TRUNK, [[11, 12], [5, 6]]),
        ("tilt:shoulders", [[5], [6]]),
        (THIGH, [[11], [13]]),
        ("length:nose/left_ankle+right_ankle", [[0], [15, 16]]),
    ],
)
def test_every_number_equals_a_plain_loop(text, joints):
    truth, predictions = make_tables()
    (ours,) = measure(truth, predictions, text)
    plain = compare_plainly(truth, predictions, text.partition(":")[0], joints)
    everyone = ours["classes"]["all"]
    assert everyone["unlabelled"] and everyone["missed"] and everyone["uncounted"]
    for name, value in plain.items():
        assert everyone[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


# Printed by poseaudit 0.7.2 for the same 300 people (bench/measures/peer.py).
POSEAUDIT = {
    "angle:left_elbow": {
        "read": 99,
        "unlabelled": 155,
        "missed": 17,
        "uncounted": 27,
        "unmeasurable": 2,
        "bias": -4.1671816474777055,
        "limits": [-39.880795649374946, 31.546432354419537],
        "percentile_limits": [-40.91122774972641, 31.199739077770758],
        "mean_abs_error": 12.800486954417316,
        "median_abs_error": 8.554005562360231,
        "p95_abs_error": 38.73257348388412,
        "rmse": 18.602072313036835,
        "share_beyond": 0.3434343434343434,
        "slope": 0.6781002234436855,
        "intercept": 45.38146287708604,
        "icc": 0.5761567486857948,
        "ccc": 0.5736756410439593,
        "pearson": 0.5916743040364049,
    },
    "tilt:trunk": {
        "read": 66,
        "unlabelled": 183,
        "missed": 15,
        "uncounted": 36,
        "unmeasurable": 0,
        "bias": -0.05882769663304134,
        "limits": [-6.928273371791452, 6.81061797852537],
        "percentile_limits": [-7.0997098551719535, 6.276729985090666],
        "mean_abs_error": 2.60541976680691,
        "median_abs_error": 2.011627156799662,
        "p95_abs_error": 6.775134751577674,
        "rmse": 3.4787275749954425,
        "share_beyond": 0.0,
        "slope": 1.0536534152462789,
        "intercept": -0.08341541637008065,
        "icc": 0.7385341138165299,
        "ccc": 0.7355752241574695,
        "pearson": 0.7716173418924128,
    },
    "length:left_thigh": {
        "read": 125,
        "unlabelled": 114,
        "missed": 31,
        "uncounted": 30,
        "unmeasurable": 0,
        "bias": -0.22335124712244925,
        "limits": [-10.212030180759125, 9.765327686514226],
        "percentile_limits": [-11.28979746855778, 10.855942855929554],
        "mean_abs_error": 3.3467702881560095,
        "median_abs_error": 1.6352028117347146,
        "p95_abs_error": 11.327338624198608,
        "rmse": 5.080843616832442,
        "slope": 1.0124490807997535,
        "intercept": -0.604353872906497,
        "icc": 0.9743757062262227,
        "ccc": 0.9741743954931825,
        "pearson": 0.9749181450631474,
    },
}


@pytest.mark.parametrize("name", POSEAUDIT)
def test_numbers_are_those_of_poseaudit(name):
    truth, predictions = make_tables()
    (ours,) = measure(truth, predictions, name)
    for key, value in POSEAUDIT[name].items():
        assert ours["classes"]["all"][key] == pytest.approx(value, rel=1e-9, abs=1e-9), key


@pytest.mark.parametrize("kind", ["angle", "tilt", "length"])
def test_a_turned_and_enlarged_pose_reads_as_geometry_says(kind):
    points = 50 + 40 * wave((200, 3 if kind == "angle" else 2, 2), 0.7)
    turn = math.radians(30)
    matrix = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    before, after = read_values(kind, points), read_values(kind, 3 * points @ matrix)
    # In the image y grows downward, so this turn is clockwise and raises a tilt.
    expected = {"angle": before, "length": 3 * before, "tilt": (before + 30 + 90) % 180 - 90}
    np.testing.assert_allclose(after, expected[kind], atol=1e-9)
    np.testing.assert_allclose(read_values(kind, points[:, ::-1]), before, atol=1e-9)


def test_an_error_of_an_axis_is_taken_the_short_way_around():
    keypoints = np.zeros((2, 17, 3))
    keypoints[:, :, :2] = 100 * SHAPE
    keypoints[:, :, 2] = 2
    keypoints[0, 6, :2] = keypoints[0, 5, :2] + [-50, 2]
    keypoints[1, 6, :2] = keypoints[1, 5, :2] + [-50, -2]
    images = make_images([1], ["a.jpg"])
    boxes = [[0, 0, 100, 100]]
    truth = make_instances(COCO17, images, [0], boxes, keypoints[:1])
    predictions = make_predictions(COCO17, [1], keypoints[1:], [1.0], boxes)
    (ours,) = measure(truth, predictions, "tilt:shoulders")
    small = 2 * math.degrees(math.atan(2 / 50))
    assert abs(ours["classes"]["all"]["bias"]) == pytest.approx(small)
    assert ours["classes"]["all"]["share_beyond"] == 0


def test_everybody_who_counts_is_read_or_has_a_reason_in_every_class():
    truth, predictions = make_tables()
    known = [name for name in list_known_measures() if not name.endswith(":head")]
    for one in measure(truth, predictions, ",".join(known)):
        for name, row in one["classes"].items():
            reasons = ("read", "unlabelled", "missed", "uncounted", "unmeasurable")
            assert sum(row[reason] for reason in reasons) == row["people"], name
        sizes = [one["classes"][size] for size in ("small", "medium", "large")]
        assert sum(size["read"] for size in sizes) == one["classes"]["all"]["read"]


def test_a_class_is_as_if_it_were_alone_in_the_file():
    truth, predictions = make_tables()
    (together,) = measure(truth, predictions, ELBOW)
    (alone,) = measure(truth.take(truth.size_class == 0), predictions, ELBOW)
    assert together["classes"]["small"] == alone["classes"]["all"]


def test_the_order_of_people_and_predictions_does_not_matter():
    truth, predictions = make_tables()
    turned = truth.take(np.arange(len(truth))[::-1])
    (one,) = measure(truth, predictions, ELBOW, num_resamples=50)
    (other,) = measure(
        turned, predictions.take(np.arange(len(predictions))[::-1]), ELBOW, num_resamples=50
    )
    for name, value in one["classes"]["all"].items():
        if name != "intervals":
            assert other["classes"]["all"][name] == pytest.approx(value, rel=1e-9), name
    for name, ends in one["classes"]["all"]["intervals"].items():
        assert other["classes"]["all"]["intervals"][name] == pytest.approx(ends, rel=1e-9), name


def test_joints_below_the_minimum_score_do_not_count():
    truth, predictions = make_tables()
    (low,) = measure(truth, predictions, ELBOW)
    (high,) = measure(truth, predictions, ELBOW, min_joint_score=0.5)
    is_counted = (predictions.keypoints[:, [5, 7, 9], 2] > 0.5).all(axis=1)
    labelled = (truth.keypoints[:, [5, 7, 9], 2] > 0).all(axis=1)[predictions.image_ids - 1]
    assert high["classes"]["all"]["uncounted"] == np.count_nonzero(~is_counted & labelled)
    assert high["classes"]["all"]["read"] < low["classes"]["all"]["read"]


def test_results_without_any_score_of_joints_count_every_joint():
    truth, predictions = make_tables()
    poses = predictions.keypoints.copy()
    poses[:, :, 2] = 0
    bare = make_predictions(
        COCO17, predictions.image_ids, poses, predictions.scores, predictions.boxes_xywh
    )
    assert measure(truth, bare, ELBOW)[0]["classes"]["all"]["uncounted"] == 0


def test_intervals_resample_videos_and_need_ten_of_them():
    truth, predictions = make_tables(groups=[f"video {i // 40}" for i in range(300)])
    (few,) = measure(truth, predictions, ELBOW, num_resamples=100)
    assert set(few["classes"]["all"]["intervals"].values()) == {None}
    (many,) = measure(*make_tables(), ELBOW, num_resamples=100)
    low, high = many["classes"]["all"]["intervals"]["bias"]
    assert low < many["classes"]["all"]["bias"] < high


@pytest.mark.long
def test_intervals_contain_the_true_bias_and_share():
    """Binomial interval of 600 draws around 95 %: clustered errors of 60 images with 3 people."""
    rng = np.random.default_rng(5)
    num_inside = dict.fromkeys(("bias", "share_beyond"), 0)
    wrist = COCO17.joints.index("left_wrist")
    draws, images, people = 600, 60, 3
    for draw in range(draws):
        n = images * people
        keypoints = np.zeros((n, 17, 3))
        keypoints[:, :, :2] = 1000 * SHAPE * [0.5, 1.0]
        keypoints[:, :, :2] += (600 * (np.arange(n) % people))[:, None, None] * [1, 0]
        keypoints[:, :, 2] = 2
        turn = np.radians(np.repeat(rng.normal(4, 8, images), people) + rng.normal(0, 8, n))
        arm = np.tile([150.0, -80.0], (n, 1))  # at a right angle, far from the folds at 0 and 180
        keypoints[:, wrist, :2] = keypoints[:, 7, :2] + arm
        found = keypoints.copy()
        found[:, wrist, 0] = (
            keypoints[:, 7, 0] + arm[:, 0] * np.cos(turn) + arm[:, 1] * np.sin(turn)
        )
        found[:, wrist, 1] = (
            keypoints[:, 7, 1] - arm[:, 0] * np.sin(turn) + arm[:, 1] * np.cos(turn)
        )
        table = make_images(np.arange(images), [f"{i}.jpg" for i in range(images)])
        rows = np.repeat(np.arange(images), people)
        boxes = np.stack(
            [600.0 * (np.arange(n) % people), 0 * turn, 500 + 0 * turn, 1000 + 0 * turn]
        )
        truth = make_instances(COCO17, table, rows, boxes.T, keypoints)
        predictions = make_predictions(COCO17, rows, found, np.ones(n), boxes.T)
        (one,) = measure(truth, predictions, ELBOW, num_resamples=300, seed=draw)
        row = one["classes"]["all"]
        sd = math.hypot(8, 8)
        normal = statistics.NormalDist(row["bias"] * 0 + 4 * math.copysign(1, row["bias"]), sd)
        true = {
            "bias": normal.mean,
            "share_beyond": normal.cdf(-15) + 1 - normal.cdf(15),
        }
        for name, value in true.items():
            low, high = row["intervals"][name]
            num_inside[name] += low <= value <= high
    for name, inside in num_inside.items():
        assert 0.93 <= inside / draws <= 0.97, (name, inside / draws)


BAD = [
    "",
    ",",
    "angle",
    "angle:",
    "left_elbow",
    "angel:left_elbow",
    "angle:elbow",
    "angle:left_wrist",
    "angle:trunk",
    "tilt:left_elbow",
    "tilt:spine",
    "length:left_shin,",
    "length:nose",
    "length:nose/nose",
    "length:nose/left_ankle/left_knee",
    "angle:left_hip/left_knee",
    "angle:left_hip/left_knee/left_hip",
    "length:nose/chest",
    "length:nose/left_hip+right_hip+left_knee",
    "length:nose/left_hip+left_hip",
    "length:nose/",
    "tilt:head",
    "angle:left_elbow,angle:left_wrist/left_elbow/left_shoulder",
    ",".join(f"length:nose/left_hip+{i}" for i in range(101)),
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_measure_is_answered_in_one_line_with_a_remedy(text):
    with pytest.raises(InputError) as error:
        parse_measures(text, COCO17)
    assert len(str(error.value).splitlines()) == 1
    assert str(error.value).startswith("--measure")
    assert ";" in str(error.value)


def test_joints_are_found_however_they_are_spelled():
    spelled = parse_measures("angle:LElbow,length:Left Hip/left-knee,tilt:trunk", SMALLPOSE)
    assert [one.joints for one in spelled[:2]] == [
        ("left_shoulder", "left_elbow", "left_wrist"),
        ("left_hip", "left_knee"),
    ]


def test_every_known_measure_can_be_parsed():
    assert len(parse_measures(",".join(list_known_measures()), SMALLPOSE)) == 32


def test_results_that_lack_a_joint_are_refused():
    truth, predictions = make_tables()
    legs = COCO17.take([0, 5, 7])
    few = make_predictions(
        legs, predictions.image_ids, predictions.keypoints[:, [0, 5, 7]], predictions.scores
    )
    with pytest.raises(InputError, match="the results have no joint left_wrist"):
        measure(truth, few, ELBOW)


def test_nothing_but_n_a_is_printed_of_an_empty_result():
    truth, _ = make_tables()
    nothing = make_predictions(COCO17, [], [], [])
    measures = parse_measures(ELBOW, COCO17)
    data, text = build_measure_section(truth, nothing, measures, num_resamples=20)
    assert data[ELBOW]["classes"]["all"]["bias"] is None
    assert data[ELBOW]["classes"]["all"]["missed"] + data[ELBOW]["classes"]["all"]["unlabelled"]
    assert "nan" not in text and "only 0 people were read" in text


def test_the_text_fits_the_terminal_and_names_the_measures():
    truth, predictions = make_tables()
    measures = parse_measures(f"{ELBOW},{TRUNK},{THIGH}", COCO17)
    _, text = build_measure_section(truth, predictions, measures, num_resamples=50)
    assert max(map(len, text.splitlines())) <= 80
    assert all(name in text for name in (ELBOW, TRUNK, THIGH, "15 % of the length"))


def run(capsys, *words):
    from smallpose.cli.main import main

    try:
        code = main([str(word) for word in words])
    except SystemExit as ended:  # of the parser
        code = ended.code
    return code, capsys.readouterr()


@pytest.fixture
def files(tmp_path):
    from smallpose.io.coco_annotations import write_coco
    from smallpose.io.coco_results import write_results

    truth, predictions = make_tables(60)
    write_coco(truth, tmp_path / "truth.json")
    write_results(predictions, tmp_path / "results.json")
    return tmp_path / "truth.json", tmp_path / "results.json"


def test_the_command_writes_what_it_prints(files, tmp_path, capsys):
    import json

    out = tmp_path / "out.json"
    code, printed = run(capsys, "evaluate", *files, "--measure", f"{ELBOW},{TRUNK}", "--json", out)
    assert code == 0
    data = json.loads(out.read_text())
    assert list(data["measures"]) == [ELBOW, TRUNK]
    assert ELBOW in printed.out and "not labelled" in printed.out
    truth = smallpose.read_coco(files[0])
    predictions = smallpose.read_results(files[1], truth)
    options = {"protocols": ("coco", "owned", "recall")}
    (direct,) = measure(truth, predictions, ELBOW, **options)
    assert data["measures"][ELBOW] == direct


@pytest.mark.parametrize(
    "words",
    [
        ("--measure", "angle:left_elbou"),
        ("--measure", ELBOW, "--min-joint-score", "-1"),
        ("--measure", ELBOW, "--min-joint-score", "nan"),
        ("--min-joint-score", "0.5"),
    ],
)
def test_the_command_refuses_in_one_line(files, words, capsys):
    code, printed = run(capsys, "evaluate", *files, *words)
    assert code == 2
    assert len(printed.err.strip().splitlines()) == 1
    assert not printed.out
