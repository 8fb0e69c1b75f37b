"""The page in a real browser: clicked through, typed into, and looked at in three widths."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, chromium

from smallpose.io.coco_results import read_results
from smallpose.report import make_report
from smallpose.report.inputs.false_positives import FALSE_POSITIVE_KINDS, find_false_positives
from smallpose.report.inputs.person_matching import match_people

HOW = "no Chromium: 'apt-get install chromium', or name one in CHROMIUM, and the page is clicked"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = chromium()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(HOW)
        pytest.skip(HOW)
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def address(project, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("clicked")
    make_report(list(project.runs.values()), out)
    return (out / "index.html").as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Browser:
    browser.events.clear()
    browser.screen(1280, 900)
    browser.open(address)
    browser.run("localStorage.clear()")
    return browser


def shown(page: Browser) -> int:
    """How many people the browser of people says it shows."""
    return int(
        page.run("document.getElementById('people-count').textContent").split()[0].replace(",", "")
    )


def captions(page: Browser) -> list[str]:
    """The tiles' OKS, in the order they stand."""
    order = "[...document.querySelectorAll('.tile')].sort((a, b) => a.dataset.at - b.dataset.at)"
    return list(page.run(f"{order}.map((tile) => tile.children[1].textContent)"))


def test_the_page_opens_from_disk_without_a_network_or_a_complaint(page: Browser):
    page.wait("document.querySelectorAll('.tile').length > 0")
    assert page.complaints == []
    assert all(a.startswith(("file:", "data:", "about:", "blob:")) for a in page.asked_for)


def test_a_click_on_a_heading_sorts_down_up_and_back(page: Browser):
    head = "#results-table thead th:nth-child(3)"
    column = "[...document.querySelectorAll('#results-table tbody tr')].map((r) => +r.cells[2].dataset.value)"  # noqa: E501
    before = page.run(column)
    page.click(f"{head} button")
    assert page.run(column) == sorted(before, reverse=True)
    page.click(f"{head} button")
    assert page.run(column) == sorted(before)
    page.click(f"{head} button")
    assert page.run(column) == before


def test_filters_shrink_the_list_and_reset_brings_everybody_back(page: Browser):
    everybody = shown(page)
    assert everybody == 30
    page.click("input[name=size][value=small]")
    small = shown(page)
    assert 0 < small < everybody
    page.click("input[name=density][value=dense]")
    assert shown(page) < small
    page.click("#people-form button[type=reset]")
    page.wait(f"document.getElementById('people-count').textContent.startsWith('{everybody} of')")


