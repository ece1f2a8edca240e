"""Projects on disk: ids, whole writes, a file cut in half, a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hrpe_jax.server.project import change
from hrpe_jax.server.state import empty_state
from hrpe_jax.server.store import NotFound, Store, StoreError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "projects")


def tempo(store: Store, identifier: str, value: int) -> None:
    store.update(identifier, lambda d: change(d, {"do": "set_tempo", "tempo": value}, 1.0))


def test_a_project_is_one_file_that_another_process_reads(store: Store):
    document = store.create(empty_state(8, "Evening: a song/../x"))
    tempo(store, document.id, 99)
    (file,) = store.folder.glob("*.json")
    assert file.name == f"Evening_a_song_x-{document.id}.json"
    again = Store(store.folder)
    assert again.get(document.id) == store.get(document.id).__class__(
        **{**vars(store.get(document.id)), "remembered": ()}
    )
    assert [(one.id, one.title) for one in again.list()] == [(document.id, "Evening: a song/../x")]
    assert [one.title for one in Store(store.folder).list()] == ["Evening a song x"]  # not read yet
    again.delete(document.id)
    assert again.list() == []
    assert list((store.folder / "deleted").iterdir())


@pytest.mark.parametrize("identifier", ["", "..", "../../etc/passwd", "x" * 5000, "a\0b", "C:\\x", "0" * 12])
def test_ids_are_no_paths(store: Store, identifier: str):
    store.create(empty_state())
    for ask in (store.get, store.delete, lambda name: store.update(name, lambda d: d)):
        with pytest.raises(NotFound):
            ask(identifier)


def test_other_files_are_left_alone(tmp_path: Path):
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "x-zzzzzzzzzzzz.json").write_text("{}")
    (tmp_path / "folder-0123456789ab.json").mkdir()
    assert Store(tmp_path).list() == []


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_file_cut_in_half_is_read_as_it_was_one_change_before(store: Store, share: float):
    document = store.create(empty_state())
    tempo(store, document.id, 90)
    tempo(store, document.id, 91)
    (file,) = store.folder.glob("*.json")
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    again = Store(store.folder)
    assert again.get(document.id).state.score.tempo_bpm == 90
    assert "damaged" in again.notice(document.id)
    assert len(list(store.folder.glob("*.damaged-*"))) == 1
    tempo(again, document.id, 92)
    assert Store(store.folder).get(document.id).state.score.tempo_bpm == 92


def test_a_file_without_a_copy_says_so(store: Store):
    document = store.create(empty_state())
    (file,) = store.folder.glob("*.json")
    file.write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        Store(store.folder).get(document.id)


def test_a_full_disk_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch):
    document = store.create(empty_state())
    tempo(store, document.id, 90)

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"not saved: .*No space left.*make room"):
        tempo(store, document.id, 91)
    with pytest.raises(StoreError, match="not saved"):
        store.create(empty_state())
    assert store.get(document.id).state.score.tempo_bpm == 90
    assert not list(store.folder.glob("*.new"))
    monkeypatch.undo()
    assert Store(store.folder).get(document.id).state.score.tempo_bpm == 90
    tempo(store, document.id, 91)
    assert len(store.list()) == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="--folder"):
        Store(tmp_path / "file" / "inside")
