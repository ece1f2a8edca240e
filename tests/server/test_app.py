"""The API: what it does, and what it refuses."""

from __future__ import annotations

import io
import json
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the studio needs the extra studio")
pytest.importorskip("httpx", reason="Starlette's test client needs it")
from starlette.testclient import TestClient

from hrpe_jax.formats.midi.write import midi_bytes
from hrpe_jax.server.app import Studio
from hrpe_jax.server.guard import MAX_JSON_BYTES, MAX_UPLOAD_BYTES, Access
from hrpe_jax.server.jobs import MAX_WAITING, Jobs
from hrpe_jax.server.store import Store
from tests.server.fake import FakeComposer

TOKEN = "the-token-of-the-run"


class Api:
    """A client that carries the token."""

    def __init__(self, client: TestClient, composer: FakeComposer, store: Store) -> None:
        self.client, self.composer, self.store = client, composer, store

    def call(self, method: str, path: str, body: Any = None, status: int = 200, **more: Any) -> Any:
        headers = {"authorization": f"Bearer {TOKEN}", **more.pop("headers", {})}
        answer = self.client.request(method, path, json=body, headers=headers, **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.headers["content-type"] == "application/json" else answer

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self.call("POST", path, body or {}, status)

    def get(self, path: str, status: int = 200) -> Any:
        return self.call("GET", path, None, status)

    def act(self, project: str, status: int = 200, base: int | None = None, **action: Any) -> Any:
        body = {"action": action} | ({} if base is None else {"base": base})
        return self.post(f"/api/projects/{project}/actions", body, status)


def serve(tmp_path: Path, composer: FakeComposer) -> Iterator[Api]:
    store = Store(tmp_path)
    jobs = Jobs(lambda: composer)
    app = Studio(store, jobs, Access(TOKEN)).app()
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        until = time.monotonic() + 20
        while jobs.progress.stage != "ready":
            assert time.monotonic() < until
            time.sleep(0.01)
        yield Api(client, composer, store)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    yield from serve(tmp_path, FakeComposer())


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Api]:
    """With a model that works until `composer.pause` is set."""
    composer = FakeComposer(threading.Event())
    yield from serve(tmp_path, composer)
    assert composer.pause is not None
    composer.pause.set()


def test_from_nothing_to_a_kept_piece(api: Api):
    view = api.post("/api/projects", {"title": "Mine", "bars": 4})
    project = view["id"]
    view = api.act(project, do="set_chords", bar=1, text="C | F | ii V | I", base=0)
    assert [bar[2] for bar in view["bars"]] == ["C", "F", "Dm G", "C"]
    assert view["chords"][2][3:5] == ["ii", 1]
    told = api.post(f"/api/projects/{project}/jobs", {"kind": "compose", "count": 3})
    assert told["status"] == "done"
    assert len(told["candidates"]) == 3
    assert all([bar[2] for bar in c["bars"]] == ["C", "F", "Dm G", "C"] for c in told["candidates"])
    kept = api.post(f"/api/projects/{project}/jobs/{told['id']}/keep", {"candidate": 1})
    assert kept["notes"] == told["candidates"][1]["notes"]
    assert kept["undo"] == "Keep a piece"
    assert api.act(project, do="undo")["notes"] == []
    assert api.act(project, do="redo")["notes"] == kept["notes"]
    assert api.act(project, status=400, do="redo")["problem"] == "there is nothing to do again"
    assert [one["title"] for one in api.get("/api/projects")["projects"]] == ["Mine"]
    assert api.get(f"/api/projects/{project}/pulse")["engine"]["stage"] == "ready"


