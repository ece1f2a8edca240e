"""MusicXML files (.musicxml, .xml, .mxl) as notes, measures and chord symbols in playing order.

Times are ticks (12 to the quarter), rounded once from the exact place in the piece. Repeats, endings and
jumps are played out, tied notes are one note, transposing parts sound at concert pitch, grace and cue notes
are left out. What a file means as a Score (which voice is the melody, which key) is for others to decide.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from hrpe_jax.formats.musicxml.document import (
    MusicXmlError,
    composer_of,
    drum_parts,
    load_tree,
    part_name,
    partwise,
    title_of,
)
from hrpe_jax.formats.musicxml.part import RawMeasure, RawNote, read_part, units_per_quarter
from hrpe_jax.formats.repeat_signs import Signs, main_tempo, play_order
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.meter import TICKS_PER_QUARTER, Meter

__all__ = ["MusicXmlDocument", "MusicXmlError", "XmlMeasure", "XmlNote", "XmlPart", "read_musicxml"]

MAX_TICKS = 500_000
_MAX_PARTS = 200
_MAX_PLAYED_NOTES = 200_000


@dataclass(frozen=True)
class XmlNote:
    """A sounding note: ticks from the start, MIDI pitch, the voice and staff it is written in, and the
    syllable sung to it (see `Note.lyric`)."""

    onset: int
    duration: int
    pitch: int
    voice: str = "1"
    staff: int = 1
    lyric: str = ""

    @property
    def end(self) -> int:
        """The tick at which it stops."""
        return self.onset + self.duration


@dataclass(frozen=True)
class XmlMeasure:
    """A measure in playing order.

    Attributes:
        number: as printed.
        start: tick.
        length: ticks that it really lasts; less than its meter says for pickups and measures split by a
            repeat sign.
        meter: None where the file names none.
        fifths: sharps (positive) or flats of the signature at concert pitch; None where the file names none.
        mode: what the file calls it, in lower case: nearly always "major", whatever the key is; may be empty.
        written: index of the measure as written.
    """

    number: str
    start: int
    length: int
    meter: Meter | None
    fifths: int | None
    mode: str = ""
    written: int = 0


@dataclass(frozen=True)
class XmlPart:
    """One part.

    Attributes:
        id, name: of the file; the name of its instrument where the part has none.
        notes: sorted by onset and pitch.
        chords: symbols, each lasting until the next.
        lyrics: how many of the written notes have words under them.
        clef: sign of its first clef, "G", "F" or "C"; empty where there is none.
    """

    id: str
    name: str
    notes: tuple[XmlNote, ...]
    chords: tuple[ChordSpan, ...]
    lyrics: int = 0
    clef: str = ""

    def voice_names(self) -> tuple[tuple[int, str], ...]:
        """(staff, voice) of every voice, in order of first appearance."""
        return tuple(dict.fromkeys((note.staff, note.voice) for note in self.notes))

    def voice(self, staff: int, voice: str) -> tuple[XmlNote, ...]:
        """The notes of one voice."""
        return tuple(note for note in self.notes if note.staff == staff and note.voice == voice)

    def top_line(self) -> tuple[XmlNote, ...]:
        """A monophonic line: the highest note of each onset, each cut off where the next begins."""
        line: list[XmlNote] = []
        for note in sorted(self.notes, key=lambda note: (note.onset, -note.pitch, -note.duration)):
            if line and line[-1].onset == note.onset:
                continue
            if line and line[-1].end > note.onset:
                last = line[-1]
                line[-1] = replace(last, duration=note.onset - last.onset)
            line.append(note)
        return tuple(line)


@dataclass(frozen=True)
class MusicXmlDocument:
    """What a file says, in playing order.

    Attributes:
        title, composer: may be empty.
        parts: in the order of the page.
        measures: as played.
        tempo_bpm: quarters a minute; None where the file names none, or only for a lesser part of the piece.
        unread_symbols: how many chord symbols say nothing that can be read.
        copied_measures: how many empty measures were filled because a sign says to play others again.
    """

    title: str
    composer: str
    parts: tuple[XmlPart, ...]
    measures: tuple[XmlMeasure, ...]
    tempo_bpm: float | None
    copied_measures: int = 0
    unread_symbols: int = 0

    @property
    def end(self) -> int:
        """Tick at which the last measure ends."""
        return self.measures[-1].start + self.measures[-1].length if self.measures else 0

    @property
    def meter(self) -> Meter:
        """The meter of most of the piece's time; where none is named, as many quarters as most measures
        last."""
        time: Counter[Meter] = Counter()
        for measure in self.measures:
            if measure.meter is not None:
                time[measure.meter] += measure.length
        if time:
            return time.most_common(1)[0][0]
        length = Counter(measure.length for measure in self.measures).most_common(1)[0][0]
        return Meter(max(1, round(length / TICKS_PER_QUARTER)), 4)

    def bar_starts(self) -> tuple[int, ...]:
        """Ticks at which bars begin; a bar split between two measures by a repeat sign counts once."""
        starts: list[int] = []
        usual = self.meter
        filled = 0  # ticks in the bar so far, where it is still short of its meter
        for measure in self.measures:
            meter = measure.meter or usual
            full = round(4 * TICKS_PER_QUARTER * meter.numerator / meter.denominator)
            if filled and filled + measure.length == full:
                filled = 0
                continue
            if measure.length:
                starts.append(measure.start)
            filled = measure.length if measure.length < full else 0
        return tuple(starts)


def read_musicxml(path: str | Path, *, play_repeats: bool = True) -> MusicXmlDocument:
    """Read a MusicXML file.

    Args:
        path: .musicxml, .xml or .mxl; packing is told from the content.
        play_repeats: False gives the measures once each, as written.

    Raises:
        MusicXmlError: with a `.reason` code, where the file is missing, unsafe, damaged, too large or
            without notes and chords.
    """
    root = load_tree(path)
    where = str(path)
    if root.tag == "score-timewise":
        root = partwise(root)
    if root.tag != "score-partwise":
        raise MusicXmlError(
            "not_partwise", f"{where}: <{root.tag[:40]}>: expected a <score-partwise> MusicXML document"
        )
    names = {element.get("id", ""): part_name(element) for element in root.iter("score-part")}
    drums = drum_parts(root)
    elements = [element for element in root.findall("part") if element.get("id", "") not in drums]
    if drums and not elements:
        raise MusicXmlError("no_notes", f"{where}: percussion only: expected a part with pitches")
    if not elements:
        raise MusicXmlError("no_parts", f"{where}: no <part>: expected at least one")
    if len(elements) > _MAX_PARTS:
        raise MusicXmlError("too_long", f"{where}: {len(elements)} parts: expected at most {_MAX_PARTS}")
    units = units_per_quarter(root)
    raw = [read_part(element, f"{where}: part {element.get('id', '')[:20]!r}", units) for element in elements]
    copied = sum(map(_copy_measures, raw))

    count = max(len(measures) for measures in raw)
    signs = [_joint_signs([part[i].signs for part in raw if i < len(part)]) for i in range(count)]
    order = play_order(signs) if play_repeats else list(range(count))
    if order is None:
        raise MusicXmlError("too_long", f"{where}: repeats never seem to end")
    starts, measures = _lay_out(raw, order, where, units)
    if sum(len(part[i].notes) for part in raw for i in order if i < len(part)) > _MAX_PLAYED_NOTES:
        raise MusicXmlError("too_long", f"{where}: more than {_MAX_PLAYED_NOTES} notes with repeats")
    end = measures[-1].start + measures[-1].length if measures else 0
    parts = tuple(
        XmlPart(
            id=element.get("id", ""),
            name=names.get(element.get("id", ""), ""),
            notes=_place_notes(part, order, starts, units),
            chords=_place_chords(part, order, starts, end, units),
            lyrics=sum(measure.lyrics for measure in part),
            clef=(element.findtext("measure/attributes/clef/sign") or "").strip()[:4],
        )
        for element, part in zip(elements, raw, strict=True)
    )
    if not any(part.notes or part.chords for part in parts):
        raise MusicXmlError("no_notes", f"{where}: no notes and no chord symbols")
    return MusicXmlDocument(
        title=title_of(root),
        composer=composer_of(root),
        parts=parts,
        measures=measures,
        tempo_bpm=_tempo(raw, order, starts, measures, units),
        copied_measures=copied,
        unread_symbols=sum(measure.unread for part in raw for measure in part),
    )


def _copy_measures(part: list[RawMeasure]) -> int:
    """Fills empty measures under signs that say to play the last ones again; how many there were.

    By the standard their notes are in the file, but some programs leave them out.
    """
    copied = 0
    for i, measure in enumerate(part):
        if measure.copy_of and i >= measure.copy_of and (source := part[i - measure.copy_of]).notes:
            measure.notes = [replace(note, tie_start=False, tie_stop=False) for note in source.notes]
            measure.length = max(measure.length, source.length)
            copied += 1
    return copied


def _tempo(
    raw: list[list[RawMeasure]],
    order: list[int],
    starts: list[int],
    measures: tuple[XmlMeasure, ...],
    units: int,
) -> float | None:
    """The piece's tempo from the marks of all parts, as they are first played."""
    marks: dict[int, float] = {}
    seen: set[int] = set()
    for i, start in zip(order, starts, strict=True):
        if i in seen:
            continue
        seen.add(i)
        for part in raw:
            if i < len(part) and (tempo := part[i].tempo) is not None:
                marks.setdefault(_tick(start + part[i].tempo_place, units), tempo)
    if not marks:
        return None
    opening = measures[0]
    full = 48 * opening.meter.numerator // opening.meter.denominator if opening.meter else 0
    end = opening.length if opening.length < full else opening.length - 1
    return main_tempo(sorted(marks.items()), end, measures[-1].start + measures[-1].length)


