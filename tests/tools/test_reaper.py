"""The script for REAPER, against a stand-in of REAPER's API and a studio that runs."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra studio")
pytest.importorskip("verovio", reason="needs the extra studio")
from hrpe_jax.readers.read import read_first
from hrpe_jax.server.jobs import Jobs
from hrpe_jax.server.serve import access_for, listen, start
from hrpe_jax.server.store import Store
from tests.server.fake import FakeComposer

SCRIPT = Path(__file__).parents[2] / "tools" / "reaper" / "hrpe_jax_suggest.py"
PITCHES = (60, 62, 64, 65, 67, 69, 71, 72) * 4
POSITION = 8.0  # quarter notes, at which the item begins


class Reaper:
    """What the script uses of REAPER: one item with a quarter note on every beat."""

    def __init__(self, folder: Path, typed: str = "melody,3-4,3") -> None:
        self.folder, self.typed = folder, typed
        self.takes: list[dict[str, Any]] = [{"midi": True}]
        self.boxes: list[str] = []
        self.blocks = 0
        self.selected: str | None = "item"

    def RPR_GetSelectedMediaItem(self, project: int, index: int) -> str | None:
        return self.selected

    def RPR_GetActiveTake(self, item: str) -> dict[str, Any]:
        return self.takes[0]

    def RPR_TakeIsMIDI(self, take: dict[str, Any]) -> bool:
        return bool(take["midi"])

    def RPR_GetMediaItemTake_Item(self, take: Any) -> str:
        return "item"

    def RPR_GetMediaItemInfo_Value(self, item: str, name: str) -> float:
        return POSITION / 2  # seconds at 120

    def RPR_TimeMap2_timeToQN(self, project: int, seconds: float) -> float:
        return seconds * 2

    def RPR_MIDI_CountEvts(self, take: Any, *_: int) -> tuple[int, Any, int, int, int]:
        return len(PITCHES), take, len(PITCHES), 0, 0

    def RPR_MIDI_GetNote(self, take: Any, index: int, *_: int) -> tuple[Any, ...]:
        return True, take, index, False, False, 960 * index, 960 * index + 900, 0, PITCHES[index], 90

    def RPR_MIDI_GetProjQNFromPPQPos(self, take: Any, ppq: float) -> float:
        return POSITION + ppq / 960

    def RPR_Master_GetTempo(self) -> float:
        return 120.0

    def RPR_GetUserInputs(self, *arguments: Any) -> tuple[Any, ...]:
        return (True, *arguments[:3], self.typed, 200)

    def RPR_GetProjectPath(self, text: str, size: int) -> tuple[str, int]:
        return str(self.folder), size

    def RPR_AddTakeToMediaItem(self, item: str) -> dict[str, Any]:
        self.takes.append({"midi": True})
        return self.takes[-1]

    def RPR_PCM_Source_CreateFromFile(self, path: str) -> str:
        assert Path(path).is_file()
        return path

    def RPR_SetMediaItemTake_Source(self, take: dict[str, Any], source: str) -> None:
        take["source"] = source

    def RPR_GetSetMediaItemTakeInfo_String(
        self, take: dict[str, Any], what: str, name: str, new: bool
    ) -> None:
        take["name"] = name

    def RPR_Undo_BeginBlock(self) -> None:
        self.blocks += 1

    def RPR_Undo_EndBlock(self, text: str, flags: int) -> None:
        self.blocks -= 1

    def RPR_UpdateArrange(self) -> None: ...

    def RPR_ShowConsoleMsg(self, text: str) -> None: ...

    def RPR_ShowMessageBox(self, text: str, title: str, kind: int) -> None:
        self.boxes.append(text)


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hrpe_jax_suggest", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[SimpleNamespace]:
    store = Store(tmp_path / "projects")
    running = start(store, Jobs(FakeComposer), access_for("127.0.0.1"), listen("127.0.0.1", 0))
    (store.folder / ".studio.json").write_text(json.dumps({"url": running.url}))
    yield SimpleNamespace(store=store)
    running.stop()


def test_suggestions_become_takes(script: ModuleType, studio: SimpleNamespace, tmp_path: Path):
    script.reaper, script.FOLDER = Reaper(tmp_path), str(studio.store.folder)
    script.main()
    reaper = script.reaper
    assert reaper.boxes == []
    assert len(reaper.takes) == 4
    assert reaper.blocks == 0
    for take in reaper.takes[1:]:
        melody = read_first(take["source"]).score.melody
        outside = [(n.onset, n.pitch) for n in melody if not 96 <= n.onset < 192]
        assert outside == [(12 * i, p) for i, p in enumerate(PITCHES) if not 8 <= i < 16]
    assert len({Path(take["source"]).read_bytes() for take in reaper.takes[1:]}) == 3
    assert studio.store.list() == []  # what was lent to the studio is gone


def test_trouble_is_told(script: ModuleType, studio: SimpleNamespace, tmp_path: Path):
    script.FOLDER = str(studio.store.folder)
    for typed, said in (
        ("melody,x,3", "a number was expected"),
        ("drums,1-2,3", "what"),
        ("melody,7-99,2", "last"),
    ):
        script.reaper = Reaper(tmp_path, typed)
        script.main()
        assert said in script.reaper.boxes[0]
        assert len(script.reaper.takes) == 1
    script.reaper = Reaper(tmp_path)
    script.reaper.selected = None
    script.main()
    script.FOLDER = str(tmp_path)
    script.reaper.selected = "item"
    script.main()
    assert script.reaper.boxes[0] == "Select one MIDI item first."
    assert "does not run" in script.reaper.boxes[1]