def test_a_piece_brings_its_form_and_keeps_the_one_that_is_there(api: Api):
    project = api.post("/api/projects", {"bars": 12})["id"]
    jobs = f"/api/projects/{project}/jobs"
    told = api.post(jobs, {"kind": "compose"})
    assert told["candidates"][0]["form"] == [["A", 1, 4], ["A'", 5, 8]]
    # Sections that somebody made stay, with chords only where a section is new.
    api.act(project, do="set_form", text="A4B4A'4")
    api.act(project, do="set_chords", bar=1, text="C | F | G7 | C | Am")
    told = api.post(jobs, {"kind": "compose"})
    asked = api.composer.calls[-1][1]
    assert (asked["form"], asked["chords"]) == ("A4B4A'4", "C | F | G7 | C | Am | ? | ? | ?")
    assert told["candidates"][0]["form"] == [["A", 1, 4], ["B", 5, 4], ["A'", 9, 4]]
    # Other chords in the return: they count, and the form does not.
    api.act(project, do="set_chords", bar=9, text="Dm")
    api.post(jobs, {"kind": "compose"})
    asked = api.composer.calls[-1][1]
    assert "form" not in asked
    assert asked["chords"].split(" | ")[8] == "Dm"
    # What the composer does not know: a return that is longer, and X, which is like no other.
    api.act(project, do="clear_bars", first=1, last=12)
    api.act(project, do="set_form", text="A'2X3A3X4")
    api.post(jobs, {"kind": "compose"})
    assert api.composer.calls[-1][1]["form"] == "A2X3B3C4"


def test_a_new_piece_begins_behind_the_pickup(api: Api):
    tune = b'X:1\nT:Up\nM:4/4\nL:1/4\nK:G\nD|"G"G2 B d|"C"e2 c A|"D7"F A d c|"G"G4|]\n'
    view = api.call("POST", "/api/import?name=up.abc", content=tune)
    assert [bar[:2] for bar in view["bars"][:2]] == [[0, 12], [12, 48]]
    told = api.post(f"/api/projects/{view['id']}/jobs", {"kind": "compose"})
    asked = api.composer.calls[-1][1]["chords"]
    assert asked == "G | C | D7 | G"
    for found in told["candidates"]:
        assert [bar[:2] for bar in found["bars"]] == [bar[:2] for bar in view["bars"]]
        assert [bar[2] for bar in found["bars"]] == [bar[2] for bar in view["bars"]]
        assert found["notes"][0][:3] == view["notes"][0][:3]
        assert all(note[0] >= 12 for note in found["notes"][1:])
        assert sum(section[2] for section in found["form"]) == 5


def test_one_writes_while_programs_are_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    compiled = threading.Event()
    jobs = Jobs(FakeComposer, [("suggestions", lambda composer: compiled.wait(30))])
    monkeypatch.setattr("hrpe_jax.server.jobs.SLOW_SECONDS", 0.0)
    store = Store(tmp_path)
    app = Studio(store, jobs, Access(TOKEN)).app()
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        api = Api(client, FakeComposer(), store)
        project = api.post("/api/projects", {"bars": 4})["id"]
        assert api.act(project, do="set_chords", bar=1, text="C | F")["bars"][1][2] == "F"
        assert api.post(f"/api/projects/{project}/notation")["lines"]
        while (engine := api.get("/api/engine"))["stage"] == "loading":
            time.sleep(0.01)
        assert engine["message"] == "Compiling suggestions, once per machine"
        compiled.set()
        while api.get("/api/engine")["stage"] != "ready":
            time.sleep(0.01)


def test_some_is_warmed_up_aside_behind_the_first(tmp_path: Path):
    """The model is ready when both are done; a failure aside is said, and is no failure of the model."""
    begun, let, said = threading.Event(), threading.Event(), list[str]()

    def aside(composer: Any) -> None:
        begun.set()
        let.wait(30)
        raise ValueError("no such program")

    warm = [
        ("first", lambda composer: said.append(f"aside has begun: {begun.is_set()}")),
        ("second", lambda composer: begun.wait(30)),
    ]
    jobs = Jobs(FakeComposer, warm, [("more", aside)], said.append)
    jobs.start()
    assert begun.wait(30)
    assert jobs.progress.stage == "warming"
    let.set()
    while jobs.progress.stage != "ready":
        time.sleep(0.01)
    jobs.stop()
    assert "aside has begun: False" in said
    assert "more: ValueError: no such program" in said


