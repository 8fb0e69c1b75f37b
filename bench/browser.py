"""The report's browser of people: how long frames take while a reader scrolls and filters.

    python bench/browser.py REPORT/index.html [--times 4]

The page's people are repeated to reach ten thousand, and a real Chromium without a window scrolls
through them, 120 px a frame. Peer: an empty box of the same height, scrolled alike in the same
browser, which is what the browser itself costs. CPU is that of the page's main thread.
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
from chromium import Browser, chromium  # noqa: E402

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


def repeat(page: Path, times: int, out: Path) -> None:
    """The page with so many times its people, and all their pictures in packs beside it."""
    text = page.read_text()
    start = text.index('id="people-data">') + len('id="people-data">')
    end = text.index("</script>", start)
    data = json.loads(text[start:end])
    n, pack = data["n"], data["pack"]
    share = n / data.get("all", n)  # false positives stand behind the people and are left out
    pictures = _pictures(page, text, data)[:n] * times
    for number in range(-(-len(pictures) // pack)):
        packed = b"".join(pictures[number * pack : (number + 1) * pack])
        file = out.parent / "people" / f"{number:03d}.js"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'smallposePack({number},"{base64.b64encode(packed).decode()}");\n')

    def longer(columns: dict[str, Any], share: float) -> dict[str, Any]:
        text = {k: v for k, v in columns.items() if isinstance(v, str) and k != "label"}
        values = {k: base64.b64decode(v) for k, v in text.items()}
        many = {k: v[: round(len(v) * share)] * times for k, v in values.items()}
        return columns | {k: base64.b64encode(v).decode() for k, v in many.items()}

    none = {"start": n * times, "n": 0, "kinds": "", "oks": "", "score": "", "xy": ""}
    runs = [longer(run, 1.0) | {"false": none} for run in data["runs"]]
    many = longer(data, share) | {"runs": runs, "n": n * times, "all": n * times}
    text = text[:start] + json.dumps(many) + text[end:]
    out.write_text(re.sub(r'<script type="text/plain" id="pack-.*?</script>', "", text))


def _pictures(page: Path, text: str, data: dict[str, Any]) -> list[bytes]:
    sizes = np.frombuffer(base64.b64decode(data["bytes"]), "<u2")
    packs = {
        int(number): packed for number, packed in re.findall(r'id="pack-(\d+)">([^<]*)<', text)
    }
    for file in (page.parent / "people").glob("*.js"):
        packs[int(file.stem)] = file.read_text().split('"')[1]
    whole = b"".join(base64.b64decode(packs[number]) for number in sorted(packs))
    ends = np.cumsum(sizes, dtype=np.int64)
    return [
        whole[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
    ]


def measured(browser: Browser, script: str) -> dict[str, float]:
    """Milliseconds of the steps that the script takes, and of the main thread's CPU for each."""
    before = _cpu(browser)
    times = sorted(browser.run(script))
    n = len(times)
    return {
        "median": times[n // 2],
        "p95": times[round(0.95 * n)],
        "worst": times[-1],
        "over 20 ms, %": 100 * sum(t > 20 for t in times) / n,
        "CPU": 1000 * (_cpu(browser) - before) / n,
    }


def _cpu(browser: Browser) -> float:
    metrics: list[dict[str, Any]] = browser.send("Performance.getMetrics")["metrics"]
    return next(m["value"] for m in metrics if m["name"] == "TaskDuration")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--times", type=int, default=4)
    args = parser.parse_args()
    program = chromium()
    assert program is not None, "no Chromium"
    with tempfile.TemporaryDirectory() as folder:
        many, empty = Path(folder, "many.html"), Path(folder, "empty.html")
        repeat(args.page, args.times, many)
        empty.write_text(EMPTY)
        browser = Browser(program, Path(folder, "profile"))
        browser.screen(1280, 900)
        browser.send("Performance.enable", timeDomain="threadTicks")
        out = {}
        for name, page, element in (("empty", empty, "box"), ("people", many, "people-list")):
            browser.open(page.as_uri())
            script = SCROLL.replace("ID", element).replace("FRAMES", str(FRAMES))
            out[f"scroll, {name}"] = measured(browser, script)
            if name == "people":
                print(browser.run("document.getElementById('people-count').textContent"))
                out["scroll, seen before"] = measured(
                    browser, f"(document.getElementById('people-list').scrollTop = 0, {script})"
                )
                out["filter"] = measured(browser, FILTER)
        browser.close()
    for name, numbers in out.items():
        print(f"{name:22}", "  ".join(f"{k} {v:.1f}" for k, v in numbers.items()))
    ratio = out["scroll, people"]["CPU"] / max(out["scroll, empty"]["CPU"], 1e-9)
    print(f"main thread: {ratio:.1f} times what an empty box costs")


if __name__ == "__main__":
    main()