def _joint_signs(signs: list[Signs]) -> Signs:
    """Signs of a measure: programs write them in all parts or in some."""
    if len(signs) == 1 or all(sign == signs[0] for sign in signs):
        return signs[0]
    fields = Signs.__dataclass_fields__
    merged = {name: max(getattr(sign, name) for sign in signs) for name in fields if name != "endings"}
    return Signs(endings=max((sign.endings for sign in signs), key=len), **merged)


def _lay_out(
    raw: list[list[RawMeasure]], order: list[int], where: str, units: int
) -> tuple[list[int], tuple[XmlMeasure, ...]]:
    """Start in units of every measure played, and the measures in ticks.

    A measure lasts as long as its longest part; one without content as long as its meter says.
    """
    starts: list[int] = []
    measures: list[XmlMeasure] = []
    now = 0
    for i in order:
        here = [part[i] for part in raw if i < len(part)]
        meter = next((measure.meter for measure in here if measure.meter is not None), None)
        fifths, mode = next(
            ((measure.fifths, measure.mode) for measure in here if measure.fifths is not None), (None, "")
        )
        length = max(measure.length for measure in here)
        if not length:
            length = 4 * units * meter.numerator // meter.denominator if meter else 4 * units
        starts.append(now)
        tick = _tick(now, units)
        now += length
        if now * TICKS_PER_QUARTER > MAX_TICKS * units:
            raise MusicXmlError("too_long", f"{where}: longer than {MAX_TICKS} ticks")
        ticks = _tick(now, units) - tick
        measures.append(XmlMeasure(here[0].number, tick, ticks, meter, fifths, mode, i))
    return starts, tuple(measures)