def test_suggestions_change_only_what_was_asked_for(api: Api):
    project = api.post("/api/projects", {"bars": 8})["id"]
    told = api.post(f"/api/projects/{project}/jobs", {"kind": "compose"})
    whole = api.post(f"/api/projects/{project}/jobs/{told['id']}/keep", {"candidate": 0})
    note = next(n for n in whole["notes"] if 96 <= n[0] < 192)
    api.act(project, do="set_locks", locked=True, bars=[6], notes=[note[0]])
    asked = {"kind": "suggest", "first": 3, "last": 6, "what": "both"}
    told = api.post(f"/api/projects/{project}/jobs", asked)
    assert api.composer.calls[-1][1]["bars"] == (3, 5)
    assert [(n.onset, n.pitch) for n in api.composer.calls[-1][1]["keep"]] == [(note[0], note[2])]
    for found in told["candidates"]:
        assert found["first"], found["last"] == (3, 5)
        outside = [n[:3] for n in found["notes"] if not 96 <= n[0] < 240]
        assert outside == [n[:3] for n in whole["notes"] if not 96 <= n[0] < 240]
        assert note[0] in [n[0] for n in found["notes"]]
        assert [bar[2] for bar in found["bars"]][5:] == [bar[2] for bar in whole["bars"]][5:]
        ends = [n[0] + n[1] for n in found["notes"]]
        assert all(end <= n[0] for end, n in zip(ends, found["notes"][1:], strict=False))
    like = {"job": told["id"], "candidate": 2}
    more = api.post(f"/api/projects/{project}/jobs", {**asked, "like": like, "wish": "higher"})
    assert api.composer.calls[-1][1]["what"] == "vary"
    means = [sum(n[2] for n in c["notes"]) / len(c["notes"]) for c in more["candidates"]]
    assert means[0] >= means[-1] - 1
    # Another bar changed meanwhile: the candidate still fits. The same bars: it does not.
    api.act(project, do="set_chords", bar=1, text="Bb")
    kept = api.post(f"/api/projects/{project}/jobs/{more['id']}/keep", {"candidate": 0})
    assert kept["bars"][0][2] == "Bb"
    assert [n[:3] for n in kept["notes"]] == [n[:3] for n in more["candidates"][0]["notes"]]
    api.act(project, do="set_chords", bar=4, text="Bb")
    problem = api.post(f"/api/projects/{project}/jobs/{told['id']}/keep", {"candidate": 0}, 400)
    assert "ask again" in problem["problem"]


@pytest.mark.parametrize(
    ("asked", "bars", "label"),
    [
        ({"kind": "continue", "bars": 4}, 12, "Keep more bars"),
        ({"kind": "verse", "section": 1}, 16, "Keep a second verse"),
        ({"kind": "bridge", "after": 1, "bars": 4}, 12, "Keep a bridge"),
        ({"kind": "harmonize"}, 8, "Keep chords"),
    ],
)
def test_more_bars_and_other_chords(api: Api, asked: dict[str, Any], bars: int, label: str):
    project = api.post("/api/projects", {"bars": 8})["id"]
    told = api.post(f"/api/projects/{project}/jobs", {"kind": "compose"})
    whole = api.post(f"/api/projects/{project}/jobs/{told['id']}/keep", {"candidate": 0})
    api.act(project, do="set_form", text="A8")
    told = api.post(f"/api/projects/{project}/jobs", asked)
    kept = api.post(f"/api/projects/{project}/jobs/{told['id']}/keep", {"candidate": 3})
    assert len(kept["bars"]) == bars
    assert kept["undo"] == label
    assert [n[:2] for n in kept["notes"] if n[0] + n[1] < 8 * 48] == [
        n[:2] for n in whole["notes"] if n[0] + n[1] < 8 * 48
    ]
    if asked["kind"] == "verse":
        assert [b[2] for b in kept["bars"][8:]] == [b[2] for b in whole["bars"]]
        assert [n[2] for n in kept["notes"] if n[0] >= 8 * 48] != [n[2] for n in whole["notes"]]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"kind": "sing"}, "kind"),
        ({"kind": "suggest", "first": 0}, "first"),
        ({"kind": "suggest", "first": 3, "last": 2}, "last"),
        ({"kind": "suggest", "what": "drums"}, "what"),
        ({"kind": "suggest", "wish": "better"}, "wish"),
        ({"kind": "suggest", "count": 99}, "count"),
        ({"kind": "continue"}, "nothing to go on from"),
        ({"kind": "harmonize"}, "no melody"),
        ({"kind": "bridge", "after": 9}, "after"),
        ({"kind": "explain"}, "no chord stage"),
        ({"kind": "suggest", "like": {"job": "x", "candidate": 0}}, "not known any more"),
    ],
)
def test_what_the_model_cannot_do_is_said(api: Api, asked: dict[str, Any], said: str):
    project = api.post("/api/projects")["id"]
    assert said in api.post(f"/api/projects/{project}/jobs", asked, 400)["problem"]


