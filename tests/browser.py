"""A browser without a screen, driven over the WebDriver protocol (plain HTTP) with the standard library."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # of the protocol


def missing() -> str:
    """Why there is no browser here; empty where there is one."""
    for name in ("chromedriver", "chromium"):
        if program(name) is None:
            return f"no {name} here (Debian: apt-get install chromium chromium-driver; or set {name.upper()})"
    return ""


def program(name: str) -> str | None:
    return os.environ.get(name.upper()) or shutil.which(name)


class Browser:
    """One window."""

    def __init__(self, server: str, arguments: list[str]) -> None:
        options = {"binary": program("chromium"), "args": arguments}
        asked = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        self.server = server
        self.path = "/session"
        self.path = f"/session/{self.send('POST', '', {'capabilities': asked})['sessionId']}"

    def send(self, method: str, path: str, values: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self.server + self.path + path,
            None if values is None else json.dumps(values).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, page: Path) -> None:
        self.send("POST", "/url", {"url": page.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        return self.send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector: str) -> str:
        values = {"using": "css selector", "value": selector}
        return str(self.send("POST", "/element", values)[ELEMENT])

    def click(self, selector: str) -> None:
        self.send("POST", f"/element/{self.find(selector)}/click", {})

    def keys(self, text: str) -> None:
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.send("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def messages(self) -> list[str]:
        """What the page has written to the console since the last call."""
        return [entry["message"] for entry in self.send("POST", "/se/log", {"type": "browser"})]

    def resize(self, width: int, height: int) -> None:
        """Sets the size of the page itself, phones included, which no window may be as narrow as."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": size}
        self.send("POST", "/goog/cdp/execute", command)

    def screenshot(self, path: Path, selector: str = "") -> None:
        """A picture of the window, or of what an element shows of itself in it."""
        of = f"/element/{self.find(selector)}" if selector else ""
        path.write_bytes(base64.b64decode(self.send("GET", f"{of}/screenshot")))


@contextmanager
def browser(width: int = 1200, height: int = 900, arguments: tuple[str, ...] = ()) -> Iterator[Browser]:
    """Starts a driver and a browser with a profile of its own, and ends both."""
    driver = subprocess.Popen(
        [str(program("chromedriver")), "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert driver.stdout is not None
        port = ""
        until = time.monotonic() + 60
        while not port and time.monotonic() < until:
            line = driver.stdout.readline()
            port = line.rstrip(". \n").rpartition(" ")[2] if "started successfully" in line else ""
        window = Browser(
            f"http://127.0.0.1:{port}",
            [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--autoplay-policy=no-user-gesture-required",
                f"--window-size={width},{height}",
                *arguments,
            ],
        )
        try:
            yield window
        finally:
            window.send("DELETE", "")
    finally:
        driver.terminate()
        driver.communicate()
