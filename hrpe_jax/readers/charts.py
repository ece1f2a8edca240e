"""Chord charts as songs without melody: Billboard, timed labels, iReal Pro, ChordPro and text grids."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from hrpe_jax.analysis.beats.given_beats import find_label_beats
from hrpe_jax.formats.charts.billboard import Chart, ChartLine, read_chart
from hrpe_jax.formats.charts.chordpro import read_chordpro
from hrpe_jax.formats.charts.ireal import read_ireal
from hrpe_jax.formats.charts.labels import read_chord_labels
from hrpe_jax.formats.charts.text_charts import (
    BarChart,
    ChartBar,
    played_bars,
    read_grid,
    read_label,
)
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.readers.written_music import find_mode, find_written_key, regular_meter, with_form
from hrpe_jax.score.form import ENDING, INTERLUDE, INTRO, MAX_MARKS, OTHER
from hrpe_jax.score.score import ChordSpan, Score, ScoreError, resets_from_bars
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.chord_parser import Naming, find_naming
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import TICKS_PER_QUARTER, TICKS_PER_WHOLE, Meter

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
_SAME_SIZE = 2
"""Parts of a bar that a chart writes for one beat at most."""
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
        "unknown_chords" ("*" and the like, read as no chord), "meter_assumed", "meter_split" (7/4 is read as
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


def read_bar_chart(path: str | Path, format: str) -> list[Song | SongError]:
    """Reads the songs of a chart file; repeats and endings are played out.

    Args:
        path: the file.
        format: "ireal", "chordpro" or "grid".

    Returns:
        Songs without melody, each with the name of its place where there are several. `found` has "key" where
        none is named, "meter" where none is named, and "beats" where chords stand over words. Warnings:
        "no_melody", "chord_names_german" and the like (whose note names the chords have),
        "chord_symbol_unread" (the chord before it went on), "bars_assumed" (every chord was taken as a bar),
        "meter_assumed", "tempo_assumed".

    Raises:
        TextFileError: if the file cannot be read (has `.reason`).
    """
    path = Path(path)
    charts = [read_grid(path)] if format == "grid" else _CHARTS[format](path)
    songs: list[Song | SongError] = []
    for number, chart in enumerate(charts, 1):
        name = str(number) if len(charts) > 1 else ""
        try:
            songs.append(_bar_song(chart, path, name))
        except SongError as error:
            songs.append(error)
    return songs


_CHARTS = {"ireal": read_ireal, "chordpro": read_chordpro}


def _bar_song(chart: BarChart, path: Path, tune: str) -> Song:
    where = f"{path}: song {tune}" if tune else str(path)
    bars = played_bars(chart.bars)
    if bars is None:
        raise SongError("too_long", f"{where}: too many bars with its repeats", tune)
    found: set[str] = set()
    warnings = {"no_melody", *chart.warnings}
    if "bars_assumed" in warnings:
        found.add("beats")
    naming = find_naming(label for bar in chart.bars for label in bar.cells if label)
    if naming != "english":
        warnings.add(f"chord_names_{naming}")
    spans, starts, unread = _lay_out_bars(bars, chart, naming)
    if all(span.chord.is_none for span in spans):
        raise SongError("no_chords", f"{where}: no chord could be read: expected such as C, F#m7b5/C", tune)
    if unread:
        warnings.add("chord_symbol_unread")
    if spans[-1].end > MAX_TICKS:
        raise SongError("too_long", f"{where}: {spans[-1].end} ticks: expected at most {MAX_TICKS}", tune)
    meter = regular_meter((bar.meter, _ticks(bar)) for bar in bars)
    if not chart.meter_named:
        found.add("meter")
        warnings.add("meter_assumed")
    key = chart.key.transpose(chart.steps) if chart.key else find_written_key((), spans, None)
    if chart.key is None:
        found.add("key")
    if chart.tempo_bpm is None:
        warnings.add("tempo_assumed")
    try:
        score = Score(
            id=f"{path.stem}-{tune}" if tune else path.stem,
            title=chart.title or path.stem,
            key=key,
            meter=meter,
            tempo_bpm=chart.tempo_bpm or TEMPO_BPM,
            melody=(),
            chords=spans,
            source=path.name,
            bar_resets=resets_from_bars(starts, meter.bar_ticks),
        )
    except ScoreError as error:
        raise SongError("bad_score", f"{where}: {error}", tune) from None
    return Song(score, tuple(sorted(found)), tuple(sorted(warnings)), tune=tune)


def _ticks(bar: ChartBar) -> int:
    return TICKS_PER_WHOLE * bar.meter.numerator // bar.meter.denominator


def _lay_out_bars(
    bars: Sequence[ChartBar], chart: BarChart, naming: Naming
) -> tuple[tuple[ChordSpan, ...], list[int], int]:
    """The chords in ticks, equal neighbours one; where bars begin; and how many labels could not be read."""
    known: dict[str, Chord | None] = {}
    changes: list[tuple[int, Chord]] = []
    starts: list[int] = []
    now = unread = 0
    for bar in bars:
        starts.append(now)
        for place, label in _placed(bar):
            if label not in known:
                known[label] = read_label(label, naming, chart.key)
                unread += known[label] is None
            chord = known[label]
            if chord is not None:
                changes.append((now + place, chord.transpose(chart.steps)))
        now += _ticks(bar)
    spans: list[ChordSpan] = []
    ends = [*(tick for tick, _ in changes[1:]), now]
    for (tick, chord), end in zip(changes, ends, strict=False):  # without changes there is one end too many
        if end <= tick:
            continue
        if spans and spans[-1].chord.is_same(chord):
            spans[-1] = ChordSpan(spans[-1].onset, end - spans[-1].onset, spans[-1].chord)
        else:
            spans.append(ChordSpan(tick, end - tick, chord))
    return tuple(spans), starts, unread


def _placed(bar: ChartBar) -> list[tuple[int, str]]:
    """(ticks from the bar line, label) of a bar's chords, on beats where there are not more of them."""
    cells, ticks, beat = bar.cells, _ticks(bar), bar.meter.beat_ticks
    count = max(len(cells), 1)
    placed: list[tuple[int, str]] = []
    for place, label in enumerate(cells):
        if label:
            exact = place * ticks / count
            whole = round(exact / beat + 1e-6) * beat if count <= _SAME_SIZE * ticks // beat else round(exact)
            placed.append((min(int(whole), ticks - 1) if placed else 0 if not place else int(whole), label))
    return placed
