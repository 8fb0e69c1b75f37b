"""Take the screenshots in docs/screens from a report, in a headless Chromium.

python docs/site/screens.py runs/demo/report/index.html
"""

import argparse
import base64
import io
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


SCREENS = (
    Screen("desktop-light", (1280, 800)),
    Screen("tablet-light", (820, 1180)),
    Screen("phone-dark", (390, 844), dark=True),
    Screen("desktop-people", (1024, 800), True, ("input[name=size][value=small]",), "#people"),
    Screen(
        "desktop-false", (1024, 800), False, ("input[name=error][value=false]",), "#people-count"
    ),
)


def take_screenshot(browser: Browser, address: str, screen: Screen) -> bytes:
    """Open the page, click, scroll and return a PNG of at most 256 colours."""
    browser.set_screen(*screen.size, dark=screen.dark)
    browser.open(address)
    browser.evaluate("localStorage.clear()")
    browser.wait_for("document.querySelectorAll('.tile').length > 0")
    for selector in screen.clicks:
        browser.click(selector)
    scroll = f"document.querySelector({screen.top!r}).scrollIntoView()" if screen.top else "0"
    browser.evaluate(f"{scroll}; new Promise((done) => setTimeout(done, 1500))")
    answer = browser.send("Page.captureScreenshot", format="png")
    image = Image.open(io.BytesIO(base64.b64decode(answer["data"]))).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main() -> None:
    """Write all screenshots."""
    parser = argparse.ArgumentParser(description="Take the screenshots in docs/screens.")
    parser.add_argument("page", type=Path, help="The index.html of a report.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screens", help="Folder.")
    args = parser.parse_args()
    program = find_chromium()
    if program is None:
        sys.exit("no Chromium was found; run 'make chromium' or set CHROMIUM to its path")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(program, Path(folder))
        try:
            for screen in SCREENS:
                data = take_screenshot(browser, args.page.resolve().as_uri(), screen)
                (args.out / f"{screen.name}.png").write_bytes(data)
                print(f"{screen.name}: {len(data) / 1000:.0f} kB")
        finally:
            browser.close()


if __name__ == "__main__":
    main()
