"""The studio's figures: page weight and first paint, suggestions and their memory, frames of a long piece.

    python tools/bench/studio.py [--model=DIR] [--suggestions=N] [--only=start,page,suggest,frames,edit]
        [--output=FILE.json]

Starts `python -m hrpe_jax.studio` on a folder of its own and talks to it over its API; `page` and `frames`
also need Chromium and selenium. `suggest` asks for four suggestions for four bars, fetches the first two bars
of the first one's sound, and counts until these have come; then it fetches the first one's notation. Memory
is that of the server's process before and after. `frames` scrolls a long piece and selects bars by keys, and
reads Chromium's trace: how long the page's main thread worked at once, in processor time (which other
programs hardly change) and by the clock. `edit` writes chords while the model's programs are compiled into an
empty cache.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "hrpe_jax" / "server" / "page"
FRAMES = 300


class Studio:
    """A studio in a process of its own."""

    def __init__(self, model: str, cache: str = "") -> None:
        self.folder = tempfile.mkdtemp()
        program = [sys.executable, "-m", "hrpe_jax.studio", "--no_browser", f"--folder={self.folder}"]
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*program, f"--model={model}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, **({"XDG_CACHE_HOME": cache} if cache else {})},
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.answers = time.monotonic() - self.began
        self.address, _, self.token = self.url.partition("/?token=")

    def call(self, method: str, path: str, body: Any = None, raw: bool = False) -> Any:
        """A request."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=600) as answer:
            return answer.read() if raw else json.load(answer)

    def job(self, project: str, **asked: Any) -> Any:
        """An answer of the model."""
        found = self.call("POST", f"/api/projects/{project}/jobs", asked)
        while found["status"] in ("queued", "running"):
            found = self.call("GET", f"/api/projects/{project}/jobs/{found['id']}")
        return found

    def ready(self) -> float:
        """Waits for the model; seconds since the command."""
        while self.call("GET", "/api/engine")["stage"] != "ready":
            time.sleep(0.1)
        return time.monotonic() - self.began

    def piece(self) -> str:
        """A project with a composed piece of 16 bars."""
        project = self.call("POST", "/api/projects", {"bars": 16})["id"]
        told = self.job(project, kind="compose", count=1, seed=7)
        self.call("POST", f"/api/projects/{project}/jobs/{told['id']}/keep", {"candidate": 0})
        return str(project)

    def drawn(self, bars: int) -> str:
        """A project with a tune of so many bars that needs no model: eighths up and down a scale."""
        project = self.call("POST", "/api/projects", {"bars": 16})["id"]
        scale = (60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62)
        actions: list[dict[str, Any]] = [
            {"do": "set_chords", "bar": 1, "text": " | ".join(["C", "Am7 D7", "G7", "C F"] * 4)}
        ]
        for number in range(112):  # seven notes a bar
            bar, place = divmod(number, 7)
            note = {"onset": 48 * bar + 6 * place, "duration": 6 if place < 6 else 12}
            actions.append({"do": "add_note", **note, "pitch": scale[(3 * bar + place) % len(scale)]})
        for first in range(17, bars + 1, 16):
            actions.append({"do": "copy_bars", "first": 1, "last": 16, "to": first})
        for action in actions:
            self.call("POST", f"/api/projects/{project}/actions", {"action": action})
        return str(project)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def page(studio: Studio) -> dict[str, Any]:
    """Weight of the page's files, and seconds from the first byte to the first paint."""
    driver = browser()
    try:
        driver.get(studio.url)
        time.sleep(3)
        script = """const paint = performance.getEntriesByName('first-contentful-paint')[0];
          return [paint.startTime, performance.getEntriesByType('navigation')[0].responseStart];"""
        paint, response = driver.execute_script(script)
    finally:
        driver.quit()
    return {
        "kilobytes": round(sum(file.stat().st_size for file in PAGE.iterdir()) / 1000, 1),
        "first_paint_seconds": round((paint - response) / 1000, 3),
    }


def suggest(studio: Studio, count: int) -> dict[str, Any]:
    """Waits until the first suggestion can be heard, and the server's memory."""
    import psutil

    project = studio.piece()
    draw = random.Random(1)
    process = psutil.Process(studio.process.pid)
    waits: list[float] = []
    failed, before = 0, 0
    for number in range(count + 5):
        if number == 5:
            before = process.memory_info().rss
        first = draw.randrange(1, 13)
        began = time.monotonic()
        try:
            found = studio.job(
                project, kind="suggest", first=first, last=first + 3, what="melody", seed=number
            )
            plan = {"job": found["id"], "candidate": 0, "first": max(1, first - 2), "last": first + 3}
            chunk = studio.call("POST", f"/api/projects/{project}/sound", plan)["chunks"][0]
            for key in chunk["parts"].values():
                studio.call("GET", f"/api/sound/{key}", raw=True)
            if number >= 5:
                waits.append(time.monotonic() - began)
            shown = {"part": 0, "job": found["id"], "candidate": 0}
            studio.call("POST", f"/api/projects/{project}/notation", shown)
        except OSError:
            failed += 1
    waits.sort()
    return {
        "suggestions": count,
        "median_seconds": round(statistics.median(waits), 2),
        "seconds_95": round(waits[int(0.95 * (len(waits) - 1))], 2),
        "failed": failed,
        "megabytes_grown": round((process.memory_info().rss - before) / 1e6, 1),
    }


