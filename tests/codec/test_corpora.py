"""Every real song survives the round trip and is accepted; every fifth by default, all with -m slow."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from hrpe_jax.codec import backbone, melody
from hrpe_jax.codec.melody import decode_piece
from hrpe_jax.codec.vocabulary import accepts_backbone, accepts_melody
from hrpe_jax.errors import UserError
from hrpe_jax.readers.pop909 import is_pop909_song, read_pop909
from hrpe_jax.score.score import Score, ScoreError


def _check(score: Score) -> None:
    beats = backbone.harmony_of_beats(score)
    chords, line = backbone.encode(score, beats), melody.encode(score, beats)
    ids = [*chords["input_ids"], chords["target_id"]]
    assert accepts_backbone(ids) is None, score.id
    assert accepts_melody(line["event_ids"], score.meter) is None, score.id
    again = decode_piece(ids, line["event_ids"], tempo_bpm=score.tempo_bpm, id=score.id)
    assert backbone.encode(again) == chords, score.id
    assert melody.encode(again) == line, score.id
    notes = [[(note.onset, note.duration, note.pitch) for note in song.melody] for song in (score, again)]
    assert notes[0] == notes[1], score.id
    up = score.transpose(5)
    assert backbone.encode(up) == backbone.transpose_record(chords, 5)
    assert melody.encode(up) == melody.transpose_record(line, 5)


def _check_all(read: Callable[[Path], Score], paths: list[Path], most_rejects: float) -> None:
    rejects = 0
    for path in paths:
        try:
            score = read(path)
        except (UserError, ScoreError):
            rejects += 1
            continue
        _check(score)
    assert rejects <= most_rejects * len(paths)


@pytest.fixture
def pop909_songs(shared_data: Path) -> list[Path]:
    songs = [
        folder for folder in sorted((shared_data / "pop909" / "POP909").iterdir()) if is_pop909_song(folder)
    ]
    assert len(songs) > 900
    return songs


def test_every_fifth_pop909_song(pop909_songs: list[Path]):
    _check_all(read_pop909, pop909_songs[::5], 0.0)


@pytest.mark.slow
def test_every_pop909_song(pop909_songs: list[Path]):
    _check_all(read_pop909, pop909_songs, 0.0)


@pytest.fixture
def chorales() -> list[Path]:
    if find_spec("music21") is None:
        pytest.skip("the extra `corpus` is not installed")
    from hrpe_jax.readers.chorales import list_chorales

    return list(list_chorales().files)


def test_every_fifth_chorale(chorales: list[Path]):
    from hrpe_jax.readers.chorales import read_chorale

    _check_all(read_chorale, chorales[::5], 0.2)


@pytest.mark.slow
def test_every_chorale(chorales: list[Path]):
    from hrpe_jax.readers.chorales import read_chorale

    _check_all(read_chorale, chorales, 0.2)