def test_two_windows(api: Api):
    project = api.post("/api/projects")["id"]
    api.act(project, base=0, do="set_chords", bar=1, text="C")
    assert api.act(project, base=0, do="set_chords", bar=2, text="F")["revision"] == 2
    told = api.act(project, status=409, base=0, do="set_chords", bar=1, text="G")
    assert told["project"]["bars"][0][2] == "C"
    assert [name for name, _ in told["project"]["versions"]] == ["Write chords (from another window)"]
    assert "another window" in api.act(project, status=400, base=0, do="undo")["problem"]
    assert api.act(project, do="restore_version", number=1)["bars"][0][2] == "G"


def test_chords_are_checked_while_one_types(api: Api):
    ask = {"text": "| Am7 V7/V | Hx |", "key": "C major", "meter": "4/4"}
    assert "'Hx" in api.post("/api/chords", ask)["problem"]
    assert api.post("/api/chords", {**ask, "text": "Am7 V7/V"})["bars"] == [["Am7", "D7"]]
    assert not api.post("/api/chords", {**ask, "key": "nothing"})["ok"]


def test_notation_has_every_bar_and_note(api: Api):
    pytest.importorskip("verovio", reason="notation needs the extra engrave")
    project = api.post("/api/projects", {"bars": 40})["id"]
    told = api.post(f"/api/projects/{project}/jobs", {"kind": "compose", "count": 1})
    view = api.post(f"/api/projects/{project}/jobs/{told['id']}/keep", {"candidate": 0})
    first = api.post(f"/api/projects/{project}/notation", {"part": 0, "bars_per_line": 4})
    parts = [first] + [
        api.post(f"/api/projects/{project}/notation", {"part": n}) for n in range(1, first["parts"])
    ]
    assert sum(part["bars"] for part in parts) == 40
    text = "".join(line["svg"] for part in parts for line in part["lines"])
    assert all(f'id="m{bar}"' in text for bar in range(40))
    ticks = {tick for part in parts for tick, _ in part["marks"]}
    assert {note[0] for note in view["notes"]} <= ticks
    assert all(f'id="{name}"' in text for part in parts for _, name in part["marks"])
    assert " style=" not in text  # the content security policy would refuse it
    have = [line["key"] for line in first["lines"]]
    again = api.post(f"/api/projects/{project}/notation", {"part": 0, "have": have})
    assert all(line["svg"] is None for line in again["lines"])


def test_sound_comes_in_pieces(api: Api):
    project = api.post("/api/projects", {"bars": 4})["id"]
    told = api.post(f"/api/projects/{project}/jobs", {"kind": "compose"})
    api.post(f"/api/projects/{project}/jobs/{told['id']}/keep", {"candidate": 0})
    plan = api.post(f"/api/projects/{project}/sound", {"first": 1, "last": 4})
    assert [(c["tick"], c["ticks"]) for c in plan["chunks"]] == [(0, 96), (96, 96)]
    assert {"melody", "chords", "bass"} <= set(plan["parts"])
    key = plan["chunks"][0]["parts"]["melody"]
    with wave.open(io.BytesIO(api.get(f"/api/sound/{key}").content)) as sound:
        assert sound.getnchannels() == 2
        assert 4 < sound.getnframes() / sound.getframerate() < 8
    # Another melody leaves the keys of the band as they are.
    api.act(project, do="delete_notes", onsets=[api.get(f"/api/projects/{project}")["notes"][0][0]])
    other = api.post(f"/api/projects/{project}/sound", {"first": 1, "last": 4})
    assert other["chunks"][0]["parts"]["melody"] != key
    assert other["chunks"][1] == plan["chunks"][1]
    candidate = {"job": told["id"], "candidate": 2, "first": 2, "last": 3}
    assert len(api.post(f"/api/projects/{project}/sound", candidate)["chunks"]) == 1
    api.get("/api/sound/nothing", 404)


