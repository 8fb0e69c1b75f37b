"""`evaluate --keypoints PART` and `--rules crowdpose` give the numbers of xtcocotools 1.14.3."""

import json

import pytest
from xtcocotools_numbers import OUT, PARTS, make_crowd, make_wholebody

from smallpose.cli.main import main
from smallpose.evaluation.wholebody import get_part_sigmas

NUMBERS = json.loads(OUT.read_text())
# The places of numbers that do not depend on size classes in xtcocotools' summaries.
PART_METRICS = {"AP": 0, "AP50": 1, "AP75": 2, "AR": 5}
CROWD_METRICS = {"AP": 0, "AP50": 1, "AP75": 2, "AR": 3}
LEVELS = ("easy", "medium", "hard")


@pytest.fixture
def run(tmp_path):
    def run(truth, results, *more):
        """Return the code and the JSON of `evaluate`."""
        for name, content in (("truth.json", truth), ("results.json", results)):
            (tmp_path / name).write_text(json.dumps(content))
        files = [str(tmp_path / name) for name in ("truth.json", "results.json")]
        out = tmp_path / "out.json"
        code = main(["evaluate", *files, *more, "--json", str(out)])
        return code, None if code else json.loads(out.read_text())

    return run


def read_numbers(content, places):
    return [content["protocols"]["coco"][name] for name in places]


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_has_the_numbers_of_xtcocotools(run, seed, part):
    code, content = run(*make_wholebody(seed), "--keypoints", part)
    assert code == 0
    expected = NUMBERS["wholebody"][str(seed)][part]
    assert read_numbers(content, PART_METRICS) == [expected[i] for i in PART_METRICS.values()]
    assert content["settings"]["keypoints"] == f"COCO-WholeBody {part}"
    sigmas = get_part_sigmas(f"keypoints_{part}").tolist()
    assert content["settings"]["sigmas"] == pytest.approx(sigmas, abs=1e-12)


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_crowdpose_has_the_numbers_of_xtcocotools(run, seed, capsys):
    code, content = run(*make_crowd(seed), "--rules", "crowdpose")
    assert code == 0
    expected = NUMBERS["crowd"][str(seed)]
    assert read_numbers(content, CROWD_METRICS) == [expected[i] for i in CROWD_METRICS.values()]
    levels = [content["crowdpose"][name]["AP"] for name in LEVELS]
    assert [round(ap, 4) for ap in levels] == expected[6:9]  # xtcocotools rounds them
    assert content["settings"]["oks_area"] == "0.53box"
    assert sum(content["crowdpose"][name]["images"] for name in LEVELS) == 30
    assert "AP by CrowdIndex" in capsys.readouterr().out


def test_parts_go_with_slices_intervals_and_tables(run, tmp_path):
    truth, results = make_wholebody(3)
    table = tmp_path / "attributes.csv"
    table.write_text("image_id,camera\n" + "".join(f"{i},{i % 2}\n" for i in range(1, 13)))
    people = tmp_path / "people.csv"
    options = ("--slices", str(table), "--intervals", "20", "--people", str(people))
    code, content = run(truth, results, "--keypoints", "face", *options, "--breakdown", "joint")
    assert code == 0
    assert set(content["slices"]["attributes"]["camera"]) == {"0", "1"}
    assert [row["name"] for row in content["joint"]][:2] == ["face_0", "face_1"]
    assert people.exists()


def test_results_without_a_scored_joint_of_the_part_do_not_count(run):
    truth, results = make_wholebody(0)
    nobody = [result | {"foot_kpts": [0.0] * 18} for result in results]
    code, content = run(truth, nobody, "--keypoints", "foot")
    assert code == 0
    assert content["protocols"]["coco"]["AP"] == 0


def make_wrong_calls():
    """Return calls that are refused, by what their one line says."""
    truth, results = make_wholebody(0)
    crowd, crowd_results = make_crowd(0)
    bare = [{k: v for k, v in result.items() if k != "face_kpts"} for result in results]
    people = [{k: v for k, v in p.items() if k != "foot_kpts"} for p in truth["annotations"]]
    images = [{k: v for k, v in i.items() if k != "crowdIndex"} for i in crowd["images"]]
    rules = ("--rules", "crowdpose")
    return {
        "result 1: has no face_kpts": (truth, bare, "--keypoints", "face"),
        "annotation 1: has no foot_kpts": (
            truth | {"annotations": people},
            results,
            "--keypoints",
            "wholebody",
        ),
        "no plain list": (truth, {"predictions": results}, "--keypoints", "body"),
        "--video does not know parts": (truth, results, "--keypoints", "body", "--video"),
        "--rules does not know parts": (truth, results, "--keypoints", "body", *rules),
        "not CrowdPose's 14 joints": (truth, results, *rules),
        "image 1: has no crowdIndex": (crowd | {"images": images}, crowd_results, *rules),
        ".53 of the box": (crowd, crowd_results, *rules, "--oks-area", "box"),
        "rules of the protocol coco": (crowd, crowd_results, *rules, "--protocol", "owned"),
        "a record cannot be read": (
            truth,
            [result | {"foot_kpts": 3} for result in results],
            "--keypoints",
            "foot",
        ),
    }


WRONG = make_wrong_calls()


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_call_is_one_line(run, capsys, message):
    code, _ = run(*WRONG[message])
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
