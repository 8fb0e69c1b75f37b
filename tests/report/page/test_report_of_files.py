"""A report of result files has the scores of `evaluate` and `compare`, with or without runs."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smallpose.cli.main import main
from smallpose.core.interval import Interval
from smallpose.core.predictions import make_predictions
from smallpose.core.skeleton import COCO17, map_joints
from smallpose.evaluation.analysis.comparison import compare
from smallpose.evaluation.analysis.density_axes import break_down_by_density
from smallpose.evaluation.difference.split import split_difference
from smallpose.evaluation.difference.split_table import LABELS
from smallpose.evaluation.evaluate import evaluate
from smallpose.io.coco_annotations import read_coco, write_coco
from smallpose.io.coco_results import read_results, write_results
from smallpose.io.label_faults import NO_RESULT
from smallpose.report.inputs.scores import SeedGroup, group_scores
from smallpose.report.page.doubts import MAX_SHOWN, choose_shown_notes
from smallpose.report.page.result_figures import make_result_figures
from smallpose.report.page.summary import _describe_lead, summarize_runs
from smallpose.report.page.summary_statistics import Lead, compute_leads
from smallpose.report.report_data import read_report_data
from smallpose.report.tables.paper_tables import build_table5


def write_noisy_results(path: Path, truth, noise: float, seed: int) -> Path:
    """Write poses of the 17 joints: the labels with noise, in shares of the height."""
    labelled = truth.to_skeleton(COCO17)
    rng = np.random.default_rng(seed)
    poses = labelled.keypoints.copy()
    height = truth.boxes_xywh[:, 3, None, None]
    poses[:, :, :2] += rng.normal(0, noise, poses[:, :, :2].shape) * height
    ids = labelled.images.ids[labelled.image_rows]
    results = make_predictions(COCO17, ids, poses, rng.random(len(ids)), truth.boxes_xywh)
    write_results(results, path)
    return path


@pytest.fixture(scope="module")
def files(project, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Copy the labels out of the set, and write two results for them."""
    folder = tmp_path_factory.mktemp("files")
    labels = folder / "labels.json"
    labels.write_bytes((project.data / "annotations" / "test.json").read_bytes())
    return [
        labels,
        write_noisy_results(folder / "good.json", project.test, 0.01, 1),
        write_noisy_results(folder / "bad.json", project.test, 0.06, 2),
    ]


