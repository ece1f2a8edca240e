"""People's forms on made-up songs, whose bars are marked wrongly, cut, or beside the chords."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.data.shards import open_dataset
from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.build import build_dataset
from hrpe_jax.readers.pop909 import read_pop909_song
from hrpe_jax.score.form import form_text
from tests.readers.test_pop909 import write

PITCHES = np.random.default_rng(0).integers(55, 80, 96).tolist()


def notes(beats: int, first: int = 0) -> list[tuple[float, float, int]]:
    """A note on every beat."""
    return [(first + beat, first + beat + 1, PITCHES[beat]) for beat in range(beats)]


def chords(beats: int, first: int = 0) -> list[tuple[int, int, str]]:
    """A chord a bar."""
    return [(beat, beat + 4, "CFGA"[beat // 4 % 4] + ":maj") for beat in range(first, beats, 4)]


def labels(folder: Path, melody: Sequence[tuple[int, int]], form: str, second: str = "") -> Path:
    """A folder of labels: (pitch, sixteenths) of each note, and one or two labellings."""
    folder.mkdir(parents=True)
    (folder / "melody.txt").write_text("".join(f"{pitch} {length}\n" for pitch, length in melody))
    (folder / "human_label1.txt").write_text(form)
    if second:
        (folder / "human_label2.txt").write_text(second)
    return folder


def quarters(beats: int) -> list[tuple[int, int]]:
    return [(pitch, 4) for pitch in PITCHES[:beats]]


def test_bars_are_those_of_the_labels(tmp_path: Path) -> None:
    song = write(tmp_path / "001", [2, 4, 6, 4, 4, 2, 4, 4, 2], notes(32), chords(32))
    people = labels(tmp_path / "form" / "001", quarters(32), "i2A2B2A1o1", "A8")
    assert read_pop909_song(song).score.bar_resets
    read = read_pop909_song(song, people)
    assert read.score.bar_resets == ()
    assert read.score.bar_starts() == tuple(range(0, 8 * 48, 48))
    assert [form_text(form) for form in read.forms] == ["i2A2B2A1o1", "A8"]
    assert (read.score.form, read.warnings) == (read.forms[0], ())


def test_labels_may_begin_later_than_the_song(tmp_path: Path) -> None:
    song = write(tmp_path / "001", [4] * 8, [(0, 1, 40), *notes(24, first=8)], chords(32))
    read = read_pop909_song(song, labels(tmp_path / "form", quarters(24), "A4B2"))
    assert [(section.letter, section.first_bar, section.bars) for section in read.score.form] == [
        ("A", 2, 4),
        ("B", 6, 2),
    ]


def test_half_a_bar_that_the_labels_leave_out_stays(tmp_path: Path) -> None:
    """The song has two beats of rest between its halves that the transcription has not."""
    line = [*notes(16), *((on + 2, off + 2, pitch) for on, off, pitch in notes(32)[16:])]
    song = write(tmp_path / "001", [4, 4, 4, 4, 2, 4, 4, 4, 4], line, [*chords(16), *chords(34, first=18)])
    read = read_pop909_song(song, labels(tmp_path / "form", quarters(32), "A4B4"))
    assert read.score.bar_starts() == (0, 48, 96, 144, 192, 216, 264, 312, 360)
    assert [(section.letter, section.first_bar, section.bars) for section in read.score.form] == [
        ("A", 0, 5),
        ("B", 5, 4),
    ]


def test_labels_beside_the_chords_are_moved(tmp_path: Path) -> None:
    song = write(tmp_path / "001", [4] * 8, notes(32), chords(32))
    shifted = [(0, 8), *quarters(32)]  # the transcription begins with half a bar of rest
    read = read_pop909_song(song, labels(tmp_path / "form", shifted, "i1A3B4"))
    assert read.score.bar_starts() == tuple(range(0, 8 * 48, 48))
    assert [section.letter for section in read.score.form] == ["i", "A", "B"]
    assert read.score.form[1].first_bar == 1


def test_six_eighths_count_half_bars(tmp_path: Path) -> None:
    """Beats of 6/8 are eighths; the labels write them as quarters and count three of them as a bar."""
    song = write(tmp_path / "001", [6] * 8, notes(48), [(b, b + 6, "C:maj") for b in range(0, 48, 6)], half=3)
    read = read_pop909_song(song, labels(tmp_path / "form", quarters(48), "i4A8B4"))
    assert form_text(read.score.form) == "i2A4B2"


def test_labels_of_another_song_change_nothing(tmp_path: Path) -> None:
    song = write(tmp_path / "001", [4, 6, 2, 4], notes(16), chords(16))
    other = [(pitch, length) for pitch, length in zip(PITCHES[40:60], [3, 5, 2, 7, 1] * 4, strict=True)]
    read = read_pop909_song(song, labels(tmp_path / "form", other, "A4"))
    assert read.score == read_pop909_song(song).score
    assert read.warnings == ("form_not_aligned",)


@pytest.mark.parametrize(("file", "text"), [("melody.txt", "60 4 4\n"), ("human_label1.txt", "verse 8")])
def test_damaged_labels_change_nothing(tmp_path: Path, file: str, text: str) -> None:
    song = write(tmp_path / "001", [4] * 4, notes(16), chords(16))
    people = labels(tmp_path / "form", quarters(16), "A4")
    (people / file).write_text(text)
    read = read_pop909_song(song, people)
    assert read.score == read_pop909_song(song).score
    assert read.warnings == ("form_unreadable",)


def test_a_labelling_with_a_wrong_number_is_left_out(tmp_path: Path) -> None:
    song = write(tmp_path / "001", [4] * 8, notes(32), chords(32))
    read = read_pop909_song(song, labels(tmp_path / "form", quarters(32), "A4B44", "A4B4"))
    assert [form_text(form) for form in read.forms] == ["A4B4"]


def test_a_data_set_says_where_forms_come_from(tmp_path: Path) -> None:
    for name in ("001", "002"):
        (tmp_path / "songs").mkdir(exist_ok=True)
        write(tmp_path / "songs" / name, [4] * 8, notes(32, first=0), chords(32))
    labels(tmp_path / "form" / "002", quarters(32), "A4B4")
    settings = {"workers": 0, "keep_duplicates": True}
    build_dataset(tmp_path / "songs", tmp_path / "set", form=tmp_path / "form", **settings)
    dataset = open_dataset(tmp_path / "set")
    assert dataset.manifest["counts"]["forms"] == {"found": 1, "labels": 1}
    assert dataset.manifest["settings"]["form"] is True
    found = {}
    for split in ("train", "valid", "test"):
        for stage in ("backbone", "melody"):
            for record in dataset.records(stage, split):
                found[record["id"], stage] = (record["form"], record["form_source"])
    assert found["002", "melody"] == found["002", "backbone"] == ([["A", 0, 4], ["B", 4, 4]], "labels")
    with pytest.raises(UserError, match=r"--form=.*: holds no labels of these songs; expected a folder"):
        build_dataset(tmp_path / "songs", tmp_path / "other", form=tmp_path / "songs", **settings)


def test_real_labels(shared_data: Path) -> None:
    root, form = shared_data / "pop909" / "POP909", shared_data / "pop909_form"
    names = json.loads((shared_data / "splits" / "pop909.json").read_text())["train"][::40]
    songs = [read_pop909_song(root / name, form / name) for name in names]
    assert all(song.score.form for song in songs)
    assert np.mean([bool(song.score.bar_resets) for song in songs]) < 0.3
