"""Options of `evaluate` that change what a number means, and of `compare`."""

import json
from pathlib import Path

import pytest

from smallpose.cli.main import main
from smallpose.io.result_environment import write_environment


@pytest.fixture
def files(tmp_path):
    """One image with a person of 40 × 40 px and one of 200 × 200, both detected exactly."""
    people, results = [], []
    for number, side in enumerate((40, 200), 1):
        points = [v for i in range(17) for v in (i * side / 17, i * side / 17, 2)]
        box = [0, 0, side, side]
        person = {"id": number, "image_id": 1, "bbox": box, "area": side * side / 2}
        people.append(person | {"keypoints": points, "num_keypoints": 17, "iscrowd": 0})
        results.append(
            {"image_id": 1, "category_id": 1, "keypoints": points, "score": 1, "bbox": box}
        )
    images = [{"id": 1, "file_name": "a.jpg", "width": 300, "height": 300}]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": images, "annotations": people}))
    (tmp_path / "results.json").write_text(json.dumps(results))
    return [str(truth), str(tmp_path / "results.json")]


def count_people(files, capsys, *flags):
    assert main(["evaluate", *files, "--json", "-", *flags]) == 0
    return json.loads(capsys.readouterr().out)["people"]


def test_size_classes_follow_the_size_limits_and_the_area_field(files, capsys):
    plain = count_people(files, capsys)
    assert (plain["small"], plain["medium"], plain["large"]) == (1, 1, 0)
    limited = count_people(files, capsys, "--size-limits", "1024,9216")
    assert (limited["small"], limited["medium"], limited["large"]) == (0, 1, 1)
    by_field = count_people(files, capsys, "--size-limits", "1024,9216", "--size-area", "file")
    assert (by_field["small"], by_field["medium"], by_field["large"]) == (1, 0, 1)


@pytest.mark.parametrize("text", ["12", "a,b", "5,1", "1,2,3"])
def test_size_limits_that_are_not_two_areas_are_a_one_line_error(files, capsys, text):
    assert main(["evaluate", *files, "--size-limits", text]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "limits" in err


def test_compare_refuses_one_result_and_the_same_result_twice(files, capsys):
    truth, results = files
    assert main(["compare", truth, results]) == 2
    assert "only one result file was given; pass two or more" in capsys.readouterr().err
    assert main(["compare", truth, results, results]) == 2
    assert "the same result file was given twice; pass each file once" in capsys.readouterr().err


def test_compare_says_which_versions_differ(files, tmp_path, capsys):
    truth, first = files
    second = tmp_path / "second.json"
    second.write_text(Path(first).read_text())
    command = ["compare", truth, first, str(second), "--intervals", "80"]
    assert main(command) == 0
    assert "computed differently" not in capsys.readouterr().out
    write_environment(Path(first), {"opencv": "5.0.0"})
    write_environment(second, {"opencv": "4.14.0"})
    assert main([*command, "--json", str(tmp_path / "out.json")]) == 0
    folder = Path(first).parent.name  # that of a file called results.json tells more than its name
    text = " ".join(capsys.readouterr().out.split())
    assert f"OpenCV 5.0.0 ({folder}), 4.14.0 (second)" in text
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["environments"]["second"] == {"opencv": "4.14.0"}
