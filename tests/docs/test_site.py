"""The site is complete: every page exists, links have targets, nothing is loaded from a network."""

import re
import runpy
from pathlib import Path

import pytest

import smallpose

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    runpy.run_path(str(ROOT / "docs" / "site" / "build.py"))["build"](out)
    return out


def test_every_text_and_every_package_has_a_page(site: Path):
    names = {p.stem for p in site.glob("*.html")}
    assert {p.stem for p in (ROOT / "docs").glob("*.md")} <= names
    packages = {p.parent.name for p in Path(smallpose.__file__).parent.glob("*/__init__.py")}
    assert packages - {"cli"} <= names
    assert {"index", "commands", "smallpose"} <= names


def test_every_page_of_docs_has_its_place_in_the_menu():
    groups = runpy.run_path(str(ROOT / "docs" / "site" / "build.py"))["GROUPS"]
    listed = sorted(name for names in groups.values() for name in names)
    assert listed == sorted(p.stem for p in (ROOT / "docs").glob("*.md"))


def test_every_link_has_a_target(site: Path):
    for page in site.glob("*.html"):
        text = page.read_text()
        for target in re.findall(r'(?:href|src)="([^"]+)"', text):
            if target.startswith(("http:", "https:", "#", "mailto:")):
                continue
            file = target.split("#")[0]
            # README names folders and files of the repository, too.
            assert (site / file).exists() or (ROOT / file).exists(), f"{page.name}: {target}"


def test_nothing_is_loaded_from_a_network(site: Path):
    for page in site.glob("*.html"):
        assert not re.search(r'(?:src="|@import |url\()https?:', page.read_text()), page.name


def test_the_reference_contains_docstrings_and_help(site: Path):
    text = (site / "smallpose.html").read_text()
    assert smallpose.evaluate.__doc__.splitlines()[0] in text
    commands = (site / "commands.html").read_text()
    assert "--diagnose" in commands
    assert "smallpose release" in commands
