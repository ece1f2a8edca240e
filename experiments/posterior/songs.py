"""Excerpts of prepared songs, and another chording of POP909's songs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from hrpe_jax.errors import UserError
from hrpe_jax.score.form import crop_form
from hrpe_jax.score.score import ChordSpan, Score, bar_spans
from hrpe_jax.theory.chord import Chord, parse_harte


def excerpts(data: str, split: str, style: str, count: int, bars: int) -> Iterator[Score]:
    """Songs of a style with melody and chords, evenly from a split, cut to their first regular bars.

    Args:
        data: folder of a prepared data set with styles.
        split: "train", "valid" or "test".
        style: whose songs.
        count: how many at most.
        bars: of each at most.
    """
    from hrpe_jax.data.shards import open_dataset
    from hrpe_jax.report.collect import score_of

    dataset = open_dataset(data)
    stored = {stage: iter(dataset.records(stage, split)) for stage in ("backbone", "melody")}
    found = []
    for song in dataset.songs(split):
        records = {stage: next(own) for stage, own in stored.items() if stage in song}
        if song.get("style") == style and len(records) == 2:
            excerpt = first_bars_of(score_of(records), bars)
            if excerpt is not None:
                found.append(excerpt)
    places = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    return (found[place] for place in places)


def first_bars_of(score: Score, bars: int) -> Score | None:
    """The first bars from the one in which the melody begins; None where they are few, short or bare."""
    if not score.melody or not score.chords:
        return None
    spans, full = bar_spans(score), score.meter.bar_ticks
    first = max(number for number, (start, _) in enumerate(spans) if start <= score.melody[0].onset)
    first += spans[first][1] < full and first == 0
    last = min(first + bars, len(spans))
    if last - first < min(bars, 12) or any(length != full for _, length in spans[first:last]):
        return None
    found = bars_of(score, first, last)
    bare = len(found.melody) < 2 * (last - first) or all(span.chord.is_none for span in found.chords)
    return None if bare else found


def bars_of(score: Score, first: int, last: int) -> Score:
    """Some full bars of a score; notes are cut at both ends.

    Args:
        score: any.
        first: index of the first bar.
        last: index behind the last.
    """
    spans = bar_spans(score)
    begin, end = spans[first][0], sum(spans[last - 1])
    melody = tuple(
        replace(note, onset=note.onset - begin, duration=min(note.end, end) - note.onset)
        for note in score.melody
        if begin <= note.onset < end
    )
    chords = tuple(
        ChordSpan(max(span.onset, begin) - begin, min(span.end, end) - max(span.onset, begin), span.chord)
        for span in score.chords
        if span.end > begin and span.onset < end
    )
    form = crop_form(score.form, first, last - first)
    return replace(score, melody=melody, chords=chords, bar_resets=(), form=form)


def two_chordings(songs: str, forms: str, names: list[str], bars: int) -> Iterator[tuple[Score, Score]]:
    """Excerpts of POP909's songs in 4/4, with the data set's chords and with those of its form labels.

    Args:
        songs: folder that holds POP909's folder of each song.
        forms: folder of the form labels; `finalized_chord.txt` of each song has the other chords.
        names: of the songs, such as "001".
        bars: of each at most.
    """
    from hrpe_jax.formats.charts.labels import read_form_labels
    from hrpe_jax.readers.pop909 import read_pop909_song
    from hrpe_jax.readers.pop909_form import align_labels

    for name in names:
        score = read_pop909_song(Path(songs) / name, Path(forms) / name).score
        beat = score.meter.beat_ticks
        if score.meter.beats_per_bar != 4:
            continue
        # The song's own beats, as the reader counts them.
        alignment = align_labels(
            read_form_labels(Path(forms) / name),
            np.array([note.onset / beat for note in score.melody]),
            np.array([note.pitch for note in score.melody]),
            [round(tick / beat) for tick in score.bar_starts()],
            [round(span.onset / beat) for span in score.chords],
        )
        if alignment is None:
            continue
        chords = []
        at = 0
        for label, length in _labelled(Path(forms) / name / "finalized_chord.txt"):
            begin, end = alignment.beat(4 * at), alignment.beat(4 * (at + length))
            at += length
            begin = max(begin, chords[-1].end // beat if chords else 0)
            if end > begin:
                chords.append(ChordSpan(begin * beat, (end - begin) * beat, label))
        pair = [first_bars_of(each, bars) for each in (score, replace(score, chords=tuple(chords), form=()))]
        if pair[0] is not None and pair[1] is not None:
            yield pair[0], pair[1]


def _labelled(path: Path) -> Iterator[tuple[Chord, int]]:
    """Chord and length in beats of each line: `B:maj [3, 6, 11] 11 2`."""
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words:
            continue
        label = "".join(filter(str.isprintable, words[0])).replace(",)", ")").rstrip("/")
        label += ")" * (label.count("(") - label.count(")"))  # some lack it
        try:
            yield parse_harte(label), int(words[-1])
        except ValueError as error:
            raise UserError(f"{path}: {line!r}: expected a chord and a length in beats ({error})") from None
