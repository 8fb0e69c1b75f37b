"""The page is one HTML file that needs nothing else; `report` and `stats` write their files."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from smallpose.cli.main import main
from smallpose.cli.stats import shorten_names
from smallpose.report import make_report


@pytest.fixture(scope="session")
def page(report_of_runs: Path) -> str:
    return (report_of_runs / "index.html").read_text()


class Tags(HTMLParser):
    """All opening tags with their attributes; every tag must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "source", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_no_network(page: str):
    without_images = re.sub(r"data:[a-z]+/[a-z+]+;base64,[A-Za-z0-9+/=]+", "data:", page)
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", without_images)
    for tag, attributes in Tags(page).tags:
        for name in ("src", "srcset", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), f"<{tag} {name}={value}>"


def test_cards_count_the_people_whose_scores_are_beside_them(page: str, project):
    cards = {
        label: value
        for value, label in re.findall(r"<li><b>([^<]*)</b> <span>([^<]*)</span></li>", page)
    }
    assert cards["people of the test set"] == f"{len(project.test):,}"
    assert cards["images of the test set"] == f"{len(project.test.images):,}"
    assert "people" not in cards


def test_all_images_have_alt_and_sizes(page: str):
    images = [attributes for tag, attributes in Tags(page).tags if tag == "img"]
    assert len(images) > 20
    for attributes in images:
        assert attributes["alt"]
        assert int(attributes["width"] or 0) > 0
        assert int(attributes["height"] or 0) > 0


def test_the_page_is_well_formed_and_its_ids_are_unique(page: str):
    parsed = Tags(page)
    assert parsed.open == []
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"] for t, a in parsed.tags if t == "a"]
    assert all(link and link[1:] in ids for link in links)


def test_figures_exist_in_light_and_dark(page: str):
    assert page.count("prefers-color-scheme: dark") > 8


def test_synthetic_data_are_shown_with_their_limits(page: str):
    assert 'id="limits"' in page
    assert "mean nothing for real images" in page


def test_text_of_a_run_is_escaped(page: str):
    assert "&lt;cpu&gt;" in page
    assert "<cpu>" not in page


def test_the_evaluations_notes_and_settings_are_shown_once(page: str):
    assert page.count("<li>20 detections count per image</li>") == 1
    assert "max_detections" in page  # the run was written under the old name `max_found`
    assert "augment.flip" in page


def test_tables_and_figures_are_written_beside_the_page(report_of_runs: Path):
    files = [path for path in report_of_runs.rglob("*") if path.is_file()]
    names = {path.relative_to(report_of_runs).as_posix() for path in files}
    tables = ("results", "results_owned", "results_recall", "summary", "claims")
    tables += ("table1", "table2", "table3", "table5")
    assert {f"tables/{t}.{kind}" for t in tables for kind in ("md", "csv")} <= names
    figures = ("fig1a_composition", "fig2_areas", "fig5_ap_by_class", "detected_by_height")
    figures += ("learning_curves",)
    assert {f"figures/{f}.{kind}" for f in figures for kind in ("png", "svg")} <= names
    assert {"figures/predictions.png", "figures/samples.png", "figures/sources.png"} <= names


def test_the_same_runs_give_the_same_bytes(project, report_of_runs: Path, tmp_path: Path):
    make_report(list(project.runs.values()), tmp_path)
    for file in sorted(path for path in report_of_runs.rglob("*") if path.is_file()):
        again = tmp_path / file.relative_to(report_of_runs)
        assert file.read_bytes() == again.read_bytes(), file.name


@pytest.mark.usefixtures("unrendered_figures")
def test_runs_without_their_data_set_still_make_a_page(project, tmp_path: Path):
    folder = tmp_path / "moved" / "B"
    folder.mkdir(parents=True)
    result = json.loads((project.runs["B"] / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**result, "data": "gone"}))
    make_report([folder], tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "was not found" in page
    assert "43.0 AP" in page
    assert "limits" not in re.findall(r'id="(\w+)"', page)


@pytest.mark.usefixtures("unrendered_figures")
def test_report_prints_the_main_table(project, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text = (project.runs["A"] / "result.json").read_text().replace(str(project.data), "gone")
    (tmp_path / "result.json").write_text(text)
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = next(line.split() for line in lines if "AP_S" in line)
    assert head[:5] == ["run", "method", "setting", "AP", "AP_S"]


def test_report_of_another_folder_is_refused_in_one_line_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_stats_writes_tables_figures_and_sheets(
    project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    files = [str(project.data / "annotations" / f"{s}.json") for s in ("train", "test")]
    images = ["--images", str(project.data / "images")]
    assert main(["stats", *files, *images, "--out", str(tmp_path), "--json", "-"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["train"]["counts"]["people"] == 30
    assert sum(numbers["test"]["areas"]["counts"]) == 30
    assert len(numbers["test"]["sources"]) == 5
    names = {p.name for p in tmp_path.iterdir()}
    assert {"table1.md", "table1.csv", "fig2_areas.png", "fig2_areas.svg"} <= names
    assert {"fig1b_samples_train.png", "fig1b_samples_test.png", "sources.png"} <= names
    assert "| total |" in (tmp_path / "table1.md").read_text()


def test_files_of_the_same_name_are_labelled_with_their_folders():
    files = [Path("one/test.json"), Path("two/test.json.gz"), Path("one/test.json")]
    assert list(shorten_names(files)) == ["one/test", "two/test"]
    assert list(shorten_names([Path("x/train.json"), Path("y/test.json")])) == ["train", "test"]


def test_stats_with_a_missing_folder_of_images_writes_nothing(
    project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file, out = str(project.data / "annotations" / "test.json"), tmp_path / "out"
    assert main(["stats", file, "--images", str(tmp_path / "gone"), "--out", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not out.exists()