def _tick(place: int, units: int) -> int:
    """A place in ticks; of two equally near, the even one."""
    tick, rest = divmod(place * TICKS_PER_QUARTER, units)
    return tick + (2 * rest > units or (2 * rest == units and tick % 2))


def _place_notes(
    part: list[RawMeasure], order: list[int], starts: list[int], units: int
) -> tuple[XmlNote, ...]:
    """Notes of the piece in ticks, tied ones joined."""
    joined: list[tuple[int, int, RawNote, str]] = []
    played: Counter[int] = Counter()  # how often each measure has been played
    open_ties: dict[tuple[int, int], int] = {}  # (staff, pitch) -> index of the note to be continued
    for i, start in zip(order, starts, strict=True):
        if i >= len(part):
            continue
        verse = played[i]
        played[i] += 1
        for note in part[i].notes:
            onset, end = start + note.onset, start + note.onset + note.duration
            waiting = open_ties.get((note.staff, note.pitch))
            follows = waiting is not None and joined[waiting][1] == onset
            if note.tie_stop or (follows and not note.lyrics):  # the end of a tie is often left out
                open_ties.pop((note.staff, note.pitch), None)
            else:  # a new syllable is a new note
                follows = False
            if waiting is not None and follows:
                index = waiting
                joined[index] = (joined[index][0], end, *joined[index][2:])
            else:
                index = len(joined)
                joined.append((onset, end, note, _syllable(note.lyrics, verse)))
            if note.tie_start:
                open_ties[note.staff, note.pitch] = index
    notes = []
    for onset, end, note, words in joined:
        tick = _tick(onset, units)
        duration = _tick(end, units) - tick
        if duration > 0:
            notes.append(XmlNote(tick, duration, note.pitch, note.voice, note.staff, words))
    return tuple(sorted(notes, key=lambda note: (note.onset, note.pitch)))


def _syllable(verses: tuple[str, ...], turn: int) -> str:
    """What is sung the so-manieth time: that verse, or the only one that is written."""
    written = [verse for verse in verses if verse.strip()]
    if len(written) == 1:
        return written[0]
    return (verses[turn] if turn < len(verses) else "".join(verses[:1])).strip()


def _place_chords(
    part: list[RawMeasure], order: list[int], starts: list[int], end: int, units: int
) -> tuple[ChordSpan, ...]:
    """Chord symbols in ticks, each until the next; of two at one place the later counts; equal neighbours
    are one."""
    changes: dict[int, Chord] = {}
    for i, start in zip(order, starts, strict=True):
        for place, chord in part[i].harmonies if i < len(part) else ():
            changes[_tick(start + place, units)] = chord
    spans: list[ChordSpan] = []
    ticks = sorted(tick for tick in changes if tick < end)
    for tick, until in zip(ticks, [*ticks[1:], end], strict=False):
        if spans and spans[-1].chord.is_same(changes[tick]) and spans[-1].end == tick:
            spans[-1] = replace(spans[-1], duration=until - spans[-1].onset)
        else:
            spans.append(ChordSpan(tick, until - tick, changes[tick]))
    return tuple(spans)
