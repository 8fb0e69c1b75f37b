"""A real browser without a window, spoken to over its DevTools pipe; nothing but Chromium needed.

Chromium reads commands on file descriptor 3 and answers on 4, each message ended by a NUL byte.
"""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
MODIFIERS = {"Shift": 8, "Control": 2}
KEYS = {
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Tab": (9, ""),
    "Home": (36, ""),
    "End": (35, ""),
    "ArrowLeft": (37, ""),
    "ArrowUp": (38, ""),
    "ArrowRight": (39, ""),
    "ArrowDown": (40, ""),
    "PageDown": (34, ""),
    " ": (32, " "),
}


def chromium() -> str | None:
    """Where it is installed; the environment's CHROMIUM first."""
    names = (os.environ.get("CHROMIUM", ""), *NAMES)
    return next((path for name in names if name and (path := shutil.which(name))), None)


class Browser:
    """One page in one browser.

    Args:
        program: Chromium's path.
        folder: for its profile.
    """

    def __init__(self, program: str, folder: Path) -> None:
        commands_out, self._commands = os.pipe()
        self._answers, answers_in = os.pipe()
        self._numbers = itertools.count(1)
        self._rest = b""
        self.events: list[dict[str, Any]] = []
        flags = ["--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"]
        flags += ["--hide-scrollbars", "--force-color-profile=srgb", f"--user-data-dir={folder}"]
        flags += ["--disable-dev-shm-usage", "--no-sandbox"]  # containers have neither

        # Chromium wants its pipe on these two numbers.
        def descriptors() -> None:
            os.dup2(commands_out, 3)
            os.dup2(answers_in, 4)

        # Numbers 3 and 4 may be those of the pipes themselves; higher ones are safe.
        commands_out, answers_in = (self._high(fd) for fd in (commands_out, answers_in))
        self._commands, self._answers = (self._high(fd) for fd in (self._commands, self._answers))
        self._process = subprocess.Popen(
            [program, *flags, "about:blank"],
            preexec_fn=descriptors,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands_out)
        os.close(answers_in)
        self._session: str | None = None
        page = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    @staticmethod
    def _high(descriptor: int) -> int:
        import fcntl

        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 20)
        os.close(descriptor)
        return moved

    def send(self, method: str, timeout_s: float = 60.0, **parameters: Any) -> dict[str, Any]:
        """One command and its answer."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + timeout_s
        while True:
            answer = self._receive(until)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']['message']}"
                return dict(answer["result"])
            self.events.append(answer)

    def _receive(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            left = until - time.monotonic()
            ready = left > 0 and select.select([self._answers], [], [], left)[0]
            assert ready, "Chromium does not answer"
            part = os.read(self._answers, 1 << 20)
            assert part, f"Chromium has ended ({self._process.poll()})"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(message))

    def open(self, address: str) -> None:
        """Load a page and wait until it is complete."""
        # A new hash alone would not load a page again.
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=address)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, timeout_s: float = 30.0) -> None:
        """Until the expression is true."""
        until = time.monotonic() + timeout_s
        while not self.run(expression):
            assert time.monotonic() < until, f"never true: {expression}"
            time.sleep(0.02)

    def screen(self, width: int, height: int, *, dark: bool = False, touch: bool = False) -> None:
        """The window's size in CSS px, and what the system wishes."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def click(self, selector: str) -> None:
        """A real click in the middle of the first element that fits."""
        x, y = self.middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def point(self, x: float, y: float) -> None:
        """Move the mouse there."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def middle(self, selector: str) -> tuple[float, float]:
        """px of the window, after it was scrolled into view."""
        found = self.run(
            f"""(() => {{
              const node = document.querySelector({json.dumps(selector)});
              if (!node) return null;
              node.scrollIntoView({{ block: "center", behavior: "instant" }});
              const box = node.getBoundingClientRect();
              return [box.x + box.width / 2, box.y + box.height / 2];
            }})()"""
        )
        assert found is not None, f"no element {selector}"
        return found[0], found[1]

    def press(self, key: str, modifier: str = "") -> None:
        """A key of `KEYS`, or a letter."""
        code, text = KEYS.get(key, (0, key))
        common = {
            "key": key,
            "windowsVirtualKeyCode": code,
            "modifiers": MODIFIERS.get(modifier, 0),
        }
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def picture(self) -> bytes:
        """PNG of what is visible."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    @property
    def complaints(self) -> list[str]:
        """Errors of the page's scripts, and what its console and network complained about."""
        self.run("0")
        out = []
        for event in self.events:
            what = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                out.append(str(what["exceptionDetails"].get("exception", what)))
            if event.get("method") == "Log.entryAdded" and what["entry"]["level"] == "error":
                out.append(what["entry"]["text"])
        return out

    @property
    def asked_for(self) -> list[str]:
        """Addresses that were loaded."""
        self.run("0")
        return [
            e["params"]["request"]["url"]
            for e in self.events
            if e.get("method") == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