def edit(model: str, changes: int = 60) -> dict[str, Any]:
    """Waits for changes of a piece while the model is loaded and its programs are compiled."""
    with tempfile.TemporaryDirectory() as cache:
        studio = Studio(model, cache)
        try:
            project = studio.call("POST", "/api/projects", {"bars": 16})["id"]
            waits, said = [], []
            for number in range(changes):
                began = time.monotonic()
                action = {"do": "set_chords", "bar": number % 16 + 1, "text": "Am7 D7" if number % 3 else "G"}
                studio.call("POST", f"/api/projects/{project}/actions", {"action": action})
                studio.call("POST", f"/api/projects/{project}/notation", {"part": 0})
                waits.append(time.monotonic() - began)
                message = studio.call("GET", "/api/engine")["message"]
                if message not in said:
                    said.append(message)
                time.sleep(0.5)
        finally:
            studio.stop()
    waits.sort()
    return {
        "changes": changes,
        "median_seconds": round(statistics.median(waits), 3),
        "longest_seconds": round(waits[-1], 3),
        "said": said,
    }


class Trace:
    """Chromium's own record of what its threads do, over its debugging port.

    Args:
        driver: of a browser that runs.
    """

    def __init__(self, driver: Any) -> None:
        from websocket import create_connection  # selenium brings it

        address = driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
        with urllib.request.urlopen(f"http://{address}/json/version") as answer:
            url = json.load(answer)["webSocketDebuggerUrl"]
        self.socket = create_connection(url, suppress_origin=True, timeout=120)
        config = {"includedCategories": ["toplevel", "blink.user_timing"], "excludedCategories": ["*"]}
        self._ask(1, "Tracing.start", {"transferMode": "ReportEvents", "traceConfig": config})
        while json.loads(self.socket.recv()).get("id") != 1:
            pass

    def _ask(self, number: int, method: str, values: dict[str, Any] | None = None) -> None:
        self.socket.send(json.dumps({"id": number, "method": method, "params": values or {}}))

    def tasks(self, first: str, last: str) -> list[dict[str, Any]]:
        """The tasks of the page's main thread between two marks of `performance.mark`."""
        self._ask(2, "Tracing.end")
        events: list[dict[str, Any]] = []
        message: dict[str, Any] = {}
        while message.get("method") != "Tracing.tracingComplete":
            message = json.loads(self.socket.recv())
            if message.get("method") == "Tracing.dataCollected":
                events += message["params"]["value"]
        self.socket.close()
        begin, end = (next(e for e in events if e["name"] == name) for name in (first, last))
        return [
            event
            for event in events
            if event["name"] == "ThreadControllerImpl::RunTask"
            and "dur" in event
            and (event["pid"], event["tid"]) == (begin["pid"], begin["tid"])
            and begin["ts"] <= event["ts"] <= end["ts"]
        ]


def frames(studio: Studio, bars: int = 256) -> dict[str, Any]:
    """The longest tasks of the page while a long piece is scrolled and bars are selected."""
    project = studio.drawn(bars)
    driver = browser()
    try:
        driver.get(f"{studio.url}#{project}")
        while driver.execute_script("return document.querySelectorAll('#sheet .bar').length") < bars:
            time.sleep(0.2)
        time.sleep(2)
        driver.set_script_timeout(300)
        trace = Trace(driver)
        driver.execute_async_script(
            """const done = arguments[1], sheet = document.getElementById('sheet');
            const roll = document.querySelector('#roll .scroll');
            let n = 0;
            const step = () => {
              n++;
              sheet.scrollTop += 30;
              roll.scrollLeft += 40;
              const key = {key: 'ArrowRight', bubbles: true, shiftKey: n % 40 === 0};
              if (n % 20 === 0) document.body.dispatchEvent(new KeyboardEvent('keydown', key));
              if (n < arguments[0]) requestAnimationFrame(step);
              else { performance.mark('bench-end'); done(); }
            };
            performance.mark('bench-begin');
            requestAnimationFrame(step);""",
            FRAMES,
        )
        tasks = trace.tasks("bench-begin", "bench-end")
    finally:
        driver.quit()
    work = sorted(task.get("tdur", 0) / 1000 for task in tasks)
    clock = sorted(task["dur"] / 1000 for task in tasks)
    return {
        "bars": bars,
        "frames": FRAMES,
        "longest_work_milliseconds": round(work[-1], 1),
        "work_over_50": sum(one > 50 for one in work),
        "longest_milliseconds": round(clock[-1], 1),
        "over_50": sum(one > 50 for one in clock),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def browser() -> Any:
    """Chromium without a screen."""
    import shutil

    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1360,900"):
        options.add_argument(argument)
    driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def main() -> None:
    """Measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="pretrained", metavar="DIR")
    parser.add_argument("--suggestions", type=int, default=200, metavar="N")
    parser.add_argument("--only", default="start,page,suggest,frames", metavar="NAMES")
    parser.add_argument("--output", metavar="FILE")
    args = parser.parse_args()
    wanted = args.only.split(",")
    found: dict[str, Any] = {"cores": os.cpu_count()}
    if "edit" in wanted:
        found["edit"] = edit(args.model)
    studio = Studio(args.model)
    try:
        if "page" in wanted:
            found["page"] = page(studio)
        if "frames" in wanted:
            found["frames"] = frames(studio)
        if "start" in wanted:
            ready = studio.ready()
            found["start"] = {"page_seconds": round(studio.answers, 2), "model_seconds": round(ready, 2)}
        if "suggest" in wanted:
            studio.ready()
            found["suggest"] = suggest(studio, args.suggestions)
    finally:
        studio.stop()
    print(json.dumps(found, indent=1))
    if args.output:
        with suppress(OSError):
            Path(args.output).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
