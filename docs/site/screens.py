"""Make the images in docs/screens from the demo's files: screenshots in Chromium, and figures.

python docs/site/screens.py runs/demo

Everything shown is synthetic. The commands that make the pages are those of docs/gallery.md.
"""

import argparse
import base64
import io
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from chromium import Browser, find_chromium  # noqa: E402


@dataclass(frozen=True)
class Screen:
    """One screenshot.

    Args:
        size: width and height, CSS px.
        clicks: selectors to click, in this order.
        top: element to scroll to; "" for the top of the page.
    """

    name: str
    size: tuple[int, int]
    dark: bool = False
    clicks: tuple[str, ...] = ()
    top: str = ""


MAX_FIGURE_WIDTH = 1200  # px
REPORT = (
    Screen("desktop-light", (1280, 800)),
    Screen("tablet-light", (820, 1180)),
    Screen("phone-dark", (390, 844), dark=True),
    Screen("desktop-people", (1024, 800), True, ("input[name=size][value=small]",), "#people"),
    Screen(
        "desktop-false", (1024, 800), False, ("input[name=error][value=false]",), "#people-count"
    ),
)

FILES_REPORT = (Screen("report-of-files", (1280, 800)),)
BOARD = (Screen("board", (1280, 860)),)


def run_command(*words: object) -> None:
    """Run one verb of smallpose; stop where it fails."""
    print("smallpose", *words, flush=True)
    command = [sys.executable, "-m", "smallpose", *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def make_pages(demo: Path, folder: Path) -> dict[Path, tuple[Screen, ...]]:
    """Make the pages of the demo's results; return what is to be seen of each."""
    truth, images = demo / "set" / "annotations" / "test.json", demo / "set" / "images"
    results = {name: folder / f"{name}.json" for name in ("B", "A")}
    files = results.values()
    run_command("report", truth, *files, "--images", images, "--out", folder / "report")
    for name, path in results.items():
        words = ("--name", name, "--keypoints", "coco17", "--trained-on", "demo")
        run_command("leaderboard", "add", folder / "board", truth, path, *words)
    return {
        demo / "report" / "index.html": REPORT,
        folder / "report" / "index.html": FILES_REPORT,
        folder / "board" / "index.html": BOARD,
    }


def make_figures(demo: Path, folder: Path) -> dict[str, Path]:
    """Make figures of the demo's results; return the file of each by name."""
    truth, images = demo / "set" / "annotations" / "test.json", demo / "set" / "images"
    results = [folder / f"{name}.json" for name in ("A", "B")]
    run_command("evaluate", truth, results[1], "--figures", folder / "evaluate")
    run_command("compare", truth, *results, "--intervals", 200, "--figures", folder / "compare")
    words = ("--people", 60, "--out", folder / "resolution")
    run_command("resolution", truth, "--images", images, demo / "B", demo / "A", *words)
    return {
        "evaluate": folder / "evaluate" / "ap_along_height.png",
        "compare": folder / "compare" / "ap_by_class.png",
        "resolution-demo": folder / "resolution" / "curve.png",
        "stats": demo / "stats" / "fig2_areas.png",
    }


def reduce_colours(image: Image.Image) -> bytes:
    """Encode an image as PNG of at most 256 colours."""
    buffer = io.BytesIO()
    flat = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    flat.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def take_screenshot(browser: Browser, address: str, screen: Screen) -> bytes:
    """Open the page, click, scroll and return a PNG of at most 256 colours."""
    browser.set_screen(*screen.size, dark=screen.dark)
    browser.open(address)
    browser.evaluate("localStorage.clear()")
    if screen not in BOARD:
        browser.wait_for("document.querySelectorAll('.tile').length > 0")
    for selector in screen.clicks:
        browser.click(selector)
    scroll = f"document.querySelector({screen.top!r}).scrollIntoView()" if screen.top else "0"
    browser.evaluate(f"{scroll}; new Promise((done) => setTimeout(done, 1500))")
    answer = browser.send("Page.captureScreenshot", format="png")
    return reduce_colours(Image.open(io.BytesIO(base64.b64decode(answer["data"]))))


def main() -> None:
    """Write all images."""
    parser = argparse.ArgumentParser(description="Make the images in docs/screens.")
    parser.add_argument("demo", type=Path, help="The folder that smallpose demo wrote.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screens", help="Folder.")
    args = parser.parse_args()
    program = find_chromium()
    if program is None:
        sys.exit("no Chromium was found; run 'make chromium' or set CHROMIUM to its path")
    made: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for run in ("A", "B"):
            shutil.copy(args.demo / run / "found.json", folder / f"{run}.json")
        pages = make_pages(args.demo, folder)
        for figure, path in make_figures(args.demo, folder).items():
            image = Image.open(path)
            image.thumbnail((MAX_FIGURE_WIDTH, MAX_FIGURE_WIDTH))
            made[figure] = reduce_colours(image)
        browser = Browser(program, folder / "profile")
        try:
            for page, screens in pages.items():
                address = page.resolve().as_uri()
                made |= {one.name: take_screenshot(browser, address, one) for one in screens}
        finally:
            browser.close()
    for figure, data in made.items():
        (args.out / f"{figure}.png").write_bytes(data)
        print(f"{figure}: {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
