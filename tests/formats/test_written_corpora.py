"""Real songs written as MusicXML and ABC and read back: the same notes and the same chords."""

from __future__ import annotations

import random
from itertools import groupby
from pathlib import Path

import pytest

from hrpe_jax.readers.abc import read_abc
from hrpe_jax.readers.find import find_songs
from hrpe_jax.readers.musicxml import read_lead_sheet
from hrpe_jax.readers.read import read_songs
from hrpe_jax.readers.song import Song
from hrpe_jax.score.score import Score
from tests.formats.musicxml.test_write import schema, validate
from tests.score.made import as_written


def harmony(score: Score) -> list[tuple[int, str]]:
    """(tick, chord) of each change; an equal chord that follows at once is the same one."""
    places = []
    now = 0
    for span in as_written(score).chords:
        places += [(now, "N")] if span.onset > now else []
        places.append((span.onset, str(span.chord)))
        now = span.end
    return [next(group) for _, group in groupby(places, key=lambda place: place[1])]


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["pop909", "openewld", "nottingham", "openhymnal", "plainmidi"])
def test_songs_come_back(corpus: str, shared_data: Path, tmp_path: Path) -> None:
    schema()
    if not (shared_data / corpus).is_dir():
        pytest.skip(f"{corpus} is not here")
    found = find_songs(str(shared_data / corpus)).songs
    read = 0
    for file in random.Random(0).sample(list(found), min(25, len(found))):
        for song in [song for song in read_songs(file) if isinstance(song, Song)][:20]:
            score = song.score
            validate(score)
            backs = [read_lead_sheet(score.write(tmp_path / "tune.musicxml")).score]
            if score.melody:
                backs += [
                    tune.score
                    for tune in read_abc(score.write(tmp_path / "tune.abc"))
                    if isinstance(tune, Song)
                ]
                assert len(backs) == 2, file.path
            for back in backs:
                assert as_written(back).melody == as_written(score).melody, file.path
                assert harmony(back) == harmony(score), file.path
            read += 1
    assert read >= 2
