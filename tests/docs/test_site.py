"""The site is whole: every page there, every link leads somewhere, nothing from a network."""

import re
import runpy
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    runpy.run_path(str(HOUSE / "docs" / "site" / "build.py"))["build"](out)
    return out


def test_every_text_and_every_room_has_a_page(site: Path):
    there = {p.stem for p in site.glob("*.html")}
    assert {p.stem for p in (HOUSE / "docs").glob("*.md")} <= there
    assert {"index", "commands", "smallpose", "evaluation", "dataset", "training"} <= there


def test_links_lead_somewhere(site: Path):
    for page in site.glob("*.html"):
        text = page.read_text()
        for target in re.findall(r'(?:href|src)="([^"]+)"', text):
            if target.startswith(("http:", "https:", "#", "mailto:")):
                continue
            file = target.split("#")[0]
            # README speaks of folders and files of the repository too.
            assert (site / file).exists() or (HOUSE / file).exists(), f"{page.name}: {target}"


def test_nothing_is_loaded_from_a_network(site: Path):
    for page in site.glob("*.html"):
        assert not re.search(r'(?:src="|@import |url\()https?:', page.read_text()), page.name


def test_the_reference_says_what_the_docstrings_say(site: Path):
    text = (site / "smallpose.html").read_text()
    import smallpose

    assert smallpose.evaluate.__doc__.splitlines()[0] in text
    commands = (site / "commands.html").read_text()
    assert "--diagnose" in commands
    assert "smallpose release" in commands
