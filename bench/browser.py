"""Measure how long frames take while a reader scrolls and filters the report's person browser.

    python bench/browser.py REPORT/index.html [--times 4]
    python bench/browser.py --people 12000 [--keep DIR]

The page's people are repeated to reach ten thousand; with --people, a set of so many people with an
image each is made, and `smallpose report` makes the page, whose time and memory are printed. A
headless Chromium scrolls through the people, 120 px a frame, at a desktop's and a phone's width.
Peer: an empty box of the same height, scrolled in the same way, which costs as much as the browser
itself. CPU is that of the page's main thread.
"""

import argparse
import base64
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "browser"))

import numpy as np  # noqa: E402
from chromium import Browser, find_chromium  # noqa: E402
from PIL import Image  # noqa: E402

import report_of_files  # noqa: E402
import smallpose  # noqa: E402

SCREENS = {"desktop": (1440, 900), "phone": (390, 844)}
NUM_JPEGS = 24  # different ones; the others are links to them

FRAMES = 300
SCROLL = """new Promise((done) => {
  const list = document.getElementById("ID"), times = [];
  list.scrollIntoView();
  let last = performance.now();
  const frame = (now) => {
    times.push(now - last);
    last = now;
    list.scrollTop += 120;
    if (times.length < FRAMES) requestAnimationFrame(frame); else done(times.slice(1));
  };
  requestAnimationFrame(frame);
})"""
FILTER = """new Promise((done) => {
  const boxes = [...document.querySelectorAll("#people-form .chips input[type=checkbox]")];
  const times = [];
  const next = () => {
    const box = boxes[times.length % boxes.length], from = performance.now();
    box.click();
    times.push(performance.now() - from);
    if (times.length < 60) setTimeout(next, 0); else done(times);
  };
  next();
})"""
PAINT = """[performance.getEntriesByName("first-contentful-paint")[0].startTime,
  performance.getEntriesByType("navigation")[0].loadEventEnd]"""
EMPTY = """<!doctype html><div id="box" style="height: 700px; overflow-y: auto; contain: strict">
<div style="height: 200000px"></div></div>"""


def repeat_people(page: Path, times: int, out: Path) -> None:
    """Write the page with its people repeated, and all their images in packs beside it."""
    text = page.read_text()
    start = text.index('id="people-data">') + len('id="people-data">')
    end = text.index("</script>", start)
    data = json.loads(text[start:end])
    n, pack_size = data["num_people"], data["pack_size"]
    share = n / data["num_items"]  # false positives come after the people and are left out
    images = _read_images(page, text, data)[:n] * times
    for number in range(-(-len(images) // pack_size)):
        packed = b"".join(images[number * pack_size : (number + 1) * pack_size])
        file = out.parent / "people" / f"{number:03d}.js"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'smallposePack({number},"{base64.b64encode(packed).decode()}");\n')

    def repeat_columns(columns: dict[str, Any], share: float) -> dict[str, Any]:
        text = {k: v for k, v in columns.items() if isinstance(v, str) and k != "label"}
        values = {k: base64.b64decode(v) for k, v in text.items()}
        repeated = {k: v[: round(len(v) * share)] * times for k, v in values.items()}
        return columns | {k: base64.b64encode(v).decode() for k, v in repeated.items()}

    none = {"start": n * times, "n": 0, "kinds": "", "oks": "", "score": "", "xy": ""}
    runs = [repeat_columns(run, 1.0) | {"false_positives": none} for run in data["runs"]]
    sizes = {"num_people": n * times, "num_items": n * times}
    repeated = repeat_columns(data, share) | {"runs": runs} | sizes
    text = text[:start] + json.dumps(repeated) + text[end:]
    out.write_text(re.sub(r'<script type="text/plain" id="pack-.*?</script>', "", text))


def _read_images(page: Path, text: str, data: dict[str, Any]) -> list[bytes]:
    sizes = np.frombuffer(base64.b64decode(data["image_bytes"]), "<u2")
    packs = {
        int(number): packed for number, packed in re.findall(r'id="pack-(\d+)">([^<]*)<', text)
    }
    for file in (page.parent / "people").glob("*.js"):
        packs[int(file.stem)] = file.read_text().split('"')[1]
    joined = b"".join(base64.b64decode(packs[number]) for number in sorted(packs))
    ends = np.cumsum(sizes, dtype=np.int64)
    return [
        joined[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
    ]


def make_page(folder: Path, num_people: int) -> Path:
    """Make a set of people with images and the report of two results on it; return the page."""
    truth = report_of_files.make_truth(num_people)
    _write_images(truth, folder / "images")
    smallpose.write_coco(truth, folder / "truth.json")
    files = [folder / f"{seed}.json" for seed in range(2)]
    for seed, file in enumerate(files):
        smallpose.write_results(report_of_files.make_results(truth, seed), file)
    words = ["report", str(folder / "truth.json"), *map(str, files), "--images"]
    words += [str(folder / "images"), "--out", str(folder / "report")]
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "smallpose", *words], check=True, capture_output=True)
    seconds = time.monotonic() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"report of {num_people:,} people in {len(truth.images):,} images: {seconds:.1f} s, "
        f"CPU {usage.ru_utime + usage.ru_stime:.1f} s, memory {usage.ru_maxrss / 1024:.0f} MiB"
    )
    return folder / "report" / "index.html"


