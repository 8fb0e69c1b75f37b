"""Notes of the page on what its runs have in common and what not."""

from dataclasses import replace

from smallpose.report.inputs.runs import read_runs
from smallpose.report.page.context import build_notes


def test_runs_that_were_computed_differently_are_named(project):
    runs = read_runs([project.runs[name] for name in list(project.runs)[:2]])
    same = [replace(run, environment={"opencv": "5.0.0"}) for run in runs]
    assert not any("computed differently" in note for note in build_notes((), same))
    other = [same[0], replace(same[1], environment={"opencv": "4.14.0"})]
    (note,) = [one for one in build_notes((), other) if "computed differently" in one]
    assert "OpenCV 5.0.0 (" in note and "4.14.0 (" in note


def test_runs_with_boxes_of_the_labels_beside_others_are_named(project):
    runs = read_runs([project.runs[name] for name in list(project.runs)[:2]])
    boxes = (["boxes: in 9 of 9 images the best detection has the box of a label"], ["images: 9"])
    mixed = [
        replace(run, evaluation=run.evaluation | {"settings": {"comparable_to": differences}})
        for run, differences in zip(runs, boxes, strict=True)
    ]
    note = "the boxes of the labels, and"
    assert sum(note in one for one in build_notes((), mixed)) == 1
    assert not any(note in one for one in build_notes((), [mixed[0], mixed[0]]))
