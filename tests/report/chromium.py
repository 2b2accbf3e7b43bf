"""A headless Chromium, driven over a pipe by the DevTools protocol: what a test needs to look at a page.

https://chromedevtools.github.io/devtools-protocol/ ; messages are JSON, each ended by a zero byte.
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

BINARY = Path("/usr/bin/chromium")
AXE = Path(os.environ.get("CALIBAUDIT_AXE", "axe.min.js"))
"""axe-core, which knows what a screen reader and WCAG want: `npm install axe-core`, its axe.min.js."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)


class Chromium:
    """A browser with one tab. Use as a context manager: it ends with the block, its children too."""

    def __init__(self, profile: Path, timeout: float = 60) -> None:
        self._timeout = timeout
        self._count = 0
        self._buffer = b""
        self.events: list[dict[str, Any]] = []
        read_end, self._write = os.pipe()
        self._read, write_end = os.pipe()

        # The browser reads its commands from descriptor 3 and answers on 4.
        command = ["bash", "-c", 'exec "$0" "$@" 3<&"$IN" 4>&"$OUT"', str(BINARY), *FLAGS]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(read_end, write_end),
            env=os.environ | {"IN": str(read_end), "OUT": str(write_end)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read_end)
        os.close(write_end)
        targets = self._call("Target.getTargets", session=None)["targetInfos"]
        tab = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self._call("Target.attachToTarget", session=None, targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "Accessibility", "DOM"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._write)
        os.close(self._read)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command to the tab, and its result."""
        return self._call(method, session=self._session, **parameters)

    def open(self, path: Path, width: int, height: int = 900, *, dark: bool = False, media: str = "screen") -> None:
        """Load a file at a window size, light or dark, on screen or as it would be printed; forget earlier events."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.call("Page.navigate", url=path.resolve().as_uri())
        self._until(lambda: any(event["method"] == "Page.loadEventFired" for event in self.events))

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """The window, or the whole page, as a PNG."""
        more: dict[str, Any] = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            more = {"captureBeyondViewport": True, "clip": {**size, "scale": 1}}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png", **more)["data"]))

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the page as it stands: rule, impact, element."""
        self.evaluate(f"{AXE.read_text(encoding='utf-8')};0")
        run = (
            "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.flatMap(rule =>"
            " rule.nodes.map(node => `${rule.id} (${rule.impact}): ${node.html.slice(0, 200)}`)))"
        )
        found = self.call("Runtime.evaluate", expression=run, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return list(found["result"]["value"])

    def requests(self) -> list[str]:
        """Every address the page asked for since it was opened."""
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """Errors and warnings of the console since the page was opened."""
        found = [e["params"]["entry"]["text"] for e in self.events if e["method"] == "Log.entryAdded"]
        found += [str(e["params"]) for e in self.events if e["method"] == "Runtime.exceptionThrown"]
        return found + [str(e["params"]["args"]) for e in self.events if e["method"] == "Runtime.consoleAPICalled"]

    def _call(self, method: str, *, session: str | None, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        number = self._count
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer: list[dict[str, Any]] = []

        def arrived() -> bool:
            answer.extend(event for event in self.events if event.get("id") == number)
            return bool(answer)

        self._until(arrived)
        self.events = [event for event in self.events if "id" not in event]
        assert "error" not in answer[0], f"{method}: {answer[0]['error']}"
        return dict(answer[0]["result"])

    def _until(self, done: Any) -> None:
        end = time.monotonic() + self._timeout
        while not done():
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            data = os.read(self._read, 1 << 20) if ready else b""
            assert data, "the browser gave no answer in time" if not ready else "the browser ended"
            *messages, self._buffer = (self._buffer + data).split(b"\0")
            self.events += [json.loads(message) for message in messages]