def _write_images(truth: smallpose.Instances, folder: Path) -> None:
    """Write smooth colours with noise, which take as many bytes as photos."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    width, height = (int(side) for side in report_of_files.IMAGE_WH)
    names = list(truth.images.file_names)
    for number, name in enumerate(names):
        if number >= NUM_JPEGS:
            os.link(folder / names[number % NUM_JPEGS], folder / name)
            continue
        coarse = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        pixels = np.asarray(smooth).astype(np.int16) + rng.integers(-12, 13, (height, width, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name, quality=85)


def measure_page(browser: Browser, folder: Path, page: Path) -> None:
    """Scroll through the page's people and an empty box at each width, and print the times."""
    empty = folder / "empty.html"
    empty.write_text(EMPTY)
    files = [page, *page.parent.glob("people/*.js")]
    sizes = [file.stat().st_size / 1e6 for file in files]
    beside = f"{len(files) - 1} packs of images beside it"
    print(f"page {sizes[0]:.1f} MB, and {beside} {sum(sizes[1:]):.1f} MB")
    for screen, size in SCREENS.items():
        browser.set_screen(*size, touch=screen == "phone")
        out = {}
        for name, address, element in (("empty", empty, "box"), ("people", page, "people-list")):
            browser.open(address.as_uri())
            script = SCROLL.replace("ID", element).replace("FRAMES", str(FRAMES))
            if name == "people":
                browser.wait_for("performance.getEntriesByName('first-contentful-paint').length")
                paint = browser.evaluate(PAINT)
                print(
                    f"{screen}: first paint after {paint[0]:.0f} ms, loaded after {paint[1]:.0f} ms"
                )
            out[f"scroll, {name}"] = measure_steps(browser, script)
            if name == "people":
                print(browser.evaluate("document.getElementById('people-count').textContent"))
                out["scroll, decoded"] = measure_steps(
                    browser, f"(document.getElementById('people-list').scrollTop = 0, {script})"
                )
                out["filter"] = measure_steps(browser, FILTER)
        for name, numbers in out.items():
            print(f"{name:22}", "  ".join(f"{k} {v:.1f}" for k, v in numbers.items()))
        ratio = out["scroll, people"]["CPU"] / max(out["scroll, empty"]["CPU"], 1e-9)
        print(f"main thread: {ratio:.1f} times what an empty box costs")


def measure_steps(browser: Browser, script: str) -> dict[str, float]:
    """Measure the milliseconds of the script's steps, and of the main thread's CPU per step."""
    before = _read_cpu_seconds(browser)
    times = sorted(browser.evaluate(script))
    n = len(times)
    return {
        "median": times[n // 2],
        "p95": times[round(0.95 * n)],
        "worst": times[-1],
        "over 20 ms, %": 100 * sum(t > 20 for t in times) / n,
        "CPU": 1000 * (_read_cpu_seconds(browser) - before) / n,
    }


def _read_cpu_seconds(browser: Browser) -> float:
    metrics: list[dict[str, Any]] = browser.send("Performance.getMetrics")["metrics"]
    return next(m["value"] for m in metrics if m["name"] == "TaskDuration")


def main() -> None:
    """Measure scrolling and filtering, and print the times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path, nargs="?", help="of a report with images")
    parser.add_argument("--times", type=int, default=4, help="how often its people are repeated")
    parser.add_argument("--people", type=int, default=12_000, help="without a page: people to make")
    parser.add_argument("--keep", type=Path, help="folder for the page that is made")
    args = parser.parse_args()
    program = find_chromium()
    assert program is not None, "no Chromium was found; set CHROMIUM to its path"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.page is not None:
            page = folder / "people.html"
            repeat_people(args.page, args.times, page)
        else:
            made = args.keep or folder / "made"
            made.mkdir(parents=True)
            page = make_page(made, args.people)
        browser = Browser(program, folder / "profile")
        browser.send("Performance.enable", timeDomain="threadTicks")
        measure_page(browser, folder, page)
        browser.close()


if __name__ == "__main__":
    main()
