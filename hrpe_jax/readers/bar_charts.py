"""Chord charts of bars as songs without melody: iReal Pro playlists, ChordPro songs and text grids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hrpe_jax.formats.charts.chordpro import read_chordpro
from hrpe_jax.formats.charts.grid import BarChart, ChartBar, played_bars, read_grid, read_label
from hrpe_jax.formats.charts.ireal import read_ireal
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.readers.written_music import find_written_key, regular_meter
from hrpe_jax.score.score import ChordSpan, Score, ScoreError, resets_from_bars
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.chord_parser import Naming, find_naming
from hrpe_jax.theory.meter import TICKS_PER_WHOLE

TEMPO_BPM = 120.0
MAX_TICKS = 240_000
"""Longest piece: 5,000 bars of 4/4, over two hours."""
_SAME_SIZE = 2
"""Parts of a bar that a chart writes for one beat at most."""


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
    charts = {"ireal": read_ireal, "chordpro": _one_chordpro, "grid": _one_grid}[format](path)
    several = len(charts) > 1
    songs: list[Song | SongError] = []
    for number, chart in enumerate(charts, 1):
        name = str(number) if several else ""
        try:
            songs.append(_song(chart, path, name))
        except SongError as error:
            songs.append(error)
    return songs


def _one_chordpro(path: Path) -> list[BarChart]:
    return [read_chordpro(path)]


def _one_grid(path: Path) -> list[BarChart]:
    return [read_grid(path)]


def _song(chart: BarChart, path: Path, tune: str) -> Song:
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
    spans, starts, unread = _lay_out(bars, chart, naming)
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
    key = chart.key or find_written_key((), spans, None)
    if chart.key is None:
        found.add("key")
    if chart.tempo_bpm is None:
        warnings.add("tempo_assumed")
    stem = path.stem
    try:
        score = Score(
            id=f"{stem}-{tune}" if tune else stem,
            title=chart.title or stem,
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


def _lay_out(
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
                changes.append((now + place, chord))
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
