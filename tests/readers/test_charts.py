"""Chord charts and label files as songs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hrpe_jax.formats.text import TextFileError
from hrpe_jax.readers.charts import read_billboard, read_lab
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import to_lead_sheet

HEAD = "# title: A song\n# artist: Somebody\n# metre: 4/4\n# tonic: A\n\n"


def chart(tmp_path: Path, text: str, head: str = HEAD) -> Song:
    path = tmp_path / "a chart.txt"
    path.write_text(head + text, encoding="utf-8")
    return read_billboard(path)


def lab(tmp_path: Path, text: str) -> Song:
    path = tmp_path / "a.lab"
    path.write_text(text, encoding="utf-8")
    return read_lab(path)


def chords(score: Score) -> list[tuple[int, int, str]]:
    return [(s.onset, s.duration, to_lead_sheet(s.chord)) for s in score.chords]


def test_a_chart(tmp_path: Path) -> None:
    text = (
        "0.0\tsilence\n1.0\tA, intro, | A:maj | A:maj D:maj |, (voice\n"
        "5.0\t| (2/4) E:7 | A:maj . . E:7 | x2\n11.0\tend\n"
    )
    song = chart(tmp_path, text)
    score = song.score
    assert chords(score) == [
        (0, 72, "A"), (72, 24, "D"), (96, 24, "E7"), (120, 36, "A"), (156, 36, "E7"), (192, 36, "A"),
        (228, 12, "E7"),
    ]  # fmt: skip
    assert score.bar_starts() == (0, 48, 96, 120, 168, 192)
    assert (score.key.name, str(score.meter), score.tempo_bpm) == ("A major", "4/4", 120.0)
    assert (score.id, score.title, score.melody) == ("a chart", "Somebody - A song", ())
    assert (song.found, song.warnings, song.keys) == (("key",), ("no_melody",), ())


def test_silence_inside_lasts_as_many_bars_as_it_takes(tmp_path: Path) -> None:
    text = "0 | A:min | E:maj |\n4 Z, noise\n8 | A:min |\n10 silence\n30 end"
    song = chart(tmp_path, text)
    assert chords(song.score) == [(0, 48, "Am"), (48, 48, "E"), (96, 96, "N.C."), (192, 48, "Am")]
    assert song.score.key.name == "A minor"


def test_tonics_change(tmp_path: Path) -> None:
    text = "0 | A:maj | E:7 | A:maj |\n# tonic: C\n6 | C:min | G:7 |\n# tonic: A\n10 | A:maj |\n12 end"
    song = chart(tmp_path, text)
    assert [(tick, key.name) for tick, key in song.keys] == [
        (0, "A major"),
        (144, "C minor"),
        (240, "A major"),
    ]
    assert song.score.key.name == "A major"


def test_what_a_chart_may_not_say(tmp_path: Path) -> None:
    song = chart(tmp_path, "| C:maj | G:7 | * |", head="")
    assert song.found == ("key", "meter")
    assert song.warnings == ("meter_assumed", "no_melody", "tempo_assumed", "unknown_chords")
    assert song.score.key.name == "C major"
    assert song.score.title == "a chart"


def test_a_meter_that_no_score_has(tmp_path: Path) -> None:
    song = chart(tmp_path, "0 | B:min | E:min |\n4 end", head="# metre: 7/4\n# tonic: B\n")
    assert str(song.score.meter) == "4/4"
    assert song.score.bar_starts() == (0, 48, 84, 132)
    assert "meter_split" in song.warnings


def test_label_files_get_beats(tmp_path: Path) -> None:
    labels = ["N", "C", "A:min", "F", "G:7", "C", "A:min", "F", "G:7", "C", "N"]
    rows = list(zip(labels, [1, 4, 4, 2, 2, 4, 4, 3, 1, 8, 3], strict=True))
    lines, now = [], 0.0
    for label, beats in rows:
        lines.append(f"{now:.3f} {now + 0.6 * beats:.3f} {label}")
        now += 0.6 * beats
    song = lab(tmp_path, "\n".join(lines))
    assert [s.duration // 12 for s in song.score.chords] == [beats for _, beats in rows[1:-1]]
    assert song.score.tempo_bpm == pytest.approx(100, rel=0.01)
    assert (song.score.key.name, str(song.score.meter)) == ("C major", "4/4")
    assert (song.found, song.warnings) == (("beats", "key", "meter"), ("beats_found", "no_melody"))


@pytest.mark.parametrize(("text", "reason"), [("0 0 C\n", "no_beats"), ("0 80000 C\n" * 1, "too_long")])
def test_labels_without_beats(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SongError) as error:
        lab(tmp_path, text)
    assert error.value.reason == reason


CHART = (
    HEAD + "0.0\tsilence\n0.3\tA, intro, | A:maj | (2/4) D:maj/3 E:7 | x2, (voice\n8\t| N | &pause |\n10\tend"
)
LABELS = "0 1.2 N\n1.2 3.6 C:maj\n3.6 6 A:min\n6 7.2 F:maj7/5\n7.2 8.4 G:7\n8.4 10.8 C:maj"
TOKENS = [
    "",
    "0",
    "-1",
    "1e9",
    "nan",
    "1e400",
    "|",
    "x99",
    "(9/4)",
    "(0/0)",
    ":",
    "/",
    "\t",
    "\n",
    "#",
    "N",
    ".",
]


@pytest.mark.parametrize(("read", "start"), [(read_billboard, CHART), (read_lab, LABELS)])
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_change_gives_a_song_or_a_reason(
    tmp_path: Path, read: Callable[[Path], Song], start: str, data: st.DataObject
) -> None:
    text = start
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(text)))
        end = min(len(text), begin + data.draw(st.sampled_from([0, 1, 3, 20])))
        text = text[:begin] + data.draw(st.one_of(st.sampled_from(TOKENS), st.text(max_size=5))) + text[end:]
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    _song_or_reason(read, path)


@pytest.mark.parametrize("read", [read_billboard, read_lab])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_give_a_song_or_a_reason(
    tmp_path: Path, read: Callable[[Path], Song], content: bytes
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    _song_or_reason(read, path)


def _song_or_reason(read: Callable[[Path], Song], path: Path) -> None:
    song, reason, message = None, "", ""
    try:
        song = read(path)
    except (TextFileError, SongError) as error:
        reason, message = error.reason, str(error)
    if song is None:
        assert reason
        assert len(message.splitlines()) == 1
    else:
        assert song.score.chords
        assert math.isfinite(song.score.tempo_bpm)


@pytest.mark.slow
def test_every_chart_at_hand(shared_data: Path) -> None:
    paths = sorted((shared_data / "billboard").rglob("salami_chords.txt"))
    assert len(paths) == 890
    for path in paths:
        written = 0
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#") and "|" in line:
                repeats = re.search(r"\|\s*x(\d+)[^|]*$", line)
                written += (line.count("|") - 1) * (int(repeats[1]) if repeats else 1)
        song = read_billboard(path)
        starts = song.score.bar_starts()
        extra = len(starts) - written  # silences inside, and 7/4 told as 4/4 and 3/4
        assert extra >= 0, path
        assert all(not s.chord.is_none for s in song.score.chords) or song.score.chords[0].onset == 0
