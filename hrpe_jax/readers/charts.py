"""Chord charts as songs without melody: Billboard's bars, and .lab files that only have seconds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from hrpe_jax.analysis.beats.given_beats import find_label_beats
from hrpe_jax.formats.charts.billboard import Chart, ChartLine, read_chart
from hrpe_jax.formats.charts.labels import read_chord_labels
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.readers.written_music import find_mode, find_written_key, regular_meter, with_form
from hrpe_jax.score.form import ENDING, INTERLUDE, INTRO, MAX_MARKS, OTHER
from hrpe_jax.score.score import ChordSpan, Score, ScoreError, resets_from_bars
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import TICKS_PER_QUARTER, Meter

TEMPO_BPM = 120.0
"""Where the file has no times."""
MAX_TICKS = 240_000
"""Longest piece: 5,000 bars of 4/4, over two hours."""
MAX_SILENCE = 8
"""Bars that a silence in the middle may last."""
_BILLBOARD_NAME = "salami_chords.txt"
"""The name of every file of the collection; its folder tells songs apart."""
_WITHOUT_MELODY = {
    INTRO: ("intro", "pre-intro", "fadein", "fade in"),
    INTERLUDE: ("interlude", "instrumental", "solo", "trans", "noise", "applause"),
    ENDING: ("outro", "coda", "fadeout", "ending"),
}
"""Beginnings of the words for sections without melody, by their letters."""
_SLOW, _FAST = 20.0, 400.0
"""Quarters a minute that are believed."""


def read_billboard(path: str | Path) -> Song:
    """Read a chord chart in the syntax of the Billboard annotations (see `formats.charts.billboard`).

    Letters and words before the bars give the form; sections that begin in silence are interludes.
    Bars of other meters than the most common become `bar_resets`. Silence before and after the music is left
    out; in the middle it lasts as many bars as its seconds say. The tempo is the median over the lines. The
    tonic is given; whether it is major or minor is found for every stretch with one tonic.

    Returns:
        A song without melody; `found` has "key", and "meter" where no metre is named. Warnings: "no_melody",
        "unknown_chords" ("*" and the like, told as no chord), "meter_assumed", "meter_split" (7/4 is told as
        4/4 and 3/4), "tempo_assumed".

    Raises:
        TextFileError: if the file cannot be read (has `.reason`).
        SongError: "too_long", or "bad_score" where a Score refuses what was read.
    """
    path = Path(path)
    chart = read_chart(path)
    found, warnings = {"key"}, {"no_melody"}
    if chart.unknown:
        warnings.add("unknown_chords")
    bars = [bar for line in chart.lines for bar in line.bars]
    meter = regular_meter((bar.meter, bar.ticks) for bar in bars)
    if not chart.has_meter:
        found.add("meter")
        warnings.add("meter_assumed")
    elif not any(bar.meter == meter for bar in bars):
        warnings.add("meter_split")
    rate = _ticks_a_second(chart)
    if rate is None:
        warnings.add("tempo_assumed")

    starts, tonics, spans, sections = _lay_out(chart, meter.bar_ticks, rate)
    chords = _merged(spans)
    end = chords[-1].end
    keys = _keys(tonics, chords, end)
    tempo = TEMPO_BPM if rate is None else 60 * rate / TICKS_PER_QUARTER
    title = " - ".join(filter(None, (chart.artist, chart.title)))
    resets = resets_from_bars(starts, meter.bar_ticks)
    song = _song(path, title, meter, tempo, keys, chords, resets, found, warnings)
    score = with_form(song.score, sections)
    return replace(song, score=score, form_source="file" if score.form else "")


def read_lab(path: str | Path) -> Song:
    """Read a file of timed chord labels, whose beats have to be found.

    The beat is one of which most chords last whole numbers (see `analysis.beats.label_beats`); silence
    before and after the music is left out. The tempo may be half or double of what people would tap.

    Returns:
        A song without melody; `found` is ("beats", "key", "meter"). Warnings: "beats_found", "no_melody",
        "unknown_chords", "irregular_beats" (the changes follow no beat well).

    Raises:
        TextFileError: if the file cannot be read (has `.reason`).
        SongError: "no_beats" where every chord is too short, "too_long", or "bad_score" where a Score
            refuses what was read.
    """
    path = Path(path)
    labels = read_chord_labels(path)
    sounding = [index for index, row in enumerate(labels.chords) if not row.chord.is_none]
    rows = labels.chords[sounding[0] : sounding[-1] + 1]
    ends = [row.start for row in rows[1:]] + [rows[-1].end]  # gaps belong to the chord before
    seconds = np.array([end - row.start for row, end in zip(rows, ends, strict=True)])
    if not seconds.sum() > 0:
        raise SongError("no_beats", f"{path}: chords without duration: expected start and end in seconds")
    beats = find_label_beats(seconds)
    warnings = {"beats_found", "no_melody"}
    if labels.unknown:
        warnings.add("unknown_chords")
    if beats.fit < 0.5:
        warnings.add("irregular_beats")
    spans: list[ChordSpan] = []
    tick = 0
    for row, count in zip(rows, beats.beats.tolist(), strict=True):
        if count:
            spans.append(ChordSpan(tick, count * TICKS_PER_QUARTER, row.chord))
            tick = spans[-1].end
    chords = _merged(spans)
    if all(span.chord.is_none for span in chords):
        raise SongError("no_beats", f"{path}: every chord is shorter than a beat of {beats.period:.2f} s")
    key = find_written_key((), chords, None)
    resets = resets_from_bars([beats.pickup * TICKS_PER_QUARTER], beats.meter.bar_ticks)
    return _song(
        path,
        "",
        beats.meter,
        60 / beats.period,
        [(0, key)],
        chords,
        resets,
        {"beats", "key", "meter"},
        warnings,
    )


def _song(
    path: Path,
    title: str,
    meter: Meter,
    tempo: float,
    keys: Sequence[tuple[int, Key]],
    chords: tuple[ChordSpan, ...],
    resets: tuple[int, ...],
    found: set[str],
    warnings: set[str],
) -> Song:
    """The values put together."""
    if chords[-1].end > MAX_TICKS:
        raise SongError("too_long", f"{path}: {chords[-1].end} ticks: expected at most {MAX_TICKS}")
    time: dict[Key, int] = {}
    ends = [*(tick for tick, _ in keys[1:]), chords[-1].end]
    for (tick, key), end in zip(keys, ends, strict=True):
        time[key] = time.get(key, 0) + end - tick
    try:
        score = Score(
            id=path.parent.name if path.name == _BILLBOARD_NAME else path.stem,
            title=title or path.stem,
            key=max(time, key=lambda key: time[key]),
            meter=meter,
            tempo_bpm=tempo,
            melody=(),
            chords=chords,
            source=path.name,
            bar_resets=resets,
        )
    except ScoreError as error:
        raise SongError("bad_score", f"{path}: {error}") from None
    return Song(
        score=score,
        found=tuple(sorted(found)),
        warnings=tuple(sorted(warnings)),
        keys=tuple(keys) if len(keys) > 1 else (),
    )


def _ticks_a_second(chart: Chart) -> float | None:
    """The median over the lines that begin and end at known times; None where there is no such line."""
    timed = [line for line in chart.lines if line.seconds is not None]
    rates = []
    for line, after in pairwise(timed):
        seconds = (after.seconds or 0.0) - (line.seconds or 0.0)
        ticks = sum(bar.ticks for bar in line.bars)
        if ticks and seconds > 0:
            rate = ticks / seconds
            if _SLOW <= 60 * rate / TICKS_PER_QUARTER <= _FAST:
                rates.append(rate)
    return float(np.median(rates)) if rates else None


def _lay_out(
    chart: Chart, bar_ticks: int, rate: float | None
) -> tuple[list[int], list[tuple[int, int | None]], list[ChordSpan], list[tuple[int, str]]]:
    """Ticks of bar lines, (tick, tonic) of every bar, chords as written, (tick, letter) of sections."""
    with_bars = [index for index, line in enumerate(chart.lines) if line.bars]
    starts: list[int] = []
    tonics: list[tuple[int, int | None]] = []
    spans: list[ChordSpan] = []
    sections: list[tuple[int, str]] = []
    now = 0
    for index in range(with_bars[0], with_bars[-1] + 1):
        line = chart.lines[index]
        if line.section is not None or not line.bars:
            sections.append((now, _letter(line)))
        for bar in line.bars:
            starts.append(now)
            tonics.append((now, bar.tonic))
            spans.extend(ChordSpan(now + tick, ticks, chord) for tick, ticks, chord in bar.chords)
            now += bar.ticks
        after = chart.lines[index + 1].seconds if index < with_bars[-1] else None
        if not line.bars and rate is not None and line.seconds is not None and after is not None:
            for _ in range(min(MAX_SILENCE, round((after - line.seconds) * rate / bar_ticks))):
                starts.append(now)
                spans.append(ChordSpan(now, bar_ticks, Chord.NONE))
                now += bar_ticks
    return starts, tonics, spans, sections if any(chart.lines[i].section for i in with_bars) else []


def _letter(line: ChartLine) -> str:
    """The letter of a section: small where its word says that nobody sings."""
    letter, word = line.section or ("", "")
    if not line.bars:
        return INTERLUDE
    small = next((small for small, words in _WITHOUT_MELODY.items() if word.startswith(words)), "")
    marks = letter.count("'")
    return small or (letter[0] + "'" * min(marks, MAX_MARKS) if letter else OTHER)


def _merged(spans: Sequence[ChordSpan]) -> tuple[ChordSpan, ...]:
    """The spans, equal neighbours made one."""
    merged: list[ChordSpan] = []
    for span in spans:
        if merged and merged[-1].chord == span.chord and merged[-1].end == span.onset:
            merged[-1] = ChordSpan(merged[-1].onset, merged[-1].duration + span.duration, span.chord)
        else:
            merged.append(span)
    return tuple(merged)


def _keys(
    tonics: Sequence[tuple[int, int | None]], chords: Sequence[ChordSpan], end: int
) -> list[tuple[int, Key]]:
    """(tick, key) of every stretch with one tonic; equal neighbours are one."""
    changes = [
        (tick, tonic)
        for index, (tick, tonic) in enumerate(tonics)
        if not index or tonics[index - 1][1] != tonic
    ]
    onsets = [span.onset for span in chords]  # the first is 0, and no gaps
    keys: list[tuple[int, Key]] = []
    for index, (tick, tonic) in enumerate(changes):
        until = changes[index + 1][0] if index + 1 < len(changes) else end
        here = chords[bisect_right(onsets, tick) - 1 : bisect_left(onsets, until)]
        under = [
            ChordSpan(max(span.onset, tick), min(span.end, until) - max(span.onset, tick), span.chord)
            for span in here
        ]
        key = find_written_key((), under, None) if tonic is None else Key(tonic, find_mode(under, tonic))
        if not keys or keys[-1][1] != key:
            keys.append((tick, key))
    return keys
