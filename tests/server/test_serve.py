"""Starting and ending the studio: addresses, a killed server, notebooks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra studio")
pytest.importorskip("verovio", reason="needs the extra studio")
from hrpe_jax.errors import UserError, WrongUse
from hrpe_jax.server import notebook
from hrpe_jax.server.serve import access_for, listen
from hrpe_jax.server.store import Store
from tests.server.fake import FakeComposer

PROGRAM = Path(__file__).with_name("serve_fake.py")


def call(url: str, method: str, path: str, body: Any = None) -> Any:
    address, _, token = url.partition("/?token=")
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token.partition('#')[0]}"}
    with urllib.request.urlopen(
        urllib.request.Request(address + path, data, headers, method=method)
    ) as answer:
        return json.load(answer)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_killed_server_loses_nothing_that_it_answered(tmp_path: Path):
    program = [sys.executable, str(PROGRAM), str(tmp_path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        project = call(url, "POST", "/api/projects", {"title": "Mine"})["id"]
        for tempo in range(100, 130):
            action = {"do": "set_tempo", "tempo": tempo}
            call(url, "POST", f"/api/projects/{project}/actions", {"action": action})
        process.send_signal(signal.SIGKILL)
    document = Store(tmp_path).get(project)
    assert document.state.score.tempo_bpm == 129
    assert len(document.past) == 30


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_it_can_be_ended_while_the_model_works(tmp_path: Path):
    # A process that was started in the background does not hear Ctrl-C unless it asks to.
    script = (
        "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "sys.argv = ['studio', '--no_browser', '--folder', sys.argv[1]]; "
        "runpy.run_module('hrpe_jax.studio', run_name='__main__', alter_sys=True)"
    )
    program = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "getting ready" not in (line := process.stderr.readline()):
            assert line, "it ended by itself"
        time.sleep(0.5)  # inside the first program
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 0
    assert said.strip().endswith("the studio ends; everything is saved")


def test_addresses():
    assert not access_for("127.0.0.1").addresses
    assert not access_for("::1").addresses
    assert access_for("0.0.0.0").addresses
    assert access_for("0.0.0.0").host("192.168.1.7:99")
    assert not access_for("0.0.0.0").host("evil.example")  # a name, wherever it points
    with pytest.raises(WrongUse, match="--host"):
        access_for("example.org")
    taken = listen("127.0.0.1", 0)
    taken.listen()
    with pytest.raises(UserError, match=r"--port=\d+: cannot be used"):
        listen("127.0.0.1", taken.getsockname()[1])
    taken.close()


def test_a_notebook_has_it_in_a_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("IPython", reason="notebooks have it")
    composer: Any = FakeComposer()
    shown = notebook.show(composer, str(tmp_path), 500).data
    assert 'src="http://127.0.0.1:' in shown
    assert "height:500px" in shown
    url = shown.split('src="')[1].split('"')[0]
    assert call(url, "GET", "/api/projects") == {"projects": []}
    assert notebook.show(composer, str(tmp_path)).data.split('src="')[1].split('"')[0] == url
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/me/")
    hub = notebook.show(composer, str(tmp_path / "hub")).data
    assert 'src="/user/me/proxy/' in hub
    for folder in (str(tmp_path), str(tmp_path / "hub")):
        notebook._running.pop(folder).stop()


def test_a_notebook_without_the_extra_has_the_page_of_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("IPython", reason="notebooks have it")
    monkeypatch.setitem(sys.modules, "starlette", None)

    class Pieces(FakeComposer):
        def compose(self, **options: Any) -> Any:
            from hrpe_jax.theory.key import Key
            from hrpe_jax.theory.meter import Meter

            return super().compose(key=Key(0, "major"), meter=Meter(4, 4), tempo=100.0, bars=4, **options)

    shown = notebook.show(Pieces(), str(tmp_path)).data  # type: ignore[arg-type]
    assert shown.startswith('<div><iframe srcdoc="&lt;!doctype html&gt;')