def test_import_and_export(api: Api, tmp_path: Path):
    project = api.post("/api/projects", {"title": "A “tune” / 1", "bars": 4})["id"]
    told = api.post(f"/api/projects/{project}/jobs", {"kind": "compose"})
    view = api.post(f"/api/projects/{project}/jobs/{told['id']}/keep", {"candidate": 0})
    for kind in ("mid", "musicxml", "abc", "txt", "json"):
        answer = api.get(f"/api/projects/{project}/export/{kind}")
        data = answer.content if hasattr(answer, "content") else json.dumps(answer).encode()
        assert len(data) > 50
        if kind in ("mid", "musicxml", "abc"):
            assert f"A_tune_1.{kind}" in answer.headers["content-disposition"]
            back = api.call("POST", f"/api/import?name=x.{kind}", content=data)
            assert [n[2] for n in back["notes"]] == [n[2] for n in view["notes"]]
            assert [bar[2] for bar in back["bars"]] == [bar[2] for bar in view["bars"]]
    assert "expected one of" in api.get(f"/api/projects/{project}/export/exe", 400)["problem"]
    for name, data in (("x.mid", b"MThd" + bytes(40)), ("../../x.txt", b"nothing"), ("x", b"")):
        answer = api.call("POST", f"/api/import?name={name}", status=400, content=data)
        assert "/tmp" not in answer["problem"]


def test_a_file_that_takes_too_long(api: Api, monkeypatch: pytest.MonkeyPatch):
    from hrpe_jax.server import transfer
    from hrpe_jax.server.edits import act
    from hrpe_jax.server.state import empty_state

    score = act(empty_state(), {"do": "add_note", "onset": 0, "duration": 12, "pitch": 60}).score
    monkeypatch.setattr(transfer, "READ_SECONDS", 1e-4)
    answer = api.call("POST", "/api/import?name=x.mid", status=400, content=midi_bytes(score))
    assert "seconds to read" in answer["problem"]


# ---- Who is let in


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example:8000"}, 421),  # DNS rebinding: a name of theirs that points here
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "localhost:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "192.168.1.7:8000"}, 421),
        ({"host": ""}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),  # another program of this machine
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:8000"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic dTpw"}, 401),
        ({"authorization": ""}, 401),
    ],
)
def test_other_pages_and_other_hosts_are_refused(api: Api, headers: dict[str, str], status: int):
    for method, path in (("GET", "/api/projects"), ("POST", "/api/projects")):
        api.call(method, path, {} if method == "POST" else None, status, headers=headers)


def test_the_token_may_stand_in_the_address_of_what_is_read(api: Api):
    assert api.client.get("/").status_code == 401
    assert api.client.get(f"/?token={TOKEN}").status_code == 200
    assert api.client.get(f"/api/projects?token={TOKEN}").status_code == 200
    assert api.client.post(f"/api/projects?token={TOKEN}").status_code == 401
    assert api.client.get("/page/main.js").status_code == 200


def test_the_page_may_run_nothing_but_its_own_files(api: Api):
    answer = api.client.get(f"/?token={TOKEN}")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    text = answer.text
    assert "<style" not in text
    assert " style=" not in text
    assert "onclick" not in text
    assert text.count("<script") == text.count('<script type="module" src="page/')


