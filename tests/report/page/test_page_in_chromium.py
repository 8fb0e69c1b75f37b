"""The page in a real browser: used with mouse and keyboard, and measured at three widths."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, find_chromium

from smallpose.evaluation.evaluate import evaluate
from smallpose.io.coco_results import read_results
from smallpose.report.inputs.false_positives import FALSE_POSITIVE_KINDS, find_false_positives
from smallpose.report.inputs.person_matching import match_people

REMEDY = "no Chromium was found: run 'apt-get install chromium' or set CHROMIUM to its path"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(REMEDY)
        pytest.skip(REMEDY)
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def address(report_of_runs: Path) -> str:
    return (report_of_runs / "index.html").as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Browser:
    browser.events.clear()
    browser.set_screen(1280, 900)
    browser.open(address)
    browser.evaluate("localStorage.clear()")
    return browser


def count_shown(page: Browser) -> int:
    """Return the number of people that the person browser shows."""
    return int(
        page.evaluate("document.getElementById('people-count').textContent")
        .split()[0]
        .replace(",", "")
    )


def list_captions(page: Browser) -> list[str]:
    """List the captions of the tiles, in their order."""
    order = (
        "[...document.querySelectorAll('.tile')].sort((a, b) => a.dataset.index - b.dataset.index)"
    )
    return list(page.evaluate(f"{order}.map((tile) => tile.children[1].textContent)"))


def test_the_page_opens_from_disk_without_network_or_errors(page: Browser):
    page.wait_for("document.querySelectorAll('.tile').length > 0")
    assert page.errors == []
    assert all(a.startswith(("file:", "data:", "about:", "blob:")) for a in page.loaded_addresses)


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_figures_keep_their_size_so_that_their_type_stays_legible(page: Browser, width: int):
    """Their smallest type has 11 px at this size (tests/report/figures)."""
    page.set_screen(width, 900)
    scales = page.evaluate(
        "[...document.querySelectorAll('.figures img')].map((i) => "
        "[i.closest('figure').id, i.getBoundingClientRect().width / i.getAttribute('width')])"
    )
    assert len(scales) > 5
    assert all(scale >= 0.99 for _, scale in scales), scales
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_no_type_on_the_page_is_smaller_than_11_px(page: Browser):
    page.wait_for("document.querySelectorAll('.tile').length > 0")
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('body *')].filter((e) => "
        "[...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && "
        "!['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(e.tagName)).map((e) => "
        "parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 11


def test_the_first_column_hides_no_digit_and_names_the_runs(page: Browser):
    page.set_screen(1440, 900)
    names = page.evaluate(
        "[...document.querySelectorAll('#results-table tbody th')].map((t) => t.textContent)"
    )
    assert len(set(names)) == len(names)
    assert {f"SimpleBaseline R18 tiny {one}" for one in ("A", "B", "untrained")} <= set(names)
    widths = page.evaluate(
        "[...document.querySelectorAll('#results-table, #summary-table, #claims-table')].map((t) =>"
        " t.parentNode.scrollWidth - t.parentNode.clientWidth)"
    )
    assert widths == [0, 0, 0]
    # Where the columns do not fit, the sticky one is opaque and in front.
    style = page.evaluate(
        "(() => { const s = getComputedStyle(document.querySelector('#results-table tbody th'));"
        " return [s.position, s.zIndex, s.backgroundColor]; })()"
    )
    assert style[0] == "sticky" and int(style[1]) >= 1 and "rgba" not in style[2]


def test_the_curve_shows_shares_with_a_line_at_one_half_and_a_mark(page: Browser):
    assert page.evaluate("document.querySelectorAll('#curves .half').length") == 1
    text = page.evaluate("document.getElementById('curves-half').textContent")
    assert text.startswith("SimpleBaseline R18 tiny B: ")
    bins = page.evaluate(
        "JSON.parse(document.getElementById('curves-data').textContent).runs[0].along.all.height"
    )
    circles = page.evaluate("document.querySelectorAll('#curves circle').length")
    num_runs = page.evaluate("document.querySelectorAll('#curves-legend button').length")
    assert circles == num_runs * len(bins)
    page.click("input[name=measure][value=ap] + span")
    assert page.evaluate("document.querySelectorAll('#curves .half').length") == 0


def test_a_wide_screen_shows_every_column_of_results_and_of_the_papers_tables(page: Browser):
    page.set_screen(1440, 900)
    tables = "'#results-table, #table2-table, #table3-table, #table5-table'"
    hidden = page.evaluate(
        f"[...document.querySelectorAll({tables})].map((t) => [t.id, "
        "t.parentNode.scrollWidth - t.parentNode.clientWidth])"
    )
    assert hidden == [[f"{name}-table", 0] for name in ("results", "table2", "table3", "table5")]


def test_clicks_on_a_heading_sort_descending_ascending_and_back(page: Browser):
    head = "#results-table thead th:nth-child(4)"
    column = "[...document.querySelectorAll('#results-table tbody tr')].map((r) => +r.cells[3].dataset.value)"  # noqa: E501
    before = page.evaluate(column)
    page.click(f"{head} button")
    assert page.evaluate(column) == sorted(before, reverse=True)
    page.click(f"{head} button")
    assert page.evaluate(column) == sorted(before)
    page.click(f"{head} button")
    assert page.evaluate(column) == before


def test_filters_shorten_the_list_and_reset_restores_it(page: Browser):
    total = count_shown(page)
    assert total == 30
    page.click("input[name=size][value=small]")
    small = count_shown(page)
    assert 0 < small < total
    page.click("input[name=density][value=dense]")
    assert count_shown(page) < small
    page.click("#people-form button[type=reset]")
    page.wait_for(f"document.getElementById('people-count').textContent.startsWith('{total} of')")


def test_the_worst_are_first_or_the_best_if_chosen(page: Browser):
    def list_oks() -> list[float]:
        return [float(c.removeprefix("OKS ")) for c in list_captions(page) if c.startswith("OKS")]

    assert list_oks() == sorted(list_oks())
    page.evaluate(
        "(() => { const s = document.querySelector('select[name=sort]'); s.value = 'best';"
        " s.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )
    assert list_oks() == sorted(list_oks(), reverse=True)


def test_an_address_restores_the_view(page: Browser, address: str):
    page.click("input[name=size][value=small]")
    page.evaluate(
        "(() => { const f = document.querySelector('input[name=to]'); f.value = '90';"
        " f.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )
    page.click(".tile:nth-child(2)")
    number, position = (
        count_shown(page),
        page.evaluate("document.querySelector('#person .position').textContent"),
    )
    title = page.evaluate("document.querySelector('#person h3').textContent")
    link = page.evaluate("location.href")
    assert link.startswith(address + "#people?")
    page.open(link)
    page.wait_for("document.getElementById('person').open")
    assert count_shown(page) == number
    assert page.evaluate("document.querySelector('#person .position').textContent") == position
    assert page.evaluate("document.querySelector('#person h3').textContent") == title
    assert page.evaluate("document.querySelector('input[name=size][value=small]').checked")
    assert page.evaluate("document.querySelector('input[name=to]').value") == "90"


def test_people_are_reached_and_opened_by_keyboard(page: Browser):
    page.evaluate("document.getElementById('people-list').focus()")
    page.press("ArrowRight")
    page.press("ArrowRight")
    active = page.evaluate(
        "document.getElementById('people-list').getAttribute('aria-activedescendant')"
    )
    assert active == "tile-2"
    page.press("Enter")
    page.wait_for("document.getElementById('person').open")
    assert page.evaluate("document.querySelector('#person .position').textContent") == "3 of 30"
    page.press("ArrowRight")
    assert page.evaluate("document.querySelector('#person .position').textContent") == "4 of 30"
    page.press("Escape")
    page.wait_for("!document.getElementById('person').open")
    assert page.evaluate("document.activeElement.id") == "people-list"


def test_tab_moves_in_reading_order(page: Browser):
    page.evaluate("document.body.focus()")
    seen = []
    for _ in range(60):
        page.press("Tab")
        # Focus must move in document order.
        seen.append(
            page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
        )
    assert seen == sorted(seen)
    assert len(set(seen)) > 20


def test_predictions_are_drawn_over_the_images(page: Browser):
    """The canvas of people changes when image, ground truth or prediction are switched off."""
    pixels = "document.querySelector('#people-list canvas').toDataURL()"
    page.wait_for(
        "(() => { const c = document.querySelector('#people-list canvas');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return new Set(d).size > 60; })()"
    )
    states = [page.evaluate(pixels)]
    for name in ("image", "truth", "prediction"):
        page.click(f"input[name={name}]")
        page.wait_for(f"{pixels} !== {json.dumps(states[-1])}")  # people are drawn in later frames
        states.append(page.evaluate(pixels))
    assert len(set(states)) == 4


def test_false_positives_are_shown_if_chosen(page: Browser, project):
    run = project.runs["untrained"]
    predictions = read_results(run / "found.json", project.test)
    false = find_false_positives(project.test, predictions, match_people(project.test, predictions))
    assert len(false) > 5
    page.evaluate(
        "(() => { const s = document.querySelector('select[name=run]');"
        " s.value = [...s.options].find((o) => o.text.includes('untrained')).value;"
        " s.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )
    assert count_shown(page) == 30
    page.click("input[name=error][value=false]")
    text = page.evaluate("document.getElementById('people-count').textContent")
    assert text.startswith(f"{len(false)} of {len(false)} false positives")
    page.click("#tile-0")
    assert page.evaluate("document.querySelector('#person h3').textContent").startswith(
        "False positive"
    )
    facts = page.evaluate("document.querySelector('#person dl').textContent")
    assert f"score{predictions.scores[false.rows[0]]:#.3g}" in facts
    assert FALSE_POSITIVE_KINDS[false.kinds[0]] in facts
    link = page.evaluate("location.href")
    page.open(link)
    page.wait_for("document.getElementById('person').open")
    assert page.evaluate("document.querySelector('#person dl').textContent") == facts


@pytest.mark.parametrize("protocol", ["coco", "owned", "recall"])
@pytest.mark.parametrize("name", ["A", "B", "untrained"])
def test_as_many_people_are_detected_as_the_evaluation_matches(
    page: Browser, project, name: str, protocol: str
):
    predictions = read_results(project.runs[name] / "found.json", project.test)
    counts = evaluate(project.test, predictions, protocols=(protocol,)).match_counts
    expected = int((counts.true_positives[0] & 1).sum())
    page.evaluate(
        "(() => { const s = document.querySelector('select[name=run]');"
        f" s.value = [...s.options].find((o) => o.text.endsWith(' {name}')).value;"
        " s.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )
    text = page.evaluate("document.getElementById('people-count').textContent")
    assert f" {expected} detected " in text


def test_runs_can_be_hidden_and_values_are_read_from_the_curves(page: Browser):
    lines = "document.querySelectorAll('#curves .run').length"
    assert page.evaluate(lines) == 3
    page.click("#curves-legend button")
    assert page.evaluate(lines) == 2
    x, y = page.find_middle("#curves svg")
    page.move_mouse(x, y)
    assert "people" in page.evaluate("document.getElementById('curves-readout').textContent")
    page.click("input[name=axis][value=density]")
    assert "dense" in page.evaluate("document.querySelector('#curves svg').textContent")
    page.click("input[name=axis][value='pixels per joint']")
    page.click("input[name=curves-size][value=medium]")
    assert "medium people" in page.evaluate("document.querySelector('#curves svg').textContent")
    assert page.evaluate(lines) == 2
    page.click("input[name=axis][value=height]")
    assert page.evaluate("document.getElementById('curves-size').hidden")


def test_dark_mode_follows_the_system_until_the_reader_chooses(page: Browser, address: str):
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.set_screen(1280, 900, dark=True)
    page.open(address)
    dark = page.evaluate(background)
    assert dark != light
    page.click("#theme")
    assert page.evaluate(background) == light
    page.open(address)
    assert page.evaluate(background) == light  # stored
    page.evaluate("localStorage.clear()")


@pytest.mark.parametrize(("width", "touch"), [(1280, False), (768, True), (390, True)])
def test_nothing_overflows_or_jumps(page: Browser, address: str, width: int, touch: bool):
    page.set_screen(width, 844, touch=touch)
    page.send(
        "Page.addScriptToEvaluateOnNewDocument",
        source=(
            "window.shift = 0; new PerformanceObserver((list) => { for (const e of "
            "list.getEntries()) window.shift += e.value; })"
            ".observe({ type: 'layout-shift', buffered: true });"
        ),
    )
    page.open(address)
    page.wait_for("document.querySelectorAll('.tile').length > 0")
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.shift") < 0.02


def test_every_control_has_an_accessible_name(page: Browser):
    """Buttons, fields and images have a name for assistive technology."""
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "checkbox", "radio", "combobox", "spinbutton", "listbox", "option", "img")
    names = [
        (n["role"]["value"], n.get("name", {}).get("value", ""))
        for n in nodes
        if not n.get("ignored") and n.get("role", {}).get("value") in roles
    ]
    assert len(names) > 50
    assert [role for role, name in names if not name.strip()] == []


def test_only_visible_people_have_tiles(project, browser: Browser, address: str, tmp_path: Path):
    """With ten thousand people there are only as many tiles as fit on the screen."""
    text = Path(address.removeprefix("file://")).read_text()
    start = text.index('id="people-data">') + len('id="people-data">')
    end = text.index("</script>", start)
    data = json.loads(text[start:end])
    page = tmp_path / "many.html"
    page.write_text(text[:start] + json.dumps(_repeat_people(data, 334)) + text[end:])
    browser.events.clear()
    browser.set_screen(1280, 900)
    browser.open(page.as_uri())
    assert count_shown(browser) == 10_020
    for part in (0.0, 0.5, 1.0):
        browser.evaluate(
            "new Promise((done) => { const list = document.getElementById('people-list');"
            f" list.scrollTop = {part} * list.scrollHeight;"
            " requestAnimationFrame(() => requestAnimationFrame(done)); })"
        )
        assert 0 < browser.evaluate("document.querySelectorAll('.tile').length") < 100
    assert "10020" in browser.evaluate(
        "[...document.querySelectorAll('.tile')].map((t) => t.getAttribute('aria-posinset')).join()"
    )
    assert browser.errors == []


def _repeat_people(data: dict, times: int) -> dict:
    """Repeat the columns of all people, without false positives."""
    import base64

    share = data["num_people"] / data["num_items"]

    def repeat(text: str, share: float = 1.0) -> str:
        values = base64.b64decode(text)
        return base64.b64encode(values[: round(share * len(values))] * times).decode()

    columns = (
        "image",
        "id",
        "source",
        "size",
        "density_class",
        "density",
        "wh",
        "corner",
        "box",
        "xy",
    )
    repeated = {name: repeat(data[name], share) for name in (*columns, "v")}
    n = data["num_people"] * times
    # Only the first people have images.
    sizes = base64.b64decode(data["image_bytes"])[: 2 * data["num_people"]]
    repeated["image_bytes"] = base64.b64encode(sizes.ljust(2 * n, b"\0")).decode()
    none = {"start": n, "n": 0, "kinds": "", "oks": "", "score": "", "xy": ""}
    runs = [
        run
        | {c: repeat(run[c]) for c in ("has_pose", "oks", "matched", "score", "xy", "kinds")}
        | {"false_positives": none}
        for run in data["runs"]
    ]
    return data | repeated | {"runs": runs, "num_people": n, "num_items": n}
