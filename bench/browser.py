"""Measure how long frames take while a reader scrolls and filters the report's person browser.

    python bench/browser.py REPORT/index.html [--times 4]

The page's people are repeated to reach ten thousand, and a headless Chromium scrolls through them,
120 px a frame. Peer: an empty box of the same height, scrolled in the same way, which costs as much
as the browser itself. CPU is that of the page's main thread.
"""

import argparse
import base64
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "browser"))

import numpy as np  # noqa: E402
from chromium import Browser, find_chromium  # noqa: E402

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
    parser.add_argument("page", type=Path)
    parser.add_argument("--times", type=int, default=4)
    args = parser.parse_args()
    program = find_chromium()
    assert program is not None, "no Chromium was found; set CHROMIUM to its path"
    with tempfile.TemporaryDirectory() as folder:
        people, empty = Path(folder, "people.html"), Path(folder, "empty.html")
        repeat_people(args.page, args.times, people)
        empty.write_text(EMPTY)
        browser = Browser(program, Path(folder, "profile"))
        browser.set_screen(1280, 900)
        browser.send("Performance.enable", timeDomain="threadTicks")
        out = {}
        for name, page, element in (("empty", empty, "box"), ("people", people, "people-list")):
            browser.open(page.as_uri())
            script = SCROLL.replace("ID", element).replace("FRAMES", str(FRAMES))
            out[f"scroll, {name}"] = measure_steps(browser, script)
            if name == "people":
                print(browser.evaluate("document.getElementById('people-count').textContent"))
                out["scroll, decoded"] = measure_steps(
                    browser, f"(document.getElementById('people-list').scrollTop = 0, {script})"
                )
                out["filter"] = measure_steps(browser, FILTER)
        browser.close()
    for name, numbers in out.items():
        print(f"{name:22}", "  ".join(f"{k} {v:.1f}" for k, v in numbers.items()))
    ratio = out["scroll, people"]["CPU"] / max(out["scroll, empty"]["CPU"], 1e-9)
    print(f"main thread: {ratio:.1f} times what an empty box costs")


if __name__ == "__main__":
    main()