@pytest.mark.parametrize(
    "path",
    [
        "/page/..%2f..%2f..%2fsetup.py",
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/..%5capp.py",
        "/page//etc/passwd",
        "/api/projects/..%2f..%2fetc",
        "/api/projects/%2e%2e",
        "/api/projects/x/export/..%2fmid",
    ],
)
def test_paths_lead_nowhere(api: Api, path: str):
    answer = api.client.get(path, headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_large_bodies_are_refused_before_they_are_read(api: Api):
    headers = {"authorization": f"Bearer {TOKEN}"}

    def endless() -> Iterator[bytes]:
        for _ in range(300):
            yield bytes(1_000_000)

    for path, most in (("/api/import", MAX_UPLOAD_BYTES), ("/api/projects", MAX_JSON_BYTES)):
        told = api.client.post(path, headers={**headers, "content-length": str(300_000_000)}, content=b"x")
        assert told.status_code == 413
        assert str(most) in told.text
        assert api.client.post(path, headers=headers, content=endless()).status_code == 413
    api.call("POST", "/api/projects", status=400, content=b"[" * 100_000)
    api.call("POST", "/api/projects", status=400, content=b"\xff\xfe")
    assert api.get("/api/projects")["projects"] == []


def test_a_project_has_one_job_and_it_can_be_cancelled(slow: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hrpe_jax.server.app.WAIT_SECONDS", 0.1)
    assert slow.composer.pause is not None
    project = slow.post("/api/projects")["id"]
    path = f"/api/projects/{project}/jobs"
    job = slow.post(path, {"kind": "compose"}, 202)
    assert "being worked on" in slow.post(path, {"kind": "compose"}, 429)["problem"]
    assert slow.get(f"/api/projects/{project}/pulse")["job"]["id"] == job["id"]
    other = slow.post("/api/projects")["id"]
    waiting = slow.post(f"/api/projects/{other}/jobs", {"kind": "compose"}, 202)
    slow.call("DELETE", f"{path}/{job['id']}")
    slow.get(f"{path}/{job['id']}", 410)
    slow.get(f"/api/projects/{other}/jobs/{job['id']}", 404)  # of another project
    again = slow.post(path, {"kind": "compose"}, 202)
    slow.composer.pause.set()
    assert slow.get(f"{path}/{again['id']}")["status"] == "done"
    assert slow.get(f"/api/projects/{other}/jobs/{waiting['id']}")["status"] == "done"


def test_a_hundred_requests_at_once(slow: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hrpe_jax.server.app.WAIT_SECONDS", 0.05)
    projects = [slow.post("/api/projects")["id"] for _ in range(20)]
    found: list[int] = []

    def ask(number: int) -> None:
        answer = slow.client.post(
            f"/api/projects/{projects[number % 20]}/jobs",
            json={"kind": "compose"},
            headers={"authorization": f"Bearer {TOKEN}"},
        )
        found.append(answer.status_code)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 100
    assert set(found) == {202, 429}
    assert found.count(202) <= MAX_WAITING + 1
    assert slow.get("/api/projects")["projects"]


def test_a_model_that_cannot_be_loaded(tmp_path: Path):
    def load() -> Any:
        raise ValueError("no such model")

    jobs = Jobs(load)
    with TestClient(
        Studio(Store(tmp_path), jobs, Access(TOKEN)).app(), base_url="http://127.0.0.1"
    ) as client:
        api = Api(client, FakeComposer(), Store(tmp_path))
        project = api.post("/api/projects")["id"]
        until = time.monotonic() + 20
        while jobs.progress.stage != "failed":
            assert time.monotonic() < until
        assert (
            "no such model" in api.post(f"/api/projects/{project}/jobs", {"kind": "compose"}, 400)["problem"]
        )
        assert api.act(project, do="set_tempo", tempo=90)["tempo"] == 90  # all else works


def test_the_description_names_every_route_and_action(api: Api):
    told = api.get("/api/openapi.json")
    routes = {route.path for route in Studio(api.store, Jobs(FakeComposer), Access(TOKEN)).app().routes}
    described = set(told["paths"])
    assert {path for path in routes if path.startswith("/api/") and "openapi" not in path} == described
    from hrpe_jax.server.edits import actions

    assert set(actions()) <= set(told["components"]["schemas"])
    schema = told["components"]["schemas"]["add_note"]
    assert schema["required"] == ["do", "onset", "duration", "pitch"]
    assert schema["properties"]["pitch"] == {"type": "integer"}
