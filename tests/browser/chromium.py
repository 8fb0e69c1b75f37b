"""Control a headless Chromium over its DevTools pipe, without any other package.

Chromium reads commands from file descriptor 3 and answers on 4; a NUL byte ends each message.
"""

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


def find_chromium() -> str | None:
    """Find the program; the environment variable CHROMIUM comes first."""
    names = (os.environ.get("CHROMIUM", ""), *NAMES)
    return next((path for name in names if name and (path := shutil.which(name))), None)


class Browser:
    """A browser with one page.

    Args:
        program: path of Chromium.
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
        flags += ["--disable-dev-shm-usage", "--no-sandbox"]  # containers have neither of the two

        # Chromium expects its pipe on these two descriptors.
        def duplicate_descriptors() -> None:
            os.dup2(commands_out, 3)
            os.dup2(answers_in, 4)

        # The pipes themselves may be 3 and 4, so they are moved to higher descriptors.
        commands_out, answers_in = (self._move_up(fd) for fd in (commands_out, answers_in))
        self._commands, self._answers = (
            self._move_up(fd) for fd in (self._commands, self._answers)
        )
        self._process = subprocess.Popen(
            [program, *flags, "about:blank"],
            preexec_fn=duplicate_descriptors,
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
    def _move_up(descriptor: int) -> int:
        import fcntl

        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 20)
        os.close(descriptor)
        return moved

    def send(self, method: str, timeout_s: float = 60.0, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its answer."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']['message']}"
                return dict(answer["result"])
            self.events.append(answer)

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self._answers], [], [], left)[0]
            assert ready, "Chromium does not answer in time"
            part = os.read(self._answers, 1 << 20)
            assert part, f"Chromium has ended ({self._process.poll()})"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(message))

    def open(self, address: str) -> None:
        """Load a page and wait until it is complete."""
        # A change of the hash alone does not load a page again.
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=address)
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """Evaluate a JavaScript expression; a promise is awaited."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str, timeout_s: float = 30.0) -> None:
        """Wait until the expression is true."""
        deadline = time.monotonic() + timeout_s
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, f"never true: {expression}"
            time.sleep(0.02)

    def set_screen(
        self, width: int, height: int, *, dark: bool = False, touch: bool = False
    ) -> None:
        """Set the window's size in CSS px and the system's settings."""
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
        """Click the middle of the first element that matches."""
        x, y = self.find_middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def move_mouse(self, x: float, y: float) -> None:
        """Move the mouse to a point of the window."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def find_middle(self, selector: str) -> tuple[float, float]:
        """Scroll an element into view and return its middle, px of the window."""
        middle = self.evaluate(
            f"""(() => {{
              const node = document.querySelector({json.dumps(selector)});
              if (!node) return null;
              node.scrollIntoView({{ block: "center", behavior: "instant" }});
              const box = node.getBoundingClientRect();
              return [box.x + box.width / 2, box.y + box.height / 2];
            }})()"""
        )
        assert middle is not None, f"no element {selector}"
        return middle[0], middle[1]

    def press(self, key: str, modifier: str = "") -> None:
        """Press a key of `KEYS`, or a letter."""
        code, text = KEYS.get(key, (0, key))
        common = {
            "key": key,
            "windowsVirtualKeyCode": code,
            "modifiers": MODIFIERS.get(modifier, 0),
        }
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    @property
    def errors(self) -> list[str]:
        """Return errors of the page's scripts, console and network."""
        self.evaluate("0")
        errors = []
        for event in self.events:
            parameters = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                errors.append(str(details.get("exception", parameters)))
            is_log = event.get("method") == "Log.entryAdded"
            if is_log and parameters["entry"]["level"] == "error":
                errors.append(parameters["entry"]["text"])
        return errors

    @property
    def loaded_addresses(self) -> list[str]:
        """Return the addresses that were loaded."""
        self.evaluate("0")
        return [
            e["params"]["request"]["url"]
            for e in self.events
            if e.get("method") == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        """Close the browser."""
        # Terminating is not enough: the program may be a script that only starts Chromium.
        self._session = None
        self.send("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
