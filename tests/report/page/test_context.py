"""Notes of the page on what its runs have in common and what not."""

from dataclasses import replace

from smallpose.core.skeleton import SMALLPOSE
from smallpose.evaluation.sigma_file import JointSigmas, describe_borrowed_sigmas
from smallpose.report.inputs.runs import read_runs
from smallpose.report.page.context import build_notes

BORROWED = tuple((joint, "COCO's") for joint in SMALLPOSE.joints)


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


def test_a_note_on_the_sigmas_of_one_of_several_sets_is_told_once(project):
    """It came once for the set that is scored again, and once with the names of its runs."""
    runs = read_runs([project.runs[name] for name in ("A", "B", "untrained")])
    note = describe_borrowed_sigmas(SMALLPOSE, JointSigmas((0.1,) * 21, SMALLPOSE.joints, BORROWED))
    marked = [replace(run, evaluation=run.evaluation | {"notes": note}) for run in runs[:2]]
    notes = build_notes(note, [*marked, runs[2]])
    (told,) = [one for one in notes if one.endswith(note[0])]
    assert told.startswith("SimpleBaseline R18 tiny A, SimpleBaseline R18 tiny B: ")
    assert [one for one in build_notes(note, marked) if one.endswith(note[0])] == note
    assert build_notes(note, runs)[0] == note[0]
