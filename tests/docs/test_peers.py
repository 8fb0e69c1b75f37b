"""docs/peers.md names a test in each row that it says is tested, and the tests exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "peers.md"
DEFAULT = "tests/io/test_peer_files.py"


def list_names() -> list[tuple[str, str]]:
    """Return the file and the name ("" for the whole file) of every test that the page names."""
    cells = [line.rsplit("|", 2)[1] for line in PAGE.read_text().splitlines() if line[:2] == "| "]
    texts = [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]
    named = [text.partition("::") for text in texts]
    return [(file, name) if name or "/" in file else (DEFAULT, file) for file, _, name in named]


def test_every_test_that_the_page_names_exists():
    names = list_names()
    assert len(names) > 25
    for file, name in names:
        assert f"def {name}(" in (ROOT / file).read_text() if name else (ROOT / file).is_file()


def test_every_test_of_files_of_peers_is_on_the_page():
    """But those of what is no peer's."""
    text = (ROOT / DEFAULT).read_text()
    tests = set(re.findall(r"^def (test_\w+)\(", text, flags=re.MULTILINE))
    own = {"test_the_files_as_they_should_be_cause_no_remark"}
    assert tests - own == {name for file, name in list_names() if file == DEFAULT}
