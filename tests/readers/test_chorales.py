"""The chorale reader on a made-up chorale, and on the real ones where music21 is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.versions import group_tunes
from hrpe_jax.readers import chorales
from hrpe_jax.readers.chorales import ChoraleError, chorale_folder, list_chorales, read_chorale
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key

has_corpus = pytest.mark.skipif(
    importlib.util.find_spec("music21") is None, reason="music21 is not installed"
)
STEPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def _note(pitch: int | None, duration: int, extra: str = "") -> str:
    if pitch is None:
        return f"<note><rest/><duration>{duration}</duration></note>"
    step = STEPS[pitch % 12]
    return (
        f"<note><pitch><step>{step[0]}</step><alter>{len(step) - 1}</alter>"
        f"<octave>{pitch // 12 - 1}</octave></pitch><duration>{duration}</duration>{extra}</note>"
    )


def write(
    path: Path,
    voices: list[list[list[tuple[int | None, int]]]],
    names: tuple[str, ...] = ("Soprano", "Alto", "Tenor", "Bass"),
    fifths: int = 0,
    time: tuple[int, int] = (4, 4),
    ends: str = "",
) -> Path:
    """A chorale: voices of measures of (pitch, eighths); `ends` is put at the end of the third measure."""
    head = (
        f"<attributes><divisions>2</divisions><key><fifths>{fifths}</fifths></key>"
        f"<time><beats>{time[0]}</beats><beat-type>{time[1]}</beat-type></time></attributes>"
    )
    parts = ""
    for i, measures in enumerate(voices):
        inside = ""
        for k, notes in enumerate(measures):
            body = "".join(_note(pitch, length) for pitch, length in notes)
            inside += (
                f"<measure number='{k}'>{head if k == 0 else ''}{body}{ends if k == 2 else ''}</measure>"
            )
        parts += f"<part id='P{i}'>{inside}</part>"
    listed = "".join(
        f"<score-part id='P{i}'><part-name>{n}</part-name></score-part>" for i, n in enumerate(names)
    )
    path.write_text(f"<score-partwise><part-list>{listed}</part-list>{parts}</score-partwise>")
    return path


# G | C  (F G)  C6 ... in four voices: pickup, two bars, an ornamented bass, a rest between phrases.
VOICES: list[list[list[tuple[int | None, int]]]] = [
    [[(67, 2)], [(72, 2), (72, 2), (71, 2), (72, 2)], [(76, 2), (74, 2), (72, 2)], [(None, 2)],
     [(71, 2), (72, 6)]],
    [[(62, 2)], [(64, 2), (69, 2), (67, 2), (67, 2)], [(67, 2), (67, 2), (67, 2)], [(None, 2)],
     [(67, 2), (67, 6)]],
    [[(59, 2)], [(60, 2), (65, 2), (62, 2), (64, 2)], [(60, 2), (65, 2), (64, 2)], [(None, 2)],
     [(62, 2), (64, 6)]],
    [[(55, 2)], [(48, 2), (53, 2), (55, 2), (48, 1), (50, 1)], [(52, 2), (47, 2), (48, 2)], [(None, 2)],
     [(43, 2), (48, 6)]],
]  # fmt: skip


def test_a_small_chorale(tmp_path: Path) -> None:
    score = read_chorale(write(tmp_path / "bwv0.mxl.xml", VOICES))
    assert score.key == Key(0, "major")
    assert score.bar_resets == (12,)
    assert [n.pitch for n in score.melody][:5] == [67, 72, 72, 71, 72]
    chords = [
        (span.onset, str(span.chord.root), span.chord.quality, span.chord.inversion) for span in score.chords
    ]
    assert chords == [
        (0, "7", "maj", 0),
        (12, "0", "maj", 0),
        (24, "5", "maj", 0),
        (36, "7", "maj", 0),
        (48, "0", "maj", 0),  # the bass passes through d
        (60, "0", "maj", 1),
        (72, "7", "7", 1),
        (84, "0", "maj", 0),  # ... and lasts through the rest
        (108, "7", "maj", 0),
        (120, "0", "maj", 0),
    ]


def test_repeats_are_played_and_bars_stay_whole(tmp_path: Path) -> None:
    back = "<barline><repeat direction='backward'/></barline>"
    path = write(tmp_path / "a.xml", VOICES, ends=back)
    played, written = read_chorale(path), read_chorale(path, play_repeats=False)
    assert played.bar_resets == written.bar_resets == (12,)
    assert played.end == written.end + 12 + 48 + 36


@pytest.mark.parametrize(
    ("names", "time", "silent", "reason"),
    [
        (("Piano", "Alto", "Tenor", "Bass"), (4, 4), False, "not_four_voices"),
        (("Soprano", "Alto", "Tenor", "Bass"), (8, 4), False, "meter"),
        (("Soprano", "Alto", "Tenor", "Bass"), (4, 4), True, "silent_voices"),
    ],
)
def test_other_music_is_refused(
    tmp_path: Path, names: tuple[str, ...], time: tuple[int, int], silent: bool, reason: str
) -> None:
    voices = [[*measures, *([[(None, 8)]] * 9 if silent else [])] for measures in VOICES]
    with pytest.raises(ChoraleError) as error:
        read_chorale(write(tmp_path / "a.xml", voices, names, time=time))
    assert error.value.reason == reason
    assert "\n" not in str(error.value)


def test_a_missing_corpus_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(chorales, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install music21"):
        chorale_folder()
    with pytest.raises(UserError, match="no MusicXML files"):
        list_chorales(tmp_path)
    (tmp_path / "a.krn").touch()
    (tmp_path / "b.xml").touch()
    listed = list_chorales(tmp_path)
    assert [path.name for path in listed.files] == ["b.xml"]
    assert [(path.name, reason) for path, reason, _ in listed.skipped] == [("a.krn", "format")]


@has_corpus
def test_real_chorales() -> None:
    folder = chorale_folder()
    score = read_chorale(folder / "bwv269.mxl")
    assert (score.key, score.meter.numerator, score.bar_resets) == (Key(7, "major"), 3, (12,))
    assert [span.chord for span in score.chords[1:4]] == [
        Chord(0, "maj", 4),
        Chord(2, "maj", 6),
        Chord(7, "maj"),
    ]
    dorian = read_chorale(folder / "bwv277.mxl")  # no signature, and it is in D minor
    assert dorian.key == Key(2, "minor")
    settings = [read_chorale(folder / f"bwv{n}.mxl") for n in ("244.15", "153.5", "269")]  # two of "O Haupt"
    assert group_tunes(settings) == ["bwv244.15", "bwv244.15", "bwv269"]
    with pytest.raises(ChoraleError):
        read_chorale(folder / "bwv846.mxl")


@has_corpus
def test_music21_is_not_imported() -> None:
    code = "import sys, hrpe_jax.readers.chorales as c; c.list_chorales(); sys.exit('music21' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@has_corpus
@pytest.mark.slow
def test_all_chorales() -> None:
    rejected = []
    for path in list_chorales().files:
        try:
            score = read_chorale(path)
        except ChoraleError as error:
            rejected.append((path.stem, error.reason))
            continue
        assert all(not span.chord.is_none for span in score.chords[1:-1]) or score.id == "bwv171.6"
    assert len(rejected) < 10
