"""People whom the frame cuts off are found by their boxes and scored on their own."""

import json

import numpy as np
from test_study import run

from smallpose.core.instances import make_images, make_instances
from smallpose.core.skeleton import SMALLPOSE
from smallpose.resolution.parts import find_cut_people
from smallpose.resolution.people import choose_people


def test_a_box_at_any_border_is_cut_off():
    boxes = [[0, 9, 50, 90], [30, 1.5, 50, 60], [40, 9, 60, 70], [30, 20, 40, 78.5], [5, 5, 80, 80]]
    points = np.full((5, 21, 3), 2.0)
    images = make_images(np.arange(5) + 1, [f"{i}.png" for i in range(5)], [100] * 5, [100] * 5)
    truth = make_instances(SMALLPOSE, images, np.arange(5), boxes, points)
    people = choose_people(truth, (50,))
    is_cut = find_cut_people(people, np.full((5, 2), 100))
    assert is_cut.tolist() == [True, True, True, True, False]


def test_the_command_scores_both_parts_and_the_height_of_an_ap(scenes, tmp_path, capsys):
    program = tmp_path / "exact.py"
    program.write_text(EXACT)
    command = f"exact=python {program} {{images}} {{boxes}} {{out}}"
    out = tmp_path / "out"
    words = ["--command", command, "--heights", "48,96", "--people", "0", "--reach", "30"]
    assert run(scenes, out, *words, "--sensor", "clean") == 0
    printed = " ".join(capsys.readouterr().out.split())
    content = json.loads((out / "curve.json").read_text())
    parts = content["parts"]
    counts = [part["people"] for part in parts.values()]
    assert sum(counts) == content["settings"]["people"] and all(counts)
    for part in parts.values():
        assert part["models"]["exact"]["clean"]["heights"][-1]["AP"]["value"] > 0.99
    level = content["models"]["exact"]["clean"]["level_ap_px"]
    assert level["AP"] == 0.3 and level["beyond"] == "below"
    assert "AP 30 is reached at all heights from 48 px on" in printed
    assert f"of the {counts[0]} people cut off by the frame" in printed
    assert "AP_strict counts every detection" in printed


EXACT = """
import json, sys
from pathlib import Path
truth = json.loads((Path(sys.argv[2]).parent / "truth.json").read_text())
people = [p for p in truth["annotations"] if not p["iscrowd"]]
keys = ("image_id", "category_id", "keypoints", "bbox")
results = [{**{key: person[key] for key in keys}, "score": 1} for person in people]
json.dump(results, open(sys.argv[3], "w"))
"""