@pytest.fixture(scope="module")
def report(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report_of_files")
    words = [*map(str, files), "--name", "My <model>", "--name", "Other", "--out", str(out)]
    assert main(["report", *words]) == 0
    return out


def read_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_scores_are_those_of_evaluate_on_the_same_files(files: list[Path], report: Path):
    truth = read_coco(files[0])
    for protocol, name in (("coco", "results"), ("owned", "results_owned")):
        rows = read_rows(report / "tables" / f"{name}.csv")
        assert [row["result"] for row in rows] == ["My <model>", "Other"]
        for row, file in zip(rows, files[1:], strict=True):
            result = evaluate(truth, read_results(file, truth), protocols=(protocol,))
            for metric in ("AP", "AP_S", "AP_M", "AP_L", "AR"):
                assert float(row[metric]) == pytest.approx(100 * result[protocol][metric], abs=1e-4)


def test_the_lead_of_the_best_is_that_of_compare(files: list[Path], report: Path):
    truth = read_coco(files[0])
    results = {file.stem: read_results(file, truth) for file in files[:0:-1]}
    differences = compare(truth, results, protocols=("owned",)).differences
    expected = next(d for d in differences if d.name == "AP_S")
    text = (report / "tables" / "summary.csv").read_text()
    assert f"{100 * (expected.difference or 0):.4g}"[:4] in text


def test_p_values_of_leads_are_those_of_compare(files: list[Path]):
    data = read_report_data(files)
    truth = data.test
    assert truth is not None
    good, bad = (SeedGroup((data.runs[i],), (data.scores[i],)) for i in (0, 1))
    predictions = {id(data.runs[i]): result.predictions for i, result in data.results.items()}
    (lead,) = compute_leads(truth, good, [bad], lambda run: predictions[id(run)])
    results = {file.stem: read_results(file, truth) for file in files[1:]}
    num_resamples = len(data.scores[0].resamples["owned"]["AP"])
    differences = compare(truth, results, num_resamples=num_resamples).differences
    expected = {(d.protocol, d.name): d.p_holm for d in differences if d.p_holm is not None}
    assert lead is not None and lead.num_tests == len(expected)
    for p, name, verdict in (
        (lead.p, "AP_S", lead.verdict),
        (lead.p_everyone, "AP", lead.verdict_everyone),
    ):
        corrected = expected.get(("owned", name))  # None where few images have such people
        assert (p is None) == (corrected is None)
        assert p is None or p == pytest.approx(corrected, rel=0.1, abs=1e-9)
        is_shown = corrected is not None and corrected < 0.05
        assert verdict == ("ahead" if is_shown else "cannot tell")


@pytest.mark.parametrize(
    ("p", "verdict"), [(None, "cannot tell"), (0.07, "cannot tell"), (0.04, "ahead")]
)
def test_an_interval_without_zero_is_no_verdict_by_itself(p, verdict):
    lead = Lead(9.8, 1.4, 18.7, "the 17 joints", Interval(15.1, 9.3, 21.1), p, 0.001, 4)
    assert (lead.verdict, lead.verdict_everyone) == (verdict, "ahead")
    text = _describe_lead(lead, "MMPose")
    assert text.startswith("Over all people it is ahead of MMPose by 15.1 AP (95 %: +9.3 to +21.1)")
    assert ("by itself, p = 0.07 corrected for 4 comparisons" in text) == (p == 0.07)
    assert ("a verdict needs such people in 15 images or videos" in text) == (p is None)
    assert ("On small people it is ahead" in text) == (verdict == "ahead")


def test_the_parts_of_the_lead_are_those_of_compare(files: list[Path], report: Path):
    truth = read_coco(files[0])
    other, best = (read_results(path, truth) for path in (files[2], files[1]))
    split = split_difference(
        truth, {"other": other, "best": best}, protocol="owned", num_resamples=0
    )
    rows = {row["part"]: row for row in read_rows(report / "tables" / "difference.csv")}
    assert list(rows) == [*LABELS.values(), "difference"]
    for metric in split.metrics:
        for cause, label in LABELS.items():
            value = metric.parts[cause]
            shown = rows[label][metric.name]
            if value is None:
                assert shown == ""
            else:
                assert float(shown) == pytest.approx(100 * value, abs=1e-4)
        if metric.difference is not None:
            shown = float(rows["difference"][metric.name])
            assert shown == pytest.approx(100 * metric.difference, abs=1e-4)
    page = (report / "index.html").read_text()
    assert "Where the lead of My &lt;model&gt; over Other comes from" in page


def test_every_run_has_its_ap_by_density_class(files: list[Path], report: Path):
    truth = read_coco(files[0])
    rows = read_rows(report / "tables" / "densities_of_runs.csv")
    assert [row["run"] for row in rows] == ["My <model>", "Other", "people"]
    for row, path in zip(rows, files[1:], strict=False):
        classes = break_down_by_density(truth, read_results(path, truth)).classes
        for one in classes:
            cell = row[f"{one.size} {one.name}"]
            if one.ap is not None:
                assert float(cell) == pytest.approx(100 * one.ap, abs=1e-3)


def test_names_are_escaped_and_the_page_has_nothing_of_the_paper(report: Path):
    page = (report / "index.html").read_text()
    assert "My &lt;model&gt;" in page
    assert "My <model>" not in page
    ids = re.findall(r'<section id="(\w+)"', page)
    assert "claims" not in ids
    assert "paper" not in ids
    assert {"results", "people", "data", "runs"} <= set(ids)
    assert not (report / "claims.json").exists()
    assert "setting A" not in page


def test_a_page_without_images_says_so(report: Path):
    assert "No images were given" in (report / "index.html").read_text()


@pytest.mark.usefixtures("unrendered_figures")
def test_images_are_shown_where_they_are_given(project, files: list[Path], tmp_path: Path):
    images = ["--images", str(project.data / "images")]
    assert main(["report", *map(str, files[:2]), *images, "--out", str(tmp_path)]) == 0
    assert "No images were given" not in (tmp_path / "index.html").read_text()
    assert (tmp_path / "figures" / "predictions.png").is_file()


def test_labels_of_a_built_set_bring_its_images_and_its_limits(project, files: list[Path]):
    labels = project.data / "annotations" / "test.json"
    data = read_report_data([labels, files[1]])
    assert data.images == (project.data / "images").resolve()
    assert data.manifest.synthetic  # so that the page says what its scores mean


@pytest.mark.usefixtures("unrendered_figures")
def test_runs_and_files_are_scored_on_the_same_joints(project, files: list[Path], tmp_path: Path):
    words = [str(files[0]), str(files[1]), str(project.runs["A"]), str(project.runs["B"])]
    assert main(["report", *words, "--out", str(tmp_path)]) == 0
    rows = read_rows(tmp_path / "tables" / "results.csv")
    truth = read_coco(files[0])
    assert [(row["method"], row["setting"]) for row in rows] == [
        ("good", "–"),
        ("SimpleBaseline R18 tiny", "A"),
        ("SimpleBaseline R18 tiny", "B17"),
    ]
    paths = [files[1], *(project.runs[name] / "found.json" for name in ("A", "B"))]
    for row, path in zip(rows, paths, strict=True):
        result = evaluate(truth, read_results(path, truth), keypoints="coco17")
        # The scores that the runs recorded were made up.
        assert float(row["AP"]) == pytest.approx(100 * result["coco"]["AP"], abs=1e-4)
    page = (tmp_path / "index.html").read_text()
    assert "so all are scored on COCO&#39;s 17" in page
    assert 'id="claims"' in page


def test_a_file_of_fewer_joints_is_scored_as_by_compare(files: list[Path], tmp_path: Path):
    truth = read_coco(files[0])
    few = read_results(files[2], truth)
    joints = list(range(12))
    few = replace(few, skeleton=few.skeleton.take(joints), keypoints=few.keypoints[:, joints])
    write_results(few, tmp_path / "plain.json")
    entries = json.loads((tmp_path / "plain.json").read_text())
    named = {"keypoint_names": few.skeleton.joints, "predictions": entries}
    (tmp_path / "few.json").write_text(json.dumps(named))
    data = read_report_data([files[0], files[1], tmp_path / "few.json"])
    [note] = [note for note in data.notes if "different joints" in note]
    assert "(good 17, few 12), so all are scored on the 12 joints that all have: nose, " in note
    results = {"good": read_results(files[1], truth), "few": few}
    expected = compare(truth, results, num_resamples=20)
    for run, one in zip(data.runs, expected.evaluations.values(), strict=True):
        scores = run.evaluation["protocols"]["coco"]
        assert scores["AP"] == pytest.approx(one["coco"]["AP"], abs=1e-9)


def test_a_run_of_the_full_set_on_labels_of_17_joints_is_scored_on_these(project, tmp_path: Path):
    """Table 5 says how many joints a row is scored on, and COCO's files have 17."""
    labels = tmp_path / "val.json"
    write_coco(project.test.to_skeleton(COCO17), labels)
    run = tmp_path / "B"
    shutil.copytree(project.runs["B"], run)
    found = read_results(run / "found.json", project.test)
    poses = map_joints(found.keypoints, found.skeleton, COCO17)
    parts = found.image_ids, poses, found.scores, found.boxes_xywh
    write_results(make_predictions(COCO17, *parts), run / "found.json")
    data = read_report_data([labels, run])
    assert [one.setting for one in data.runs] == ["B17"]
    table = build_table5(group_scores(data.runs, data.scores))
    ours = [row for number, row in enumerate(table.rows) if number not in table.muted_rows]
    assert [row[2:4] for row in ours] == [("full set", 17)]


def test_a_run_for_other_images_is_refused_though_its_ids_exist(
    project, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    content = json.loads(files[0].read_text())
    for image in content["images"]:
        image["file_name"] = f"other_{image['id']}.png"
    labels = tmp_path / "other.json"
    labels.write_text(json.dumps(content))
    words = [str(labels), str(project.runs["A"]), "--out", str(tmp_path / "out")]
    assert main(["report", *words]) == 2
    error = capsys.readouterr().err
    assert "its results are for other images" in error
    assert "smallpose predict simple_baseline_r18_tiny" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("is_missing", [False, True])
def test_the_command_that_an_error_names_for_a_method_of_ones_own_takes_the_run(
    project, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], is_missing: bool
):
    """`predict coffee` is refused; the run's folder names the file of the method."""
    run = shutil.copytree(project.runs["A"], tmp_path / "run")
    record = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(record | {"method": "coffee"}))
    if is_missing:
        (run / "found.json").unlink()
    labels = tmp_path / "other.json"
    content = json.loads(files[0].read_text())
    for image in content["images"]:
        image["file_name"] = f"other_{image['id']}.png"
    labels.write_text(json.dumps(content))
    assert main(["report", str(labels), str(run), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "no found.json" in error if is_missing else "results are for other images" in error
    assert f"smallpose predict {run} --data " in error


def test_a_folder_with_none_of_the_images_is_refused(
    files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = [*map(str, files), "--images", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(["report", *words]) == 2
    assert "has none of the 10 images with people" in capsys.readouterr().err


def test_a_file_of_images_without_labels_is_refused(
    files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    content = json.loads(files[0].read_text())
    labels = tmp_path / "image_info_test.json"
    labels.write_text(json.dumps(content | {"annotations": []}))
    assert main(["report", str(labels), str(files[1]), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_zoo_lists_result_files_with_their_hash(files: list[Path], tmp_path: Path):
    assert main(["zoo", *map(str, files), "--out", str(tmp_path)]) == 0
    entries = json.loads((tmp_path / "zoo.json").read_text())
    assert [entry["name"] for entry in entries] == ["good", "bad"]
    for entry in entries:
        assert entry["weights"] is None
        assert len(entry["results"]["sha256"]) == 64
        assert f"`{entry['results']['sha256']}`" in (tmp_path / "README.md").read_text()
    table = (tmp_path / "README.md").read_text()
    assert "**Results**" in table and "| name | AP |" in table
    ap = entries[1]["metrics"]["AP"]
    assert ap["interval"][0] < ap["value"] < ap["interval"][1]


def test_scores_of_real_files_are_those_of_evaluate(real: Path):
    folder = real / "coco" / "val_subset250"
    paths = [folder / "val_subset.json.gz", folder / "detections_C.json.gz"]
    data = read_report_data(paths)
    (run,), (score,) = data.runs, data.scores.values()
    truth = read_coco(paths[0])
    expected = evaluate(truth, read_results(paths[1], truth), protocols=("coco", "owned", "recall"))
    assert run.title == "detections_C"
    assert score.evaluation.protocols == expected.protocols
    assert run.evaluation["protocols"] == expected.protocols


def test_the_best_of_many_results_are_drawn_and_titles_count_them(
    project, files: list[Path], tmp_path: Path
):
    """Of six files four fit side by side, whatever their order on the command line."""
    others = [
        write_noisy_results(tmp_path / f"{name}.json", project.test, noise, seed)
        for seed, (name, noise) in enumerate((("c", 0.2), ("d", 0.02), ("e", 0.03), ("f", 0.3)))
    ]
    data = read_report_data([files[0], others[3], others[0], *files[1:], *others[1:3]])
    by_class, *_ = make_result_figures(data, data.scores)
    assert by_class.title.endswith("(4 of 6 runs)")
    legend = by_class.draw().axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["good", "bad", "d", "e"]


@pytest.mark.usefixtures("unrendered_figures")
def test_doubts_are_beside_the_verdicts_and_on_the_terminal(
    files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The page has the words of `compare`, and the terminal every note."""
    entries = json.loads(files[1].read_text())
    first_half = sorted({one["image_id"] for one in entries})[:4]
    few = tmp_path / "few.json"
    few.write_text(json.dumps([one for one in entries if one["image_id"] in first_half]))
    halved = [one | {"keypoints": (np.array(one["keypoints"]) / 2).tolist()} for one in entries]
    (tmp_path / "shrunk.json").write_text(json.dumps(halved))
    results = [str(path) for path in (files[1], few, tmp_path / "shrunk.json")]
    assert main(["compare", str(files[0]), *results[:2], "--intervals", "50"]) == 0
    clause = "any images have no results of few (see the notes), so this may say nothing about the"
    link = '<a href="#notes">see the notes</a>'
    assert clause in " ".join(capsys.readouterr().out.split())
    assert main(["report", str(files[0]), *results, "--out", str(tmp_path / "report")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "note: few: 6 of 10 images with scored people have no detection" in printed
    assert "note: shrunk: labels and results seem to belong to images of different size" in printed
    page = (tmp_path / "report" / "index.html").read_text()
    first_lines = page[: page.index("</header>")]
    assert clause.replace("see the notes", link) in first_lines
    assert page.count('<div id="notes">') == 1
    assert "The numbers of shrunk say nothing about the models" in first_lines
    rows = read_rows(tmp_path / "report" / "tables" / "summary.csv")
    assert [row["run"] for row in rows if "in doubt, see the notes" in row["verdict"]] == [
        "few",
        "shrunk",
    ]
    assert clause in (tmp_path / "report" / "tables" / "difference.md").read_text()


def test_intervals_of_possible_frames_are_doubted_in_the_first_lines(
    files: list[Path], tmp_path: Path
):
    labels = json.loads(files[0].read_text())
    for name, is_doubted in (("frame_{:04d}.png", True), ("{:b}_photo.png", False)):
        for number, image in enumerate(labels["images"]):
            image["file_name"] = name.format(5 * number)
        (tmp_path / "labels.json").write_text(json.dumps(labels))
        data = read_report_data([tmp_path / "labels.json", files[1]])
        line = summarize_runs(data, data.scores).lines[0]
        assert ("the intervals here are too narrow." in line) == is_doubted


def test_many_notes_leave_the_doubts_on_the_terminal():
    doubts = [f"a: {NO_RESULT}", "b: every AP is 0: no detection reaches an OKS of .5"]
    notes = [*(f"note {number}" for number in range(MAX_SHOWN + 3)), *doubts]
    shown = choose_shown_notes(notes)
    assert shown[:2] == doubts
    assert shown[-1] == "the page has 3 more"
    assert len(shown) == MAX_SHOWN + 3


def test_labels_that_may_be_missing_are_doubted_beside_ap(files: list[Path], tmp_path: Path):
    labels = json.loads(files[0].read_text())
    rest = {image["id"] for image in labels["images"][:4]}
    labels["annotations"] = [one for one in labels["annotations"] if one["image_id"] in rest]
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    data = read_report_data([tmp_path / "labels.json", files[1]])
    line = summarize_runs(data, data.scores).lines[0]
    assert "AP and" in line and "Images without a label may not have been labelled" in line
    data = read_report_data(files[:2])
    assert "may not have been" not in summarize_runs(data, data.scores).lines[0]
