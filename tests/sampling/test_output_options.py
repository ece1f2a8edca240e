from __future__ import annotations

import json
from pathlib import Path

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.formats.midi.read import read_midi
from hrpe_jax.formats.midi.write import Programs
from hrpe_jax.sampling.output_options import FORMATS, MAX_ON_PAGE, check_length, read_outputs
from hrpe_jax.sampling.write import page_of, write_pieces
from hrpe_jax.theory.meter import Meter
from tests.sampling.tiny import pieces_of, tiny_model


def test_what_is_asked_for():
    assert read_outputs().formats == FORMATS
    wanted = read_outputs("xml, midi,", "wav", "73,0")
    assert wanted.suffixes == ("mid", "musicxml", "wav")
    assert wanted.programs == Programs(73, 0, 33)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"formats": "mid,pdf"}, "--formats: 'mid,pdf': expected some of mid, musicxml"),
        ({"formats": ","}, "--formats: ',': expected"),
        ({"programs": "128"}, "--programs: '128': expected General MIDI programs 0 to 127"),
        ({"programs": "1,2,3,4"}, "--programs: '1,2,3,4'"),
        ({"programs": "flute"}, "--programs: 'flute'"),
        ({"audio": "aiff"}, "audio 'aiff': expected one of wav, ogg, mp3"),
    ],
)
def test_mistakes(asked: dict[str, str], said: str):
    with pytest.raises(UserError) as caught:
        read_outputs(**asked)
    assert said in str(caught.value)


def test_sound_that_is_too_long_is_told_before_any_work():
    check_length(read_outputs(audio="wav"), 600, Meter(4, 4), 120)
    check_length(read_outputs(), 2000, None, 120)
    with pytest.raises(UserError, match=r"--audio: 2000 bars last 4000 seconds; at most 1200 expected"):
        check_length(read_outputs(audio="wav"), 2000, None, 120)


def test_only_what_is_asked_for_is_written(tmp_path: Path):
    piece = pieces_of(tiny_model(), num_pieces=2, chords="C | Am")[0]
    files = write_pieces([piece], tmp_path, read_outputs("mid,html", "wav", "73,0,32"))
    assert [file.name for file in files] == ["piece-01.mid", "piece-01.wav", "index.html"]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    tracks = read_midi(files[0]).tracks
    assert [(track.name, track.program) for track in tracks] == [("MELODY", 73), ("CHORDS", 0), ("BASS", 32)]
    page = files[2].read_text(encoding="utf-8")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["pieces"][0]["files"] == [["WAV", "piece-01.wav"]]


def test_a_page_shows_the_first_of_many():
    piece = pieces_of(tiny_model(), num_pieces=2, chords="C | Am")[0]
    page = page_of([piece] * (MAX_ON_PAGE + 3), read_outputs())
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert (len(data["pieces"]), data["more"]) == (MAX_ON_PAGE, 3)
    assert f"<title>{MAX_ON_PAGE + 3} pieces by hrpe_jax</title>" in page
