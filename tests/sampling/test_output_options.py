from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hrpe_jax.arranging.arrangement import Programs
from hrpe_jax.errors import UserError
from hrpe_jax.formats.midi.read import read_midi
from hrpe_jax.sampling.options import DEFAULT_FORMATS, MAX_ON_PAGE, OutputOptions, check_length, read_outputs
from hrpe_jax.sampling.write import page_of, write_pieces
from hrpe_jax.theory.meter import Meter
from tests.sampling.tiny import pieces_of, tiny_model


def test_what_is_asked_for():
    assert read_outputs().formats == DEFAULT_FORMATS
    wanted = read_outputs(OutputOptions(formats="xml, midi,chordpro", audio="wav", programs="73,0"))
    assert wanted.suffixes == ("mid", "musicxml", "cho", "wav")
    assert wanted.band.programs == Programs(73, 0, None)
    wanted = read_outputs(OutputOptions(band="swing-drums", swing=0.6, transpose="eb", clef="bass"))
    assert wanted.band.band is not None
    assert (wanted.band.band.name, wanted.band.band.without) == ("swing", {"drums"})
    assert (wanted.band.swing, wanted.printing.transpose, wanted.printing.clef) == (0.6, "Eb", "bass")
    assert read_outputs(OutputOptions(page_audio=True, audio="wav")).page_audio == "wav"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"formats": "mid,docx"}, "--formats: 'mid,docx': expected some of mid, musicxml"),
        ({"formats": ","}, "--formats: ',': expected"),
        ({"programs": "128"}, "--programs: '128': expected General MIDI programs 0 to 127"),
        ({"programs": "1,2,3,4"}, "--programs: '1,2,3,4'"),
        ({"programs": "flute"}, "--programs: 'flute'"),
        ({"audio": "aiff"}, "audio 'aiff': expected one of wav, ogg, mp3, opus"),
        ({"band": "swingg"}, "--band: 'swingg': did you mean swing? expected one of none, block, ballad"),
        ({"band": "swing-horns"}, "--band: part 'horns': expected comp, bass, drums"),
        ({"swing": 0.9}, "--swing: 0.9: expected 0.5 to 0.75"),
        ({"humanize": -1.0}, "--humanize: -1: expected 0 to 3"),
        ({"soundfont": "nowhere.sf2"}, "--soundfont: nowhere.sf2: cannot be read (No such file"),
        ({"soundfont": __file__}, "is no sound font; expected an .sf2 file"),
        ({"transpose": "H"}, "--transpose: 'H': expected one of Bb, Eb, F"),
        ({"clef": "alto"}, "--clef: 'alto': expected one of treble, bass"),
    ],
)
def test_mistakes(asked: dict[str, Any], said: str):
    with pytest.raises(UserError) as caught:
        read_outputs(OutputOptions(**asked))
    assert said in str(caught.value)


def test_sound_that_is_too_long_is_told_before_any_work():
    check_length(read_outputs(OutputOptions(audio="wav")), 600, Meter(4, 4), 120)
    check_length(read_outputs(), 2000, None, 120)
    with pytest.raises(UserError, match=r"--audio: 2000 bars last 4000 seconds; at most 1200 expected"):
        check_length(read_outputs(OutputOptions(audio="wav")), 2000, None, 120)


def test_only_what_is_asked_for_is_written(tmp_path: Path):
    piece = pieces_of(tiny_model(), num_pieces=2, chords="C | Am")[0]
    wanted = read_outputs(OutputOptions(formats="mid,html", audio="wav", programs="73,0,32", band="pop"))
    files = write_pieces([piece], tmp_path, wanted)
    assert [file.name for file in files] == ["piece-01.mid", "piece-01.wav", "index.html"]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    tracks = read_midi(files[0]).tracks
    assert [(track.name, track.program) for track in tracks] == [
        ("MELODY", 73),
        ("CHORDS", 0),
        ("BASS", 32),
        ("DRUMS", 0),
    ]
    page = files[2].read_text(encoding="utf-8")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["pieces"][0]["files"] == [["WAV", "piece-01.wav"]]


def test_a_page_shows_the_first_of_many():
    piece = pieces_of(tiny_model(), num_pieces=2, chords="C | Am")[0]
    page = page_of([piece] * (MAX_ON_PAGE + 3), read_outputs())
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert (len(data["pieces"]), data["more"]) == (MAX_ON_PAGE, 3)
    assert f"<title>{MAX_ON_PAGE + 3} pieces by hrpe_jax</title>" in page