def test_the_worst_stand_first_and_the_best_when_asked(page: Browser):
    def values() -> list[float]:
        return [float(c.removeprefix("OKS ")) for c in captions(page) if c.startswith("OKS")]

    assert values() == sorted(values())
    page.run(
        "(() => { const s = document.querySelector('select[name=sort]'); s.value = 'best';"
        " s.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )
    assert values() == sorted(values(), reverse=True)


def test_an_address_brings_the_view_back(page: Browser, address: str):
    page.click("input[name=size][value=small]")
    page.run(
        "(() => { const f = document.querySelector('input[name=to]'); f.value = '90';"
        " f.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )
    page.click(".tile:nth-child(2)")
    number, place = shown(page), page.run("document.querySelector('#person .place').textContent")
    title = page.run("document.querySelector('#person h3').textContent")
    link = page.run("location.href")
    assert link.startswith(address + "#people?")
    page.open(link)
    page.wait("document.getElementById('person').open")
    assert shown(page) == number
    assert page.run("document.querySelector('#person .place').textContent") == place
    assert page.run("document.querySelector('#person h3').textContent") == title
    assert page.run("document.querySelector('input[name=size][value=small]').checked")
    assert page.run("document.querySelector('input[name=to]').value") == "90"


def test_people_are_reached_and_opened_with_the_keyboard_alone(page: Browser):
    page.run("document.getElementById('people-list').focus()")
    page.press("ArrowRight")
    page.press("ArrowRight")
    active = page.run(
        "document.getElementById('people-list').getAttribute('aria-activedescendant')"
    )
    assert active == "tile-2"
    page.press("Enter")
    page.wait("document.getElementById('person').open")
    assert page.run("document.querySelector('#person .place').textContent") == "3 of 30"
    page.press("ArrowRight")
    assert page.run("document.querySelector('#person .place').textContent") == "4 of 30"
    page.press("Escape")
    page.wait("!document.getElementById('person').open")
    assert page.run("document.activeElement.id") == "people-list"


def test_tab_goes_down_the_page_in_the_order_of_reading(page: Browser):
    page.run("document.body.focus()")
    seen = []
    for _ in range(60):
        page.press("Tab")
        # Fixed and hidden things stand where they stand; the rest must come in document order.
        seen.append(page.run("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    assert seen == sorted(seen)
    assert len(set(seen)) > 20


def test_predictions_are_drawn_over_the_images(page: Browser):
    """The canvas of people changes when picture, label or prediction are switched off."""
    ink = "document.querySelector('#people-list canvas').toDataURL()"
    page.wait(
        "(() => { const c = document.querySelector('#people-list canvas');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return new Set(d).size > 60; })()"
    )
    looks = [page.run(ink)]
    for name in ("picture", "truth", "found"):
        page.click(f"input[name={name}]")
        page.wait(f"{ink} !== {json.dumps(looks[-1])}")  # people are drawn in the frames to come
        looks.append(page.run(ink))
    assert len(set(looks)) == 4


def test_predictions_that_belong_to_nobody_are_shown_when_asked_for(page: Browser, project):
    run = project.runs["untrained"]
    found = read_results(run / "found.json", project.test)
    alone = find_false_positives(project.test, found, match_people(project.test, found))
    assert len(alone) > 5
    page.run(
        "(() => { const s = document.querySelector('select[name=run]');"
        " s.value = [...s.options].find((o) => o.text.includes('untrained')).value;"
        " s.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )
    assert shown(page) == 30
    page.click("input[name=error][value=false]")
    said = page.run("document.getElementById('people-count').textContent")
    assert said.startswith(f"{len(alone)} of {len(alone)} false positives")
    page.click("#tile-0")
    assert page.run("document.querySelector('#person h3').textContent").startswith("False positive")
    facts = page.run("document.querySelector('#person dl').textContent")
    assert f"score{found.scores[alone.rows[0]]:#.3g}" in facts
    assert FALSE_POSITIVE_KINDS[alone.kinds[0]] in facts
    link = page.run("location.href")
    page.open(link)
    page.wait("document.getElementById('person').open")
    assert page.run("document.querySelector('#person dl').textContent") == facts


def test_runs_are_switched_off_and_values_are_read_from_the_curves(page: Browser):
    lines = "document.querySelectorAll('#curves .run').length"
    assert page.run(lines) == 3
    page.click("#curves-legend button")
    assert page.run(lines) == 2
    x, y = page.middle("#curves svg")
    page.point(x, y)
    assert "people" in page.run("document.getElementById('curves-told').textContent")
    page.click("input[name=axis][value=density]")
    assert "dense" in page.run("document.querySelector('#curves svg').textContent")


def test_dark_mode_follows_the_system_and_the_readers_wish(page: Browser, address: str):
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.run(background)
    page.screen(1280, 900, dark=True)
    page.open(address)
    dark = page.run(background)
    assert dark != light
    page.click("#theme")
    assert page.run(background) == light
    page.open(address)
    assert page.run(background) == light  # remembered
    page.run("localStorage.clear()")


@pytest.mark.parametrize(("width", "touch"), [(1280, False), (768, True), (390, True)])
def test_nothing_hangs_over_the_edge_or_jumps(page: Browser, address: str, width: int, touch: bool):
    page.screen(width, 844, touch=touch)
    page.send(
        "Page.addScriptToEvaluateOnNewDocument",
        source=(
            "window.shift = 0; new PerformanceObserver((list) => { for (const e of "
            "list.getEntries()) window.shift += e.value; })"
            ".observe({ type: 'layout-shift', buffered: true });"
        ),
    )
    page.open(address)
    page.wait("document.querySelectorAll('.tile').length > 0")
    page.run("new Promise((done) => setTimeout(done, 300))")
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("window.shift") < 0.02


def test_everything_that_can_be_used_has_a_name(page: Browser):
    """Buttons, fields and images as assistive programs hear them."""
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "checkbox", "radio", "combobox", "spinbutton", "listbox", "option", "img")
    spoken = [
        (n["role"]["value"], n.get("name", {}).get("value", ""))
        for n in nodes
        if not n.get("ignored") and n.get("role", {}).get("value") in roles
    ]
    assert len(spoken) > 50
    assert [role for role, name in spoken if not name.strip()] == []


def test_only_visible_people_have_tiles(project, browser: Browser, address: str, tmp_path: Path):
    """Ten thousand people are as many tiles as fit on the screen."""
    text = Path(address.removeprefix("file://")).read_text()
    start = text.index('id="people-data">') + len('id="people-data">')
    end = text.index("</script>", start)
    data = json.loads(text[start:end])
    page = tmp_path / "many.html"
    page.write_text(text[:start] + json.dumps(_times(data, 334)) + text[end:])
    browser.events.clear()
    browser.screen(1280, 900)
    browser.open(page.as_uri())
    assert shown(browser) == 10_020
    for part in (0.0, 0.5, 1.0):
        browser.run(
            "new Promise((done) => { const list = document.getElementById('people-list');"
            f" list.scrollTop = {part} * list.scrollHeight;"
            " requestAnimationFrame(() => requestAnimationFrame(done)); })"
        )
        assert 0 < browser.run("document.querySelectorAll('.tile').length") < 100
    assert "10020" in browser.run(
        "[...document.querySelectorAll('.tile')].map((t) => t.getAttribute('aria-posinset')).join()"
    )
    assert browser.complaints == []


def _times(data: dict, times: int) -> dict:
    """Every person's columns so many times, as base64 text; no false positives."""
    import base64

    share = data["n"] / data["all"]

    def longer(text: str, share: float = 1.0) -> str:
        values = base64.b64decode(text)
        return base64.b64encode(values[: round(share * len(values))] * times).decode()

    columns = ("image", "id", "source", "size", "dense", "density", "wh", "corner", "box", "xy")
    many = {name: longer(data[name], share) for name in (*columns, "v")}
    n = data["n"] * times
    # The pictures of the first ones are all there are.
    sizes = base64.b64decode(data["bytes"])[: 2 * data["n"]]
    many["bytes"] = base64.b64encode(sizes.ljust(2 * n, b"\0")).decode()
    none = {"start": n, "n": 0, "kinds": "", "oks": "", "score": "", "xy": ""}
    runs = [
        run
        | {c: longer(run[c]) for c in ("there", "oks", "score", "xy", "kinds")}
        | {"false": none}
        for run in data["runs"]
    ]
    return data | many | {"runs": runs, "n": n, "all": n}
